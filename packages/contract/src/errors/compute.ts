/** Virtual machines, their disks, images and commands. */
export const computeErrors = {
  AddingOrDeletingNetworkInterfacesOnARunningVirtualMachineNotSupported: {
    status: 400,
    when: 'The request changes the network interfaces of a running VM.',
    remedy: 'Deallocate the VM, make the change, then start it again.',
  },
  AttachDiskWhileBeingDetached: {
    status: 409,
    when: 'The disk is attached to another VM.',
    remedy: 'Detach it there first, or use another disk.',
  },
  AuthenticationFailed: {
    status: 403,
    when: 'The address of a log is not signed, or has expired.',
    remedy: 'Get another one: az vm boot-diagnostics get-boot-log-uris.',
  },
  BackupNotFound: {
    status: 404,
    when: 'No backup of the VM was asked for since its host started.',
    remedy: 'Make one: `strongroom vm backup`.',
  },
  BlobNotFound: {
    status: 404,
    when: 'The VM that the log belongs to no longer exists.',
    remedy: 'Recreate the VM.',
  },
  BootDiagnosticsNotEnabled: {
    status: 409,
    when: 'Boot diagnostics are not enabled on the VM.',
    remedy: 'Enable them: az vm boot-diagnostics enable.',
  },
  BootEvidenceNotFound: {
    status: 404,
    when: 'The VM has not booted yet.',
    remedy: 'Start it.',
  },
  BootFailed: {
    when: 'The VM did not start, and its host reports no reason.',
    remedy: 'See the instance view of the VM.',
  },
  ConflictingUserInput: {
    status: 409,
    when: 'A disk of this name exists.',
    remedy: 'Attach it with createOption Attach, or use another name.',
  },
  CopyFailed: {
    when: 'The host could not copy the disk.',
    remedy: 'See the host’s log, then repeat the request.',
  },
  DiskLost: {
    when: 'The host has lost the disk.',
    remedy: 'Restore STATE/disks from a backup, or recreate the disk.',
  },
  DiskNotMade: {
    when: 'The host could not create the disk.',
    remedy: 'See the host’s log, then repeat the request.',
  },
  FailedIdentityOperation: {
    status: 400,
    when: 'The request assigns an identity that does not exist.',
    remedy: 'Create it first: az identity create.',
  },
  GalleryImageNotFound: {
    status: 404,
    when: 'There is no such image version in the region.',
    remedy: 'See az sig image-version list.',
  },
  GuestAgentRefused: {
    status: 403,
    when: 'The request needs an agent of the operator in the guest, and there is none.',
    remedy: 'Do it from inside the guest.',
  },
  ImageNotBuilt: {
    status: 409,
    when: 'The reference image is not built yet.',
    remedy: 'Build it once: `strongroom image build`.',
  },
  ImageVersionNotReady: {
    status: 409,
    when: 'No VM can be created from the image version.',
    remedy: 'Fix what its qualification lists, then create another version.',
  },
  InUse: {
    when: 'Another resource uses the resource.',
    remedy: 'Delete the other resource first.',
  },
  InjectedBootFailure: {
    when: 'The test API made the boot fail.',
    remedy: 'Clear the fault.',
  },
  InstanceLost: {
    status: 409,
    when: 'The host has no such instance.',
    remedy: 'Delete the VM and recreate it.',
  },
  InstanceNotFound: {
    status: 404,
    when: 'The host has no instance of the VM.',
    remedy: 'Delete the VM and recreate it.',
  },
  InvalidAvailabilityZone: {
    status: 400,
    when: 'The region has no such zone.',
    remedy: 'Use a zone of the region.',
  },
  InvalidIdentityIds: {
    status: 400,
    when: 'Identities are listed for an identity type that takes none.',
    remedy: 'Use ’UserAssigned’ or ’SystemAssigned, UserAssigned’.',
  },
  InvalidIdentityType: {
    status: 400,
    when: 'There is no such identity type.',
    remedy: 'Use SystemAssigned, UserAssigned, both, or None.',
  },
  MemoryDumpRefused: {
    status: 403,
    when: 'The request asks for a memory dump of a VM.',
    remedy: 'Collect one inside the guest (kdump), and encrypt it there.',
  },
  MissingIdentityIds: {
    status: 400,
    when: 'The identity type needs a list of identities.',
    remedy: 'Name one, or use another type.',
  },
  NotConfidential: {
    status: 409,
    when: 'The VM is not confidential, so no processor measured it.',
    remedy: 'Make a confidential VM.',
  },
  PlatformImageNotFound: {
    status: 404,
    when: 'There is no such platform image.',
    remedy: 'Use Strongroom:debian-13:cvm:latest, or import an image.',
  },
  ProvisioningFailed: {
    when: 'The VM could not be created, and its host reports no reason.',
    remedy: 'See the host’s log, then delete the VM and recreate it.',
  },
  RunCommandNotFound: {
    status: 404,
    when: 'There is no such run command: commands are dropped when the VM’s boot ends.',
    remedy: 'List them: az vm run-command list.',
  },
  RunCommandNotSigned: {
    status: 403,
    when: 'The script is not signed by a key that the VM accepts.',
    remedy: 'Sign it: `strongroom vm sign-script`.',
  },
  RunCommandRefusedByGuest: {
    status: 403,
    when: 'The guest did not accept the script’s signature.',
    remedy: 'Sign it again: `strongroom vm sign-script`.',
  },
  RunCommandResultUnknown: {
    status: 409,
    when:
      'The VM or its host stopped before there was a result: the script may have run in whole, in part or not at ' +
      'all. It does not run again.',
    remedy: 'Look into the VM, then sign or send a new script.',
  },
  SerialConsoleRefused: {
    status: 403,
    when: 'The request asks for the serial console.',
    remedy: 'Use SSH; read the log with az vm boot-diagnostics get-boot-log.',
  },
  SkuNotAvailable: {
    status: 409,
    when: 'The size is not offered in the region.',
    remedy: 'Use another size or region.',
  },
  VMExtensionsRefused: {
    status: 403,
    when: 'The request installs a VM extension.',
    remedy: 'Install it from inside the guest, or with cloud-init.',
  },
  VMMarketplaceInvalidInput: {
    status: 400,
    when: 'The request has a plan, and the image has none.',
    remedy: 'Leave the plan out.',
  },
  VmNotDeallocated: {
    when: 'The key of a running VM cannot be changed.',
    remedy: 'Deallocate it, then repeat the request.',
  },
  VmNotReady: {
    status: 409,
    when: 'The VM’s state does not allow this.',
    remedy: 'Wait until it is ready, or start it.',
  },
  VmStopped: {
    when: 'The VM stopped before its guest was ready.',
    remedy: 'Start it again, and check its serial log.',
  },
} as const
