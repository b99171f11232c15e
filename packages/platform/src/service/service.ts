import type { Clock } from '../clock/clock.ts'
import type { TokenSource, TokenVerifier } from '../http/bearer.ts'
import type { AttestationVerifier } from '../http/verifiers.ts'
import type { VirtualHost } from '../http/virtual-host.ts'
import type { WireClient } from '../http/wire-client.ts'
import type { Installation } from '../installation/installation.ts'
import type { Logger } from '../log/logger.ts'
import type { Sealer } from '../sealing/sealer.ts'

/** What every service receives from its process. */
export interface ServiceContext {
  installation: Installation
  /** Absolute. Belongs to this installation; everything in it survives a restart. */
  stateDir: string
  /** Absolute. Shared by installations; may be emptied at any time while nothing runs. */
  cacheDir: string
  storeUrl: string
  /** Binds the rows of unsealed stores as they are: once, for an installation of an earlier version. */
  bindRows?: boolean
  sealer: Sealer
  clock: Clock
  logger: Logger
  wire: WireClient
  tokens: TokenSource
  verifier: TokenVerifier
  /** Attestation providers of other origins named by the operator; none by default. */
  verifiers?: readonly AttestationVerifier[]
  /** A random UUID, lower case. */
  newId(): string
}

export interface Service {
  name: string
  hosts: VirtualHost[]
  /** Called once the listener answers, so that services may call each other. */
  start(): Promise<void>
  close(): Promise<void>
}
