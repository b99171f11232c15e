/** How hosts join, and their placement; hosts' requests are stated by `fleetWire` (wires/fleet/fleet-wire.ts). */
import type { Tee } from './host.ts'
import { hostNameForm } from './names/names.ts'
import type { SetDomains, SpreadSet } from './wires/host/vm.ts'
import type { JoinRequest } from './wires/fleet/fleet-wire.ts'
export type { AddedHost, DrainRequest, HostState, HostView, MoveObstacle, ShownHost } from './wires/manager/hosts.ts'

export type {
  BeatAnswer,
  BeatRequest,
  HostCall,
  HostCertificate,
  JoinRequest,
  PlannedEvent,
  ReportAnswer,
  VmOrder,
  VmReport,
  VmsReport,
} from './wires/fleet/fleet-wire.ts'
export type { CarriedRecord } from './wires/fleet/carried-record.ts'
export type {
  AttestedDocument,
  CarriedApproval,
  CarriedCall,
  CarriedCertificate,
  CarriedInstance,
  CarriedKey,
  CarriedMeasurements,
  CarriedSilicon,
  CarriedDisk,
  CarriedDiskAnswer,
  CarriedDocument,
  CarriedState,
  CarriedStateAnswer,
  FleetInstallation,
  HostAnswer,
  CephDisk,
  ImageManifest,
} from './wires/fleet/carried-wire.ts'

/** Name of the host that the server itself is. */
export const localHostName = 'local'

/** Printed by `strongroom host add` and read by `strongroom host join`. */
export interface JoinCode {
  name: string
  /** SHA-256 of the authority's certificate (DER), base64url. */
  authority: string
  /** 32 random bytes, base64url. */
  secret: string
}

const codeForm = /^([a-z0-9-]{1,40})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/

export const formatJoinCode = (code: JoinCode): string => `${code.name}.${code.authority}.${code.secret}`

/** Undefined if the text is not a join code. */
export function parseJoinCode(text: string): JoinCode | undefined {
  const [, name, authority, secret] = codeForm.exec(text.trim()) ?? []
  if (name === undefined || authority === undefined || secret === undefined || !hostNameForm.test(name))
    return undefined
  return { name, authority, secret }
}

/** What a joining host signs. */
export const joinStatement = (o: Pick<JoinRequest, 'name' | 'secret' | 'publicKey'>): string =>
  ['strongroom host join', o.name, o.secret, o.publicKey].join('\n')

/** Why a host cannot carry a VM, in the order of checking. */
export const ruledOutReasons = ['invited', 'lost', 'draining', 'region', 'zone', 'silicon', 'cores', 'memory'] as const
export type RuledOutReason = (typeof ruledOutReasons)[number]

/** The choice of a host, or that there was none. */
export interface PlacementExplanation {
  need: {
    region: string
    /** Any if absent. */
    zone?: string
    /** None for an ordinary VM. */
    tee?: Tee
    vCPUs: number
    memoryMiB: number
    /** VMs of one set go to different hosts where there are such. */
    spread?: SpreadSet
  }
  /** Of all hosts. */
  considered: number
  /** Hosts that could have carried it. */
  fitting: number
  /** Each host that could not, by the first reason that rules it out; some per reason by name. */
  ruledOut: { reason: RuledOutReason; count: number; hosts: string[] }[]
  /** With its reservations before. */
  chosen?: {
    host: string
    zone?: string
    reservedVCPUs: number
    vCPUs: number
    /** For a VM of a set. */
    spread?: SetDomains & { /** VMs of the set that the host already had. */ others: number }
  }
  /** Its previous host, and why it left. */
  moved?: HostLeft
}

/** Why a VM left its host. */
export interface HostLeft {
  host: string
  reason: 'lost' | 'drained'
  at: string
}

/** Answer of `POST {vm}/retrievePlacement`. */
export interface VmPlacement {
  /** Absent while no host carries it. */
  host?: string
  /** 0 on the server's own host. */
  epoch: number
  placedAt?: string
  /** Absent on the server's own host. */
  why?: PlacementExplanation
}
