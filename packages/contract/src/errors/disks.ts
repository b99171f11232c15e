/** What a host stores: disks, snapshots, images. */
export const diskErrors = {
  AuthenticationFailed: {
    status: 403,
    when: 'The address of a disk is not signed, or has expired.',
    remedy: 'Grant access again: az disk grant-access.',
  },
  AuthorizationPermissionMismatch: {
    status: 403,
    when: 'The address of a disk does not allow the operation.',
    remedy: 'Grant access for writing to a disk made with createOption Upload.',
  },
  BlobNotFound: {
    status: 400,
    when: 'The file to import does not exist.',
    remedy: 'Pass its path on the host.',
  },
  BootFileInvalid: {
    when: 'The boot file of the image is not a PE32+ image.',
    remedy: 'Install a boot file for x86-64.',
  },
  DiskExists: {
    status: 409,
    when: 'A disk of this id exists with another specification.',
    remedy: 'Delete it first.',
  },
  DiskNotFound: {
    status: 404,
    when: 'The host has no such disk.',
    remedy: 'Use one that exists.',
  },
  DiskNotReady: {
    status: 409,
    when: 'The disk’s state does not allow this.',
    remedy: 'Wait until the copy ends, or create one with createOption Upload.',
  },
  PublisherKeyMissing: {
    status: 409,
    when: 'An update of an image’s boot file is to be signed, and this installation has no key for it: it did not build the image.',
    remedy: 'Build the image into a cache of this installation and create VMs from it.',
  },
  ImageBuildFailed: {
    status: 500,
    when: 'The reference image could not be built.',
    remedy: 'Check that the mirror can be reached and 3 GB are free, then build again.',
  },
  ImageChanged: {
    status: 409,
    when: 'A file of an image, its boot file or its root partition is not what was built or imported.',
    remedy: 'Remove the image from the cache of that machine, then build or import it again.',
  },
  ImageNotFound: {
    status: [400, 404],
    when: 'There is no such image.',
    remedy: 'Build or import it: `strongroom image build`.',
  },
  ImageNotSigned: {
    status: 409,
    when: 'This installation neither built, imported nor captured the image: it has signed nothing about it.',
    remedy: 'Build it with `strongroom image build`, or import it again.',
  },
  ImageNotQualified: {
    status: [400, 409],
    when: 'A confidential VM cannot boot the image; the details say why.',
    remedy: 'Fix what the details list.',
  },
  InvalidHeaderValue: {
    status: 400,
    when: 'A header of a blob request is malformed.',
    remedy: 'Send what the message asks for.',
  },
  InvalidRange: {
    status: 416,
    when: 'The range lies outside the disk.',
    remedy: 'Ask for a range within it.',
  },
  NoBootFile: {
    when: 'The EFI system partition has no boot file.',
    remedy: 'Install one.',
  },
  NoDiskContent: {
    status: 409,
    when: 'Compute is simulated, so disks have no content.',
    remedy: 'Use an installation that boots guests.',
  },
  NoDiskEncryption: {
    when: 'The image cannot be encrypted as a confidential OS disk.',
    remedy: 'Use it with VMGuestStateOnly, or fix the image.',
  },
  NoEfiSystemPartition: {
    when: 'The image has no EFI system partition.',
    remedy: 'Build it for UEFI (generation 2).',
  },
  NoGuestState: {
    status: 409,
    when: 'The disk has no guest state.',
    remedy: 'Leave getSecureVMGuestStateSAS out.',
  },
  NoImages: {
    status: 409,
    when: 'Compute is simulated, so there are no images.',
    remedy: 'Use an installation that boots guests.',
  },
  NoPartitionTable: {
    when: 'The image has no GUID partition table.',
    remedy: 'Build it for UEFI (generation 2).',
  },
  NoRootPartition: {
    when: 'The image has no root partition.',
    remedy: 'Give it one of type root-x86-64.',
  },
  NotADiskImage: {
    status: 400,
    when: 'The uploaded or imported file is not a disk image.',
    remedy: 'Convert it to a fixed VHD.',
  },
  NotSigned: {
    when: 'The boot file has no Secure Boot signature.',
    remedy: 'Sign it with sbsign.',
  },
  NotUnifiedKernelImage: {
    when: 'The boot file is not a unified kernel image.',
    remedy: 'Build one with ukify.',
  },
  OsDiskTooSmall: {
    status: 400,
    when: 'The OS disk is smaller than its image.',
    remedy: 'Ask for a larger one.',
  },
  SignerUnknown: {
    when: 'The boot file is not signed by a key in db.',
    remedy: 'Put the signer’s certificate beside the image as FILE.db.pem.',
  },
  UnknownOperatingSystem: {
    when: 'The boot file names no operating system.',
    remedy: 'Pass --os-release to ukify.',
  },
} as const
