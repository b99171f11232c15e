/** What a link protects from if it holds, and what it leaves open (docs/explanation/trust-report.md). */
export const meanings: Readonly<Record<string, { protects: string; not: string }>> = {
  silicon: {
    protects: 'Made-up or edited reports; revoked or outdated platforms; a guest whose memory the host may read.',
    not: 'Flaws of the silicon that nobody has published.',
  },
  measurement: {
    protects: 'Other firmware, and processors that were not asked for.',
    not: 'Faults of the firmware itself. A pin says that it is the same as before, not which it is.',
  },
  claims: { protects: 'Claims of another VM under a genuine report.', not: 'Whether what they claim is wanted.' },
  'transfer-key': { protects: 'A key that the operator holds.', not: 'What is done with the key once it is released.' },
  token: {
    protects: 'A token of another VM or of an earlier boot, or of another provider than the VM named.',
    not: 'A provider whose policy accepts too much.',
  },
  release: { protects: 'A release of the key to somebody else.', not: 'Keys that the guest gives away itself.' },
  firmware: {
    protects: 'Firmware that the installation did not sign, older firmware brought back, new firmware of a pinned VM.',
    not: 'An operator who signs firmware that is bad.',
  },
  'customer-key': {
    protects: 'A key under a policy that this boot does not satisfy.',
    not: 'What you let others do with your vault.',
  },
  'guest-state': { protects: 'An older state of the vTPM, put back.', not: 'A state that was lost.' },
  'own-verifier': {
    protects: 'Services of the operator in the chain of trust.',
    not: 'Your own verifier: this guest is trusted by whoever asks it for evidence.',
  },
  vtpm: { protects: 'Another machine’s vTPM.', not: 'What programs in the guest have it sign.' },
  image: {
    protects: 'Another image than was asked for, and registers that the host predicted for itself.',
    not: 'What is wrong inside the image.',
  },
  'measured-boot': {
    protects: 'Another boot loader, kernel, initrd, command line or Secure Boot state.',
    not: 'What runs after the boot: programs, updates, who logs in.',
  },
  disk: {
    protects: 'A disk in clear, one of the host’s own, another cipher in its header.',
    not: 'Copies that the guest makes; data on disks that it does not encrypt.',
  },
  'ssh-host-key': {
    protects: 'An SSH port that leads to another machine, which you would give your password.',
    not: 'Whoever holds the key: root in the guest, and the host where the disk is not encrypted.',
  },
  'running-guest': {
    protects: 'Another disk or kernel that runs behind an earlier boot’s report; a guest that was reset since.',
    not: 'A second copy of the same guest that runs elsewhere at the same time.',
  },
  settings: {
    protects: 'A key or an account that the host slipped in at the first boot, and another VM’s disk.',
    not: 'Keys that were added in the guest later.',
  },
}
