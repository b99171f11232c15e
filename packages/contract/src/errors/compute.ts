/** Virtual machines, their disks, images and commands. */
export const computeErrors = {
  AddingOrDeletingNetworkInterfacesOnARunningVirtualMachineNotSupported: {
    status: 400,
    when: 'The interfaces of a running VM were to be changed.',
    remedy: 'Deallocate the VM, make the change, start it again.',
  },
  AttachDiskWhileBeingDetached: {
    status: 409,
    when: 'The disk is attached to another VM.',
    remedy: 'Detach it there first, or use another disk.',
  },
  AuthenticationFailed: {
    status: 403,
    when: 'The address of a log is not signed, or its time is over.',
    remedy: 'Ask for another one: az vm boot-diagnostics get-boot-log-uris.',
  },
  BlobNotFound: {
    status: 404,
    when: 'The VM whose log is asked for is gone.',
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
    when: 'The VM did not start, and its host does not say why.',
    remedy: 'See the instance view of the VM.',
  },
  ConflictingUserInput: {
    status: 409,
    when: 'A disk of this name exists.',
    remedy: 'Attach it with createOption Attach, or use another name.',
  },
  CopyFailed: {
    when: 'The host could not copy the disk.',
    remedy: 'See the log of the host, then repeat the request.',
  },
  DiskLost: {
    when: 'The host has lost the disk.',
    remedy: 'Restore STATE/disks from a backup, or recreate the disk.',
  },
  DiskNotMade: {
    when: 'The host could not make the disk.',
    remedy: 'See the log of the host, then repeat the request.',
  },
  FailedIdentityOperation: {
    status: 400,
    when: 'The VM was given an identity that does not exist.',
    remedy: 'Make it first: az identity create.',
  },
  GalleryImageNotFound: {
    status: 404,
    when: 'There is no such image version in the region.',
    remedy: 'See az sig image-version list.',
  },
  GuestAgentRefused: {
    status: 403,
    when: 'The request needs an agent of the operator in the guest.',
    remedy: 'Do it from inside the guest.',
  },
  ImageNotBuilt: {
    status: 409,
    when: 'The reference image is not built yet.',
    remedy: 'Build it once: `strongroom image build`.',
  },
  ImageVersionNotReady: {
    status: 409,
    when: 'The image version holds nothing that a VM can be made of.',
    remedy: 'Mend what its qualification says, then make another version.',
  },
  InUse: {
    when: 'A resource is used by another.',
    remedy: 'Delete what uses it first.',
  },
  InjectedBootFailure: {
    when: 'The test API let the boot fail.',
    remedy: 'Take the fault away.',
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
    when: 'Identities were listed for a type that has none.',
    remedy: 'Use ’UserAssigned’ or ’SystemAssigned, UserAssigned’.',
  },
  InvalidIdentityType: {
    status: 400,
    when: 'There is no such type of identity.',
    remedy: 'Use SystemAssigned, UserAssigned, both, or None.',
  },
  MemoryDumpRefused: {
    status: 403,
    when: 'A memory dump of a VM was asked for.',
    remedy: 'Collect one inside the guest (kdump), and encrypt it there.',
  },
  MissingIdentityIds: {
    status: 400,
    when: 'The type of identity needs a list of identities.',
    remedy: 'Name one, or use another type.',
  },
  NotConfidential: {
    status: 409,
    when: 'The VM is not confidential, so that no processor measured it.',
    remedy: 'Make a confidential VM.',
  },
  PlatformImageNotFound: {
    status: 404,
    when: 'There is no such platform image.',
    remedy: 'Use Strongroom:debian-13:cvm:latest, or import an image.',
  },
  ProvisioningFailed: {
    when: 'The VM could not be made, and its host does not say why.',
    remedy: 'See the log of the host, then delete the VM and recreate it.',
  },
  RunCommandNotFound: {
    status: 404,
    when: 'There is no such run command: commands live as long as the boot that they were for.',
    remedy: 'List them: az vm run-command list.',
  },
  RunCommandNotSigned: {
    status: 403,
    when: 'The script is not signed by a key that the VM accepts.',
    remedy: 'Sign it: `strongroom vm sign-script`.',
  },
  RunCommandRefusedByGuest: {
    status: 403,
    when: 'The guest did not take the signature of the script.',
    remedy: 'Sign it again: `strongroom vm sign-script`.',
  },
  SerialConsoleRefused: {
    status: 403,
    when: 'The serial console was asked for.',
    remedy: 'Use SSH; read the log with az vm boot-diagnostics get-boot-log.',
  },
  SkuNotAvailable: {
    status: 409,
    when: 'The size is not offered in the region.',
    remedy: 'Use another size or region.',
  },
  VMExtensionsRefused: {
    status: 403,
    when: 'A VM extension was to be installed.',
    remedy: 'Install it from inside the guest, or by cloud-init.',
  },
  VMMarketplaceInvalidInput: {
    status: 400,
    when: 'A plan was given for an image that has none.',
    remedy: 'Leave the plan out.',
  },
  VmNotDeallocated: {
    when: 'The VM runs while its key is to be changed.',
    remedy: 'Deallocate it, then repeat the request.',
  },
  VmNotReady: {
    status: 409,
    when: 'The VM is not in a state in which this is possible.',
    remedy: 'Wait until it is ready, or start it.',
  },
  VmStopped: {
    when: 'The VM stopped before its guest was ready.',
    remedy: 'Start it again, and read its serial log.',
  },
} as const
