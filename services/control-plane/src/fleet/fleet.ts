import type { FleetCompute } from './fleet-compute.ts'
import type { CertifyingAuthority } from './host-app.ts'
import type { SshDoors } from './guests/ssh-doors.ts'
import type { HostRegistry } from './registry.ts'

/** What of the fleet the resource manager's rooms share. */
export interface Fleet {
  registry: HostRegistry
  /** Absent where compute is guests: joined hosts carry none yet. */
  compute?: FleetCompute
  /** SSH of guests on joined hosts; absent where there are none. */
  ssh?: SshDoors
  /** Where hosts reach this server; absent where it listens for none. */
  served?: { /** ADDRESS:PORT */ address: string; authority: CertifyingAuthority }
}
