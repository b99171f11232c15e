import type { AnySpec, CarriedInstance, PowerState, VmOrder } from '@strongroom/contract'
import type { Host } from '../host/host.ts'
import type { Db } from '../store/resources.ts'
import type { Placement } from './placements.ts'
import { overlaid } from '../host/overlay.ts'
import type { SimulatedHost } from '../host/simulated-host.ts'

/** Decides within a transaction whether what follows in it is done. */
export type First = (tx: Db) => Promise<boolean>

/** What VMs are that joined hosts carry, and those of the server's own host: simulated ones, or guests. */
export interface CarriedCompute extends Host {
  /** Whether a joined host can carry such a VM; the server's own does otherwise. */
  fits(spec: AnySpec): Promise<boolean>
  /** Whether a host makes the VM before it starts it. */
  readonly isMadeByHost: boolean
  /** The VM's power as the control plane has it; nothing where `first` says no. */
  turn(vmId: string, state: PowerState, step: string, first: First): Promise<void>
  /** The host that carries it says that it runs; judged like any boot. */
  started(vmId: string, step: string, first: First): Promise<void>
  /** The VM's key and disks are for its present placement alone, from now on. */
  fence(vmId: string): Promise<void>
  /** What its host is told beside the order. */
  orderOf(placement: Placement): Promise<Partial<Pick<VmOrder, 'spec' | 'record'>>>
  /** Takes what the VM's host says of it, in the transaction that has found that it is. */
  take(tx: Db, said: CarriedInstance, isAsked: boolean): Promise<void>
}

/** VMs without guests, which any host carries: there is nothing to make, and nothing to tell of them. */
export const fleetSimulated = (host: SimulatedHost): CarriedCompute =>
  overlaid(host, {
    isMadeByHost: false as const,
    fits: async () => await Promise.resolve(true),
    orderOf: async () => await Promise.resolve({}),
    take: async () => {},
  })
