/** The host wire: VMs, their guest state and their release. */
export const hostErrors = {
  AttestationProviderNotAllowed: {
    status: 409,
    when: 'The VM’s attestation provider is not one that the installation or its operator names.',
    remedy: 'Have the operator name it, or recreate the VM.',
  },
  AttestationProviderUnreachable: {
    status: 503,
    when: 'The VM’s attestation provider does not answer.',
    remedy: 'See that it can be reached, then start the VM again.',
  },
  AttestationRefused: {
    status: 409,
    when: 'The attestation provider refused the VM’s evidence.',
    remedy: 'Put right what its error says.',
  },
  AttestationTokenForeign: {
    status: 502,
    when: 'The attestation provider answered with a token in another name.',
    remedy: 'Correct the issuer in the installation’s configuration.',
  },
  AuthorizationFailed: {
    status: 403,
    when: 'Another caller than the control plane called the host.',
    remedy: 'Use the management API.',
  },
  BootLoaderRefused: {
    status: 409,
    when: 'The firmware did not start the boot image on the disk.',
    remedy: 'Restore the disk, or recreate the VM.',
  },
  BootReportRefused: {
    status: 403,
    when: 'The guest’s report of its boot is not genuine.',
    remedy: 'Start the VM again.',
  },
  CallNotCarried: {
    status: 403,
    when: 'A joined host asked the processors for a report over other claims than its VM’s, or of other firmware than the server’s.',
    remedy: 'Run the same version of Strongroom and of Debian’s firmware on the host as on the server.',
  },
  CustomerKeyNotOfSet: {
    status: 409,
    when: 'The guest state is under a key that the disk-encryption set does not have.',
    remedy: 'Set the key that it is under, then start the VM.',
  },
  CustomerKeyNotReadable: {
    status: 409,
    when: 'The identity of the disk-encryption set cannot read its key.',
    remedy: 'Give it get, wrapKey and unwrapKey at the key.',
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
    when: 'A running guest could not be given its disks.',
    remedy: 'Deallocate the VM and repeat the request.',
  },
  DataDiskNotReady: {
    status: 409,
    when: 'The data disk is not whole yet.',
    remedy: 'Wait until it is copied, or end its upload.',
  },
  DiskKeyMissing: {
    status: 409,
    when: 'The vTPM holds no key of the OS disk: an earlier version made the VM.',
    remedy: 'Copy what you need out of the VM and recreate it.',
  },
  DiskKeyUnreadable: {
    status: 500,
    when: 'The vTPM holds a disk key in another form.',
    remedy: 'Start the VM with the version that made it.',
  },
  DiskSealWouldNotOpen: {
    status: 409,
    when: 'The disk would not open after the conversion.',
    remedy: 'Undo what changed the VM’s Secure Boot variables, then convert it.',
  },
  FirmwareNotHardened: {
    status: 500,
    when: 'The firmware of guests can load a kernel from the host.',
    remedy: 'Reinstall Strongroom.',
  },
  ForeignFileRefused: {
    status: 500,
    when: 'A program of the VM left something other than the file that it writes.',
    remedy: 'Take the VM’s QEMU or swtpm for taken over: keep the logs, recreate the VM.',
  },
  GuestBootTimeout: {
    status: 409,
    when: 'The guest did not report that it is ready in time.',
    remedy: 'See its serial log; a busy host needs more time: STRONGROOM_BOOT_LIMIT_SECONDS.',
  },
  GuestDidNotBoot: {
    status: 409,
    when: 'The guest ended before it reported that it is ready.',
    remedy: 'See its serial log.',
  },
  GuestDidNotStart: {
    status: 500,
    when: 'QEMU ended before the guest ran.',
    remedy: 'See qemu.log and serial.log of the VM.',
  },
  GuestEnded: {
    status: 500,
    when: 'QEMU ended while the guest ran.',
    remedy: 'See qemu.log and serial.log of the VM.',
  },
  GuestStateCorrupt: {
    status: 409,
    when: 'The guest state is damaged.',
    remedy: 'Restore it with the disk from one backup, or recreate the VM.',
  },
  GuestStateExchanged: {
    status: 409,
    when: 'The guest state was exchanged while the VM ran or was stopped.',
    remedy: 'Restore it with the disk from one backup, or recreate the VM.',
  },
  GuestStateOfAnotherKey: {
    status: 409,
    when: 'The guest state does not open with the customer’s key that it names.',
    remedy: 'Put back the guest state of this VM.',
  },
  GuestStateOfAnotherVm: {
    status: 409,
    when: 'The guest state does not open with the key of this VM.',
    remedy: 'Put back the guest state of this VM.',
  },
  GuestStateRolledBack: {
    status: 409,
    when: 'The guest state is an older copy.',
    remedy: 'Put back the newest one.',
  },
  GuestsRunHere: {
    status: 409,
    when: 'A simulated boot was asked for where guests boot.',
    remedy: 'Read the evidence of the VM’s own boot.',
  },
  HardwareModeNotBuilt: {
    status: 501,
    when: 'A VM was to boot in hardware mode.',
    remedy: 'Make an installation in simulated mode.',
  },
  InstanceDeleting: {
    status: 409,
    when: 'The VM is being deleted.',
    remedy: 'Wait until it is gone.',
  },
  InstanceExists: {
    status: 409,
    when: 'A VM of this id exists with another specification.',
    remedy: 'Delete it first, or change it while it is stopped.',
  },
  InstanceNotConvertible: {
    status: 409,
    when: 'The VM cannot be moved to other silicon.',
    remedy: 'Make a new VM of that size.',
  },
  InstanceNotFound: {
    status: 404,
    when: 'The host has no such VM.',
    remedy: 'Check its id.',
  },
  InstanceNotProvisioned: {
    status: 409,
    when: 'The VM was not made.',
    remedy: 'Delete it and recreate it.',
  },
  InstanceNotReady: {
    status: 409,
    when: 'The guest does not run.',
    remedy: 'Start the VM and wait until it is ready.',
  },
  InstanceNotStopped: {
    status: 409,
    when: 'The VM runs.',
    remedy: 'Deallocate it first.',
  },
  InstanceWithoutCustomerKey: {
    status: 409,
    when: 'The guest state is under the platform’s key alone.',
    remedy: 'Make a VM with a disk-encryption set.',
  },
  InvalidInstanceSpec: {
    status: 400,
    when: 'What was sent of a VM or disk has another form; the details name each member.',
    remedy: 'Correct the members that the details name.',
  },
  InvalidParameter: {
    status: 400,
    when: 'A parameter of the request has another form.',
    remedy: 'Send what the error’s expected says.',
  },
  InvalidRequestContent: {
    status: 400,
    when: 'The body has another form.',
    remedy: 'Send what the error’s expected says.',
  },
  KeyReleaseRefused: {
    status: 409,
    when: 'The key service did not release the VM’s key.',
    remedy: 'Put right what its error says.',
  },
  MachineNotPredicted: {
    status: 500,
    when: 'QEMU does not say what the firmware will be given, so that the boot cannot be predicted.',
    remedy: 'Install Debian’s qemu-system-x86.',
  },
  MemoryDumpRefused: {
    status: 403,
    when: 'A memory dump of a VM was asked for.',
    remedy: 'Collect one inside the guest (kdump), and encrypt it there.',
  },
  MissingFirmware: {
    status: 500,
    when: 'The UEFI firmware for guests is not installed.',
    remedy: 'Install the package that the error names.',
  },
  NoGuestRan: {
    status: 409,
    when: 'Compute is simulated, so that no guest runs.',
    remedy: 'Use an installation that boots guests.',
  },
  NotConfidential: {
    status: 400,
    when: 'Evidence of an ordinary VM was asked for.',
    remedy: 'Ask for that of a confidential VM.',
  },
  NotFound: {
    status: 404,
    when: 'The host has nothing at this path.',
    remedy: 'Check the path.',
  },
  NvIndexTooSmall: {
    status: 500,
    when: 'Content is too long for its NV index.',
    remedy: 'Report it: it is a defect.',
  },
  OsDiskDidNotUnlock: {
    status: 409,
    when: 'The OS disk did not unlock: its boot was not the one that its key is sealed to.',
    remedy: 'Restore the disk, or recreate the VM.',
  },
  OsDiskReplaced: {
    status: 403,
    when: 'The OS disk is not the one that the VM was made with.',
    remedy: 'Put the VM’s own disk back.',
  },
  PlacementOver: {
    status: 409,
    when: 'The disk or the guest state of a VM was asked for at an earlier placement than its present one.',
    remedy: 'Nothing: the VM is another host’s.',
  },
  ProgramFailed: {
    when: 'A program of the host failed.',
    remedy: 'See the server’s log, then repeat the operation.',
  },
  ReleaseAnswerInvalid: {
    status: 409,
    when: 'The key service’s answer is not what was asked for.',
    remedy: 'See that the key service belongs to this installation.',
  },
  ReleasedKeyUnreadable: {
    status: 409,
    when: 'The released key does not open with the transfer key of this boot.',
    remedy: 'Start the VM again.',
  },
  VtpmChanged: {
    status: 409,
    when: 'The guest state holds another vTPM than the report binds.',
    remedy: 'Restore the database and the guest state from one backup.',
  },
  VtpmDidNotStart: {
    status: 500,
    when: 'The software TPM did not start.',
    remedy: 'See that the package swtpm is whole.',
  },
  VtpmEnded: {
    status: 500,
    when: 'The software TPM ended.',
    remedy: 'See what ended it in the system’s log, then start the VM again.',
  },
} as const
