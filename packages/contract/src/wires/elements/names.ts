import { integer, object, oneOf, optional, text, upTo, type Shape, type TypeOf } from '../../shape/index.ts'

/** What a guest names its boot by. */
export const bootNumber: Shape<string> = text(/^[0-9a-f]{32}$/, '32 hexadecimal digits in lower case')

/** Printable and without line breaks: such texts become part of QEMU's arguments and the guest's settings. */
export const line: Shape<string> = text(/^[\x20-\x7e]{1,500}$/, 'printable text')

/** As `Date.toISOString` writes it. */
export const time: Shape<string> = text(
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,20}Z$/,
  'a time such as 2026-11-27T10:00:00.000Z',
)

/** For people alone: a sentence, an excerpt of a log. */
export const remark: Shape<string> = upTo(65_536)

export const port: Shape<number> = integer(1, 65_535)

export const sha256: Shape<string> = text(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal')

/** Of one of ours, whichever: of an event, a launch or a command. */
export const ownId: Shape<string> = upTo(64, 'an id', /^[0-9A-Za-z-]+$/)

const registerNumbers = Array.from({ length: 24 }, (_, index) => String(index))
/** SHA-256 PCRs by their number. */
export const registers: Shape<Record<string, string>> = object(
  Object.fromEntries(registerNumbers.map((index) => [index, optional(sha256)])),
) as Shape<Record<string, string>>

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
