import {
  anyText,
  count,
  flag,
  integer,
  list,
  map,
  named,
  object,
  oneOf,
  optional,
  text,
  upTo,
  type TypeOf,
} from '../../shape/index.ts'
import { tee } from '../elements/names.ts'
import { powerState } from '../host/status.ts'

export const hostDefinition = named(
  'HostDefinition',
  object({
    /** A region of the installation. */
    location: upTo(60),
    zone: optional(oneOf('1', '2', '3')),
    /** Its silicon; default: both. */
    tees: optional(list(tee, { most: 2 })),
    labels: optional(map(upTo(256), { most: 50 })),
    capacity: object({ vCPUs: integer(1, 4096), memoryMiB: integer(1024, 64 * 1024 * 1024) }),
  }),
)

export const drainRequest = named(
  'DrainRequest',
  object({
    /** How long each VM that runs is left where it is, unless its owner approves earlier or wants more time. Default: 0. */
    noticeMinutes: optional(integer(0, 1440)),
  }),
)
export type DrainRequest = TypeOf<typeof drainRequest>

/** Its time, another VM of its set that is away, or room on another host. */
const obstacle = oneOf('notice', 'set', 'room')
export type MoveObstacle = TypeOf<typeof obstacle>

const amounts = object({ vCPUs: count, memoryMiB: count })
const state = oneOf('Invited', 'Ready', 'Draining', 'Lost')
export type HostState = TypeOf<typeof state>

const members = {
  name: anyText,
  /** Absent for the server's own host, like all that follows except its labels and state. */
  id: optional(anyText),
  region: optional(anyText),
  zone: optional(anyText),
  /** For the server's own host: only while it gets new VMs. */
  tees: optional(list(tee)),
  labels: map(anyText),
  /** Absent if the machine itself is the limit. */
  capacity: optional(amounts),
  /** For the VMs placed on it. */
  reserved: optional(amounts),
  /** How many those are. */
  vms: optional(count),
  state,
  /** SHA-256 of the host's key (SubjectPublicKeyInfo), hexadecimal, once it has joined. */
  key: optional(text(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal')),
  joinedAt: optional(anyText),
  /** By the database's clock; in the past for an unreachable host. */
  leaseUntil: optional(anyText),
}
export const hostView = named('HostView', object(members))
/** A host as `GET …/providers/Strongroom.Fleet/hosts` shows it. */
export type HostView = TypeOf<typeof hostView>

const carried = object({
  resourceId: anyText,
  epoch: count,
  wanted: oneOf('Running', 'Stopped'),
  /** As last reported. */
  power: optional(powerState),
  vCPUs: count,
  memoryMiB: count,
  /** The planned move off this host. */
  move: optional(
    object({
      status: oneOf('Scheduled', 'Started'),
      notBefore: anyText,
      /** Its owner or its guest has approved: it need not wait for its time. */
      approved: flag,
      waitsFor: optional(obstacle),
    }),
  ),
})
export const shownHost = named(
  'ShownHost',
  object({
    ...members,
    /** Absent for the server's own host. */
    carries: optional(list(carried)),
  }),
)
/** Answer of `GET …/hosts/{name}`. */
export type ShownHost = TypeOf<typeof shownHost>

export const addedHost = named(
  'AddedHost',
  object({
    ...members,
    /** Shown this once. */
    joinCode: anyText,
    joinUntil: anyText,
    /** Where the host reaches the control plane. */
    address: anyText,
  }),
)
/** Answer of the PUT that adds a host. */
export type AddedHost = TypeOf<typeof addedHost>

/** Whether a right is held: the attestation service's question. */
export const accessAnswer = object({ allowed: flag })
