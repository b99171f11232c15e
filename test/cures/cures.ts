/**
 * What stops an attack, in one place of the source, and the test that fails once it is taken out. Each test stands in the
 * attack's row of docs/proof/attacks.md.
 */
export interface Cure {
  attack: string
  /** Path from the root of the source that has `cure`, once. */
  file: string
  cure: string
  /** What is left in its place. */
  without: string
  test: string
  title: string
}

export const cures: readonly Cure[] = [
  {
    attack: 'H7',
    file: 'packages/trust/src/links/settings-link.ts',
    cure: 'derive([found, wanted], (actual, expected) => actual === expected)',
    without: 'derive([found, wanted], () => true)',
    test: 'packages/trust/src/links/settings-link.test.ts',
    title: 'refuses a guest that settled %s (attack H7)',
  },
  {
    attack: 'H24',
    file: 'packages/trust/src/links/settings-link.ts',
    cure: 'derive([claimed, found], (wanted, actual) => wanted === actual)',
    without: 'derive([claimed, found], () => true)',
    test: 'packages/trust/src/links/settings-link.test.ts',
    title: 'refuses a guest that measured others than the claims have: %s (attack H24)',
  },
  {
    attack: 'H14',
    file: 'packages/trust/src/provenance/signed.ts',
    cure: 'refuseUnless(expected !== undefined && equal(authority, expected), {',
    without: 'refuseUnless(true, {',
    test: 'packages/trust/src/links/image-link.test.ts',
    title: 'refuses an update by another than the publisher of the image, and one that was changed (attack H14)',
  },
  {
    attack: 'H14',
    file: 'packages/trust/src/links/image-link.ts',
    cure: 'derive([authority, publisher], (a, b) => a === b)',
    without: 'derive([authority, publisher], () => true)',
    test: 'packages/trust/src/links/image-link.test.ts',
    title: 'refuses an update by who took the publisher’s place in a later document of measurements (attack H14)',
  },
  {
    attack: 'H14',
    file: 'packages/trust/src/links/image-link.ts',
    cure: '(of, trusted) => of.generation >= trusted',
    without: '() => true',
    test: 'packages/trust/src/links/image-link.test.ts',
    title: 'refuses what was superseded in a boot that was trusted: an update, and the image’s own (attack H14)',
  },
  {
    attack: 'H15',
    file: 'packages/trust/src/provenance/variables.ts',
    cure: 'refuseUnless(updates.length >= trusted, {',
    without: 'refuseUnless(true, {',
    test: 'packages/trust/src/provenance/variables.test.ts',
    title: 'refuses fewer updates than a boot had that was trusted (attack H15)',
  },
  {
    attack: 'H15',
    file: 'packages/trust/src/provenance/variables.ts',
    cure: 'await requireAuthority(state, authority)',
    without: '',
    test: 'packages/trust/src/provenance/variables.test.ts',
    title: 'refuses updates %s (attack H15)',
  },
  {
    attack: 'H20',
    file: 'packages/trust/src/links/restored.ts',
    cure: '(found, wanted) => found?.manifest === wanted?.manifest',
    without: '() => true',
    test: 'packages/trust/src/links/restored.test.ts',
    title: 'is refused where somebody else restored the VM, or from another backup (attack H20)',
  },
  {
    attack: 'H25',
    file: 'services/vault/src/release/vm-settings.ts',
    cure: 'else if (row.sha256 !== stated) throw changed(row.sha256, stated)',
    without: '',
    test: 'services/vault/src/release/vm-settings.test.ts',
    title: 'is released to boots with the settings of its first release, and to no others (attack H25)',
  },
  {
    attack: 'H26',
    file: 'packages/evidence/src/expect/predict/ssh-host-key.ts',
    cure: 'if (equal(found, digest)) return',
    without: 'return',
    test: 'packages/evidence/src/expect/predict/ssh-host-key.test.ts',
    title: 'is refused where the host wrote another key into record %i of the log (attack H26)',
  },
  {
    attack: 'H28',
    file: 'packages/trust/src/backup.ts',
    cure: 'holds: same(vmId.map(upper), own.map(upper)),',
    without: 'holds: own.map(() => true),',
    test: 'test/insider/backup-attacks.test.ts',
    title: 'is none where the host returns the genuine backup of a VM of its own (attack H28)',
  },
  {
    attack: 'E23',
    file: 'packages/trust/src/provenance/stated-machine.ts',
    cure: 'const register = await computed({ technology: tee, vCPUs, memoryMiB, interfaces })',
    without:
      "const stated = (expected as { pcrs?: Record<number, string> }).pcrs?.[1] ?? ''\n" +
      "  const register = stated ? Buffer.from(stated, 'hex') : await computed({ technology: tee, vCPUs, memoryMiB, interfaces })",
    test: 'packages/trust/src/provenance/stated-machine.test.ts',
    title: 'has the PCR 1 that is computed here; a register that the host states is not read (attack E23)',
  },
  {
    attack: 'H15',
    file: 'packages/evidence/src/expect/predict/secure-boot-update.ts',
    cure: 'if (!append && compareEfiTimes(timestamp, before.timestamp) <= 0)',
    without: 'if (timestamp.length === 0)',
    test: 'packages/evidence/src/expect/predict/secure-boot-update.test.ts',
    title: 'that replaces has to be later than the one before: an older dbx does not come back (attack H15)',
  },
  {
    attack: 'H15',
    file: 'packages/evidence/src/expect/predict/secure-boot-update.ts',
    cure: 'await requireEntitled({ state, variable, signer, others })',
    without: 'void requireEntitled',
    test: 'packages/evidence/src/expect/predict/secure-boot-update.test.ts',
    title: 'of %s is not taken of another key (attack H15)',
  },
  {
    attack: 'H18',
    file: 'packages/trust/src/provenance/claims.ts',
    cure: 'refuseUnless(actual === expected, {',
    without: 'refuseUnless(true, {',
    test: 'test/insider/backup-attacks.test.ts',
    title: 'gets none where the host put a transfer key of its own into the claims (attack H18)',
  },
  {
    attack: 'H28',
    file: 'packages/trust/src/provenance/silicon.ts',
    cure: 'if (ofSibling === undefined) return { measurement, reportData: undefined }',
    without: "if (ofSibling === undefined) return { measurement, reportData: vouch(other.body.reportData, 'silicon') }",
    test: 'test/insider/backup-attacks.test.ts',
    title: 'is none with a TDREPORT that no quote vouches for, which anybody can write (attack H28)',
  },
]
