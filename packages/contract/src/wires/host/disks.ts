import {
  anyText,
  flag,
  integer,
  kinds,
  list,
  named,
  object,
  oneOf,
  optional,
  text,
  count,
  type TypeOf,
} from '../../shape/index.ts'
import { errorDetail, steps } from '../answers.ts'
import { imageRecord } from './images.ts'
import { attestationProvider, encryption, keyIdentifier, line, tee, vmId } from './names.ts'

const guestIdentity = named(
  'GuestIdentity',
  object({ vmId, tee, encryption, secureBoot: flag, guestStateKey: keyIdentifier, attestationProvider }),
)
/** Whose guest state it is: what the paravisor attests as, to have the key released that opens it. */
export type GuestIdentity = TypeOf<typeof guestIdentity>

const address = text(/^(file:\/\/\/|https:\/\/)[\x21-\x7e]{1,2000}$/, 'an address')

const storedDiskSource = named(
  'StoredDiskSource',
  kinds('from', {
    /** A VM of this host that is off. */
    instance: { vmId },
    disk: { id: vmId },
    /** ImageRecord.id */
    image: { image: line },
    /** file:///… of the operator, or an address of `access`. */
    uri: { uri: address, guestStateUri: optional(address) },
    empty: { sizeGiB: integer(1, 32_767) },
    upload: { bytes: integer(512, 32_767 * 2 ** 30 + 512), withGuestState: flag },
  }),
)
export type StoredDiskSource = TypeOf<typeof storedDiskSource>

const guests = {
  /** The disk carries guest state, and this is who it opens for: bound again, so that it opens for nobody else. */
  guest: optional(guestIdentity),
  /** Who the source's guest state opens for. Not needed where the source is a VM or a disk of this host. */
  guestOfSource: optional(guestIdentity),
}
/** `name` is for logs and messages. */
export const storedDiskSpec = named(
  'StoredDiskSpec',
  object({ id: vmId, name: line, source: storedDiskSource, ...guests }),
)
export type StoredDiskSpec = TypeOf<typeof storedDiskSpec>

export const finishUpload = named('FinishUpload', object(guests))
export type FinishUpload = TypeOf<typeof finishUpload>

const permission = oneOf('Read', 'Write')
export type DiskPermission = TypeOf<typeof permission>

export const diskAccessRequest = named(
  'DiskAccessRequest',
  object({
    permission,
    /** How long the addresses live. */
    seconds: integer(1, 60 * 24 * 3600),
    /** Also of the guest state. */
    withGuestState: flag,
  }),
)
export type DiskAccessRequest = TypeOf<typeof diskAccessRequest>

export const diskAccess = named('DiskAccess', object({ accessSAS: anyText, securityDataAccessSAS: optional(anyText) }))
export type DiskAccess = TypeOf<typeof diskAccess>

export const storedDiskStatus = named(
  'StoredDiskStatus',
  object({
    id: vmId,
    /** Uploading waits for what a client writes. */
    state: oneOf('Running', 'Succeeded', 'Failed', 'Uploading'),
    steps,
    error: optional(errorDetail),
    /** Length of the disk; 0 until it is known. */
    sizeBytes: count,
    /** What a VM may be made of; absent where the disk holds no operating system that qualifies. */
    image: optional(imageRecord),
    /** Every property that an image for confidential VMs has and this disk has not. */
    missing: list(errorDetail),
    /** Upper-case GUID in the clear part of an uploaded guest state: for whom it opens. */
    guestStateOf: optional(anyText),
    /** The VM that has it as a data disk. */
    attachedTo: optional(vmId),
    access: optional(object({ permission, until: anyText })),
  }),
)
export type StoredDiskStatus = TypeOf<typeof storedDiskStatus>
