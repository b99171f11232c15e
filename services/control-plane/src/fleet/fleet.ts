import type { CertifyingAuthority } from './host-app.ts'
import type { HostRegistry } from './registry.ts'

/** What of the fleet the resource manager's rooms share. */
export interface Fleet {
  registry: HostRegistry
  /** Where hosts reach this server; absent where it listens for none. */
  served?: { /** ADDRESS:PORT */ address: string; authority: CertifyingAuthority }
}
