import { oneOf, text, type Shape, type TypeOf } from '../../shape/index.ts'

/** Printable and without line breaks: such texts become part of QEMU's arguments and the guest's settings. */
export const line: Shape<string> = text(/^[\x20-\x7e]{1,500}$/, 'printable text')

/** Of a VM or a stored disk, which never share one. */
export const vmId: Shape<string> = text(/^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/, 'an upper-case GUID')

export const lowerCaseGuid: Shape<string> = text(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'a lower-case GUID')

export const resourceId: Shape<string> = text(/^\/subscriptions\/[\x21-\x7e]{1,500}$/, 'an ARM id')

export const tee = oneOf('SNP', 'TDX')
export type Tee = TypeOf<typeof tee>

/** For a VM with stored guest state. */
export const keptEncryption = oneOf('VMGuestStateOnly', 'DiskWithVMGuestState')
export const encryption = oneOf('VMGuestStateOnly', 'DiskWithVMGuestState', 'NonPersistedTPM')
export type SecurityEncryptionType = TypeOf<typeof encryption>

/**
 * Which firmware a VM's owner allows: any release of the installation's signed list with at least the security version
 * that it ran
 * last (the default), only the release that it ran last, or any release of the list.
 */
export const firmwareUpdates = ['Listed', 'Pinned', 'ListedOrOlder'] as const
export type FirmwareUpdates = (typeof firmwareUpdates)[number]

/** With its version: exactly this key is released, and no later one. */
export const keyIdentifier: Shape<string> = text(
  /^https:\/\/[a-z0-9-]+\.(vault|managedhsm)\.strongroom\.internal\/keys\/[A-Za-z0-9-]+\/[0-9a-f]{32}$/,
  'a key identifier with version',
)

/** The host's configuration lists accepted origins. */
export const attestationProvider: Shape<string> = text(
  /^https:\/\/[\x21-\x7e]{1,500}$/,
  'the origin of an attestation provider, without trailing slash',
)
