/**
 * Wire between joined hosts and the control plane, at https://fleet.strongroom.internal on the address of `--fleet-address`.
 * Hosts call; nothing calls them.
 *
 * GET  /ca            → 200 PEM                       the installation's authority; held to the hash in the join code
 * POST /join          JoinRequest → 200 HostCertificate   once for each code; again for the key that used it
 * POST /certificate   → 200 HostCertificate           under the host's certificate: another for the same key
 * POST /beat          BeatRequest → 200 BeatAnswer    under the host's certificate: renews its lease; held while there is nothing new
 * POST /report        ReportRequest → 200 ReportAnswer   under the host's certificate: how its VMs are
 *
 * Errors: ErrorBody.
 */
import type { Tee } from './host.ts'
import { domain } from './names.ts'

export const fleetHost: string = `fleet.${domain}`

/** Name of the host that the server itself is. */
export const localHostName = 'local'

/** What a name of a host is made of. */
export const hostNameForm: RegExp = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/

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

/** Undefined where the text is no join code. */
export function parseJoinCode(text: string): JoinCode | undefined {
  const [, name, authority, secret] = codeForm.exec(text.trim()) ?? []
  if (name === undefined || authority === undefined || secret === undefined || !hostNameForm.test(name))
    return undefined
  return { name, authority, secret }
}

export interface JoinRequest {
  name: string
  /** Of the join code. */
  secret: string
  /** SubjectPublicKeyInfo of a P-256 key, DER, base64. */
  publicKey: string
  /** ECDSA with SHA-256 over `joinStatement`, DER, base64: whoever asks has the key. */
  proof: string
}

/** What a joining host signs. */
export const joinStatement = (o: Pick<JoinRequest, 'name' | 'secret' | 'publicKey'>): string =>
  ['strongroom host join', o.name, o.secret, o.publicKey].join('\n')

export interface HostCertificate {
  hostId: string
  name: string
  /** PEM. */
  certificate: string
}

export interface BeatRequest {
  /** Of the last answer that the host has carried out; absent where it has none. */
  revision?: number
}

export interface BeatAnswer {
  /** From the sending of the request on, by the time since the host's boot. */
  leaseSeconds: number
  revision: number
  /** All that the host is to carry; absent where the revision is the one that it knows. What is not in it, the host ends. */
  carry?: VmOrder[]
}

export interface VmOrder {
  /** Upper-case GUID. */
  vmId: string
  epoch: number
  wanted: 'Running' | 'Stopped'
  /** One above the last with each start that was asked for: a VM that runs is restarted. */
  run: number
}

export interface VmReport {
  vmId: string
  epoch: number
  run: number
  state: 'Ready' | 'Stopped'
}

export interface ReportRequest {
  vms: VmReport[]
}

export interface ReportAnswer {
  /** VMs of the report that this host does not carry at that epoch. Nothing that it says of them counts. */
  over: string[]
}

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

export type HostState = 'Invited' | 'Ready' | 'Draining' | 'Lost'

/** A host as `GET …/providers/Strongroom.Fleet/hosts` shows it. */
export interface HostView {
  name: string
  /** Absent of the host within the server. */
  id?: string
  region?: string
  zone?: string
  tees?: Tee[]
  labels: Record<string, string>
  /** Absent where the machine itself is the bound. */
  capacity?: { vCPUs: number; memoryMiB: number }
  /** For the VMs that are placed on it. */
  reserved?: { vCPUs: number; memoryMiB: number }
  state: HostState
  /** SHA-256 of the host's key (SubjectPublicKeyInfo), hexadecimal, once it has joined. */
  key?: string
  joinedAt?: string
  /** By the database's time; in the past where the host is silent. */
  leaseUntil?: string
}

/** Answer of `GET …/hosts/{name}`. */
export interface ShownHost extends HostView {
  /** Absent of the host within the server. */
  carries?: { resourceId: string; epoch: number; wanted: VmOrder['wanted'] }[]
}

/** Answer of the PUT that adds a host. */
export interface AddedHost extends HostView {
  /** Shown this once. */
  joinCode: string
  joinUntil: string
  /** Where the host reaches the control plane. */
  address: string
}
