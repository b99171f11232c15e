import type { FleetCompute } from '../fleet-compute.ts'
import type { CertifyingAuthority } from './host-app.ts'
import type { SshDoors } from '../guests/ssh-doors.ts'
import type { HostRegistry } from '../registry.ts'

/** What the resource manager's rooms share of the fleet. */
export interface Fleet {
  registry: HostRegistry
  /** Absent if compute is guests that joined hosts cannot carry yet. */
  compute?: FleetCompute
  /** SSH of guests on joined hosts; absent without any. */
  ssh?: SshDoors
  /** Where hosts reach this server; absent if it does not listen for any. */
  served?: { /** ADDRESS:PORT */ address: string; authority: CertifyingAuthority }
}
