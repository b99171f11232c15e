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
import { errorDetail, steps } from '../elements/answers.ts'
import { imageRecord } from './images.ts'
import { attestationProvider, encryption, keyIdentifier, line, tee, vmId } from '../elements/names.ts'

const guestIdentity = named(
  'GuestIdentity',
  object({ vmId, tee, encryption, secureBoot: flag, guestStateKey: keyIdentifier, attestationProvider }),
)
/** The guest state's identity: what the paravisor attests as, to get the key that opens it released. */
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
    /** file:///… from the operator, or an address from `access`. */
    uri: { uri: address, guestStateUri: optional(address) },
    empty: { sizeGiB: integer(1, 32_767) },
    upload: { bytes: integer(512, 32_767 * 2 ** 30 + 512), withGuestState: flag },
  }),
)
export type StoredDiskSource = TypeOf<typeof storedDiskSource>

const guests = {
  /** The disk has guest state, rebound to this identity so that it opens for nobody else. */
  guest: optional(guestIdentity),
  /** Identity of the source's guest state. Not needed if the source is a VM or a disk of this host. */
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
    /** Also for the guest state. */
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
    /** Uploading waits for a client's writes. */
    state: oneOf('Running', 'Succeeded', 'Failed', 'Uploading'),
    steps,
    error: optional(errorDetail),
    /** Length of the disk; 0 until it is known. */
    sizeBytes: count,
    /** The image for VMs; absent if the disk has no qualifying operating system. */
    image: optional(imageRecord),
    /** Every property of images for confidential VMs that this disk lacks. */
    missing: list(errorDetail),
    /** Upper-case GUID in the clear part of an uploaded guest state: the identity it opens for. */
    guestStateOf: optional(anyText),
    /** The VM that it is attached to as a data disk. */
    attachedTo: optional(vmId),
    access: optional(object({ permission, until: anyText })),
  }),
)
export type StoredDiskStatus = TypeOf<typeof storedDiskStatus>
