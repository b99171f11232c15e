/** Joining of hosts and their placement; `fleetWire` (wires/fleet/fleet-wire.ts) states what hosts ask. */
import type { Tee } from './host.ts'
import { hostNameForm } from './names.ts'
import type { JoinRequest } from './wires/fleet/fleet-wire.ts'
export type { AddedHost, HostState, HostView, ShownHost } from './wires/manager/hosts.ts'

export type {
  BeatAnswer,
  BeatRequest,
  HostCall,
  HostCertificate,
  JoinRequest,
  ReportAnswer,
  VmOrder,
  VmReport,
  VmsReport,
} from './wires/fleet/fleet-wire.ts'
export type {
  CarriedCall,
  CarriedCertificate,
  CarriedInstance,
  CarriedKey,
  CarriedMeasurements,
  CarriedSilicon,
  CarriedState,
  CarriedStateAnswer,
  FleetInstallation,
  HostAnswer,
  ImageManifest,
} from './wires/fleet/carried-wire.ts'

/** Name of the host that the server itself is. */
export const localHostName = 'local'

/** What `strongroom host add` prints and `strongroom host join` reads. */
export interface JoinCode {
  name: string
  /** SHA-256 of the authority's certificate (DER), base64url. */
  authority: string
  /** 32 random bytes, base64url. */
  secret: string
}

const codeForm = /^([a-z0-9-]{1,40})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/

export const formatJoinCode = (code: JoinCode): string => `${code.name}.${code.authority}.${code.secret}`

/** Undefined where the text is not a join code. */
export function parseJoinCode(text: string): JoinCode | undefined {
  const [, name, authority, secret] = codeForm.exec(text.trim()) ?? []
  if (name === undefined || authority === undefined || secret === undefined || !hostNameForm.test(name))
    return undefined
  return { name, authority, secret }
}

/** What a joining host signs. */
export const joinStatement = (o: Pick<JoinRequest, 'name' | 'secret' | 'publicKey'>): string =>
  ['strongroom host join', o.name, o.secret, o.publicKey].join('\n')

/** Why a host cannot carry a VM, in the order in which they are looked at. */
export const ruledOutReasons = ['invited', 'lost', 'draining', 'region', 'zone', 'silicon', 'cores', 'memory'] as const
export type RuledOutReason = (typeof ruledOutReasons)[number]

/** The choice of a host, or that there was none. */
export interface PlacementExplanation {
  need: {
    region: string
    /** Any where it is absent. */
    zone?: string
    /** None for an ordinary VM. */
    tee?: Tee
    vCPUs: number
    memoryMiB: number
  }
  /** Of all hosts. */
  considered: number
  /** Hosts that could have carried it. */
  fitting: number
  /** Each host that could not, by the first reason that rules it out; of each reason some by name. */
  ruledOut: { reason: RuledOutReason; count: number; hosts: string[] }[]
  /** With what was reserved on it before. */
  chosen?: { host: string; zone?: string; reservedVCPUs: number; vCPUs: number }
  /** Which host it had before, and why it has it no more. */
  moved?: HostLeft
}

/** That a VM's host has it no more. */
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
