/** The host wire: VMs, their guest state and their release. */
export const hostErrors = {
  AttestationProviderNotAllowed: {
    status: 409,
    when: 'The VM’s attestation provider is not known to the installation, nor named by its operator.',
    remedy: 'Have the operator name it, or recreate the VM.',
  },
  AttestationProviderUnreachable: {
    status: 503,
    when: 'The VM’s attestation provider does not answer.',
    remedy: 'Check that it can be reached, then start the VM again.',
  },
  AttestationRefused: {
    status: 409,
    when: 'The attestation provider refused the VM’s evidence.',
    remedy: 'Fix what its error reports.',
  },
  AttestationTokenForeign: {
    status: 502,
    when: 'The attestation provider returned a token with another issuer.',
    remedy: 'Correct the issuer in the installation’s configuration.',
  },
  AuthorizationFailed: {
    status: 403,
    when: 'A caller other than the control plane called the host.',
    remedy: 'Use the management API.',
  },
  BackupAltered: {
    status: 409,
    when: 'A file of a backup, its manifest or its guest state is not as it was made.',
    remedy: 'Use an unaltered copy of the backup.',
  },
  BackupNotAuthorized: {
    status: 403,
    when: 'A VM is to be backed up for a key that none of the SSH keys in its guest has signed for.',
    remedy: 'Use strongroom vm backup with the SSH key that the VM was created with.',
  },
  BackupNotFound: {
    status: 404,
    when: 'No backup of the VM was asked for since its host started.',
    remedy: 'Make one: strongroom vm backup.',
  },
  BackupNotPossible: {
    status: 409,
    when: 'The VM cannot be backed up; the message says why.',
    remedy: 'Copy its data from inside the guest.',
  },
  BootLoaderRefused: {
    status: 409,
    when: 'The firmware did not start the boot image on the disk.',
    remedy: 'Restore the disk, or recreate the VM.',
  },
  BootReportRefused: {
    status: 403,
    when: 'The guest’s report of its boot is not genuine.',
    remedy:
      'Start the VM again. Whatever ran may have read the key of its encrypted disk: give it a new one, `strongroom vm rekey`.',
  },
  CallNotCarried: {
    status: 403,
    when: 'A joined host asked for a report over claims that are not its VM’s, or for firmware that is not the server’s.',
    remedy: 'Run the same versions of Strongroom and of Debian’s firmware on the host as on the server.',
  },
  CustomerKeyNotOfSet: {
    status: 409,
    when: 'The guest state is wrapped by a key that the disk-encryption set does not have.',
    remedy: 'Set that key in the disk-encryption set, then start the VM.',
  },
  CustomerKeyNotReadable: {
    status: 409,
    when: 'The identity of the disk-encryption set cannot read its key.',
    remedy: 'Grant it get, wrapKey and unwrapKey on the key.',
  },
  DataDiskInUse: {
    status: 409,
    when: 'The data disk is attached to another VM.',
    remedy: 'Detach it there first: az vm disk detach.',
  },
  DataDiskMissing: {
    status: 409,
    when: 'The file of a data disk is not on the host.',
    remedy: 'Restore STATE/disks from a backup, or detach the disk.',
  },
  DataDiskNotPlugged: {
    status: 500,
    when: 'Disks could not be attached to the running guest.',
    remedy: 'Deallocate the VM and repeat the request.',
  },
  DataDiskNotReady: {
    status: 409,
    when: 'The data disk is not ready yet.',
    remedy: 'Wait until the copy ends, or end its upload.',
  },
  DiskKeyMissing: {
    status: 409,
    when: 'The vTPM holds no key for the OS disk: the VM was created by an earlier version.',
    remedy: 'Copy the data you need out of the VM, then recreate it.',
  },
  DiskKeyUnreadable: {
    status: 500,
    when: 'The vTPM holds a disk key in an unknown format.',
    remedy: 'Start the VM with the version that created it.',
  },
  DiskSealWouldNotOpen: {
    status: 409,
    when: 'The disk would not unlock after the conversion.',
    remedy: 'Undo the change to the VM’s Secure Boot variables, then convert it.',
  },
  FirmwareExchanged: {
    status: 409,
    when: 'QEMU has other firmware than the launch measured; nothing of it ran.',
    remedy: 'Find out who changed the firmware file or QEMU’s arguments on the host, then start the VM again.',
  },
  FirmwareListInvalid: {
    status: 500,
    when: 'The list of firmware in the state directory is not signed by the installation, or was altered.',
    remedy:
      'Restore firmware-list.jws from a backup, or remove it and sign what is to be listed: `strongroom firmware sign`.',
  },
  FirmwareNotHardened: {
    status: 500,
    when: 'The guest firmware can load a kernel from the host.',
    remedy: 'Reinstall Strongroom.',
  },
  ForeignFileRefused: {
    status: 500,
    when: 'A program of the VM (QEMU or swtpm) left something other than its output file.',
    remedy: 'Assume that the VM’s QEMU or swtpm is compromised: keep the logs, recreate the VM.',
  },
  GuestBootTimeout: {
    status: 409,
    when: 'The guest did not report that it is ready in time.',
    remedy: 'Check its serial log; on a busy host, raise STRONGROOM_BOOT_LIMIT_SECONDS.',
  },
  GuestDidNotBoot: {
    status: 409,
    when: 'The guest ended before it reported that it is ready.',
    remedy: 'Check its serial log.',
  },
  GuestDidNotStart: {
    status: 500,
    when: 'QEMU ended before the guest ran.',
    remedy: 'Check the VM’s qemu.log and serial.log.',
  },
  GuestDidNotAnswer: {
    status: 409,
    when: 'The guest did not answer a verifier’s challenge in time.',
    remedy: 'Try again; restart a VM that stays silent, and recreate one of an earlier image.',
  },
  GuestEnded: {
    status: 500,
    when: 'QEMU ended while the guest ran.',
    remedy: 'Check the VM’s qemu.log and serial.log.',
  },
  GuestStateCorrupt: {
    status: 409,
    when: 'The guest state is damaged.',
    remedy: 'Restore it and the disk from the same backup, or recreate the VM.',
  },
  GuestStateExchanged: {
    status: 409,
    when: 'The guest state was replaced while the VM ran or was stopped.',
    remedy: 'Restore it and the disk from the same backup, or recreate the VM.',
  },
  GuestStateOfAnotherKey: {
    status: 409,
    when: 'The guest state cannot be decrypted with the customer’s key that it names.',
    remedy: 'Put this VM’s own guest state back.',
  },
  GuestStateOfAnotherVm: {
    status: 409,
    when: 'The guest state cannot be decrypted with this VM’s key.',
    remedy: 'Put this VM’s own guest state back.',
  },
  GuestStateRolledBack: {
    status: 409,
    when: 'The guest state is an older copy.',
    remedy: 'Put the newest one back.',
  },
  GuestsRunHere: {
    status: 409,
    when: 'The request asks for a simulated boot where guests really boot.',
    remedy: 'Use the evidence of the VM’s own boot.',
  },
  HardwareModeNotBuilt: {
    status: 501,
    when: 'The request boots a VM in hardware mode.',
    remedy: 'Create an installation in simulated mode.',
  },
  InstanceDeleting: {
    status: 409,
    when: 'The VM is being deleted.',
    remedy: 'Wait until the deletion ends.',
  },
  InstanceExists: {
    status: 409,
    when: 'A VM with this id exists with a different specification.',
    remedy: 'Delete it first, or change it while it is stopped.',
  },
  InstanceNotConvertible: {
    status: 409,
    when: 'The VM cannot be converted to another processor technology.',
    remedy: 'Create a new VM of that size.',
  },
  InstanceNotFound: {
    status: 404,
    when: 'The host has no such VM.',
    remedy: 'Check its id.',
  },
  InstanceNotProvisioned: {
    status: 409,
    when: 'The VM was not created.',
    remedy: 'Delete it and recreate it.',
  },
  InstanceNotReady: {
    status: 409,
    when: 'The guest is not running.',
    remedy: 'Start the VM and wait until it is ready.',
  },
  InstanceNotRekeyable: {
    status: 409,
    when: 'The OS disk of the VM has no volume key that can be replaced.',
    remedy: 'Create a new VM with an encrypted OS disk, and copy the data.',
  },
  InstanceNotStopped: {
    status: 409,
    when: 'The VM runs.',
    remedy: 'Deallocate it first.',
  },
  InstanceWithoutCustomerKey: {
    status: 409,
    when: 'The guest state is wrapped by the platform’s key only.',
    remedy: 'Create a VM with a disk-encryption set.',
  },
  InvalidInstanceSpec: {
    status: 400,
    when: 'The description of a VM or disk is malformed; the details name each member.',
    remedy: 'Correct the members that the details name.',
  },
  InvalidParameter: {
    status: 400,
    when: 'A parameter of the request is malformed.',
    remedy: 'Send what the error lists as expected.',
  },
  InvalidRequestContent: {
    status: 400,
    when: 'The body is malformed.',
    remedy: 'Send what the error lists as expected.',
  },
  KeyReleaseRefused: {
    status: 409,
    when: 'The key service did not release the VM’s key.',
    remedy: 'Fix what its error reports.',
  },
  MachineNotPredicted: {
    status: 500,
    when: 'QEMU does not report which ACPI tables it passes to the firmware, so they cannot be compared.',
    remedy: 'Install Debian’s qemu-system-x86.',
  },
  MachineTablesDiffer: {
    status: 500,
    when: 'The host’s QEMU gives guests other ACPI tables than verifiers compute, so the VM’s disk stays locked.',
    remedy: 'Install Debian 13’s qemu-system-x86, and start it with no arguments of your own.',
  },
  MemoryDumpRefused: {
    status: 403,
    when: 'The request asks for a memory dump of a VM.',
    remedy: 'Collect one inside the guest (kdump), and encrypt it there.',
  },
  MissingFirmware: {
    status: 500,
    when: 'The UEFI firmware for guests is not installed.',
    remedy: 'Install the package that the error names.',
  },
  NoGuestRan: {
    status: 409,
    when: 'Compute is simulated, so no guest runs.',
    remedy: 'Use an installation that boots guests.',
  },
  NotConfidential: {
    status: 400,
    when: 'The request asks for evidence of an ordinary VM.',
    remedy: 'Ask for evidence of a confidential VM.',
  },
  NotFound: {
    status: 404,
    when: 'The host has nothing at this path.',
    remedy: 'Check the path.',
  },
  NvIndexTooSmall: {
    status: 500,
    when: 'Content is too long for its NV index.',
    remedy: 'Report it: this is a bug.',
  },
  OsDiskDidNotUnlock: {
    status: 409,
    when: 'The OS disk did not unlock: the boot differs from the one its key is sealed to.',
    remedy: 'Restore the disk, or recreate the VM.',
  },
  OsDiskReplaced: {
    status: 403,
    when: 'The OS disk is not the one the VM was created with.',
    remedy: 'Put the VM’s own disk back.',
  },
  PlacementOver: {
    status: 409,
    when: 'A host asked for a VM’s disk or guest state under an earlier placement than the current one.',
    remedy: 'None needed: another host carries the VM.',
  },
  ProgramFailed: {
    when: 'A program on the host failed.',
    remedy: 'Check the server’s log, then repeat the operation.',
  },
  ReleaseAnswerInvalid: {
    status: 409,
    when: 'The key service returned something other than what was requested.',
    remedy: 'Check that the key service belongs to this installation.',
  },
  ReleasedKeyUnreadable: {
    status: 409,
    when: 'The released key cannot be unwrapped with this boot’s transfer key.',
    remedy: 'Start the VM again.',
  },
  RestoreKeyRefused: {
    status: 403,
    when: 'The key of a backup is not wrapped to the transfer key of this restore.',
    remedy: 'Repeat `strongroom vm restore`.',
  },
  RestoreNotAwaited: {
    status: 409,
    when: 'The VM does not wait for a backup.',
    remedy: 'Begin with `strongroom vm restore`; repeat it if the server was restarted.',
  },
  RestoreNotPossible: {
    status: 409,
    when: 'A VM cannot be made of the backup with these settings, or on this host.',
    remedy: 'Use `strongroom vm restore`.',
  },
  RestoreNotRecorded: {
    status: 409,
    when: 'The guest state was made of another backup than the host’s record of the VM says.',
    remedy: 'Put this VM’s own guest state back, or restore the VM from its backup.',
  },
  SettingsChanged: {
    status: 409,
    when: 'The VM is to boot with another account, SSH keys or data than its vTPM was bound to.',
    remedy: 'Put the host’s record of the VM back as it was made, or create another VM with those settings.',
  },
  SettingsRefused: {
    status: 409,
    when: 'The guest was given another account, SSH keys or data than its vTPM was made for, or a disk that was never set up.',
    remedy: 'Put the VM’s newest OS disk back.',
  },
  VariablesExchanged: {
    status: 409,
    when: 'QEMU has other UEFI variables than the VM’s; nothing of it ran.',
    remedy: 'Find out who changed the variables file or QEMU’s arguments on the host, then start the VM again.',
  },
  VtpmChanged: {
    status: 409,
    when: 'The guest state holds a different vTPM than the report binds.',
    remedy: 'Restore the database and the guest state from the same backup.',
  },
  VtpmDidNotStart: {
    status: 500,
    when: 'The software TPM did not start.',
    remedy: 'Check that the package swtpm is installed completely.',
  },
  VtpmEnded: {
    status: 500,
    when: 'The software TPM exited.',
    remedy: 'Find out why in the system’s log, then start the VM again.',
  },
} as const
