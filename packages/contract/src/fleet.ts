/**
 * Wire between joined hosts and the control plane, at https://fleet.strongroom.internal on the address of `--fleet-address`.
 * Hosts call; nothing calls them.
 *
 * GET  /ca            → 200 PEM                       the installation's authority; held to the hash in the join code
 * POST /join          JoinRequest → 200 HostCertificate   once for each code; again for the key that used it
 * POST /certificate   → 200 HostCertificate           under the host's certificate: another for the same key
 * POST /beat          BeatRequest → 200 BeatAnswer    under the host's certificate: renews its lease
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

export type BeatRequest = Record<string, never>

export interface BeatAnswer {
  /** From now on, by the time since the host's boot. */
  leaseSeconds: number
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
  state: HostState
  /** SHA-256 of the host's key (SubjectPublicKeyInfo), hexadecimal, once it has joined. */
  key?: string
  joinedAt?: string
  /** By the database's time; in the past where the host is silent. */
  leaseUntil?: string
}

/** Answer of the PUT that adds a host. */
export interface AddedHost extends HostView {
  /** Shown this once. */
  joinCode: string
  joinUntil: string
  /** Where the host reaches the control plane. */
  address: string
}
