import type { FleetCompute } from './fleet-compute.ts'
import type { CertifyingAuthority } from './host-app.ts'
import type { HostRegistry } from './registry.ts'

/** What of the fleet the resource manager's rooms share. */
export interface Fleet {
  registry: HostRegistry
  /** Absent where compute is guests: joined hosts carry none yet. */
  compute?: FleetCompute
  /** Where hosts reach this server; absent where it listens for none. */
  served?: { /** ADDRESS:PORT */ address: string; authority: CertifyingAuthority }
}
