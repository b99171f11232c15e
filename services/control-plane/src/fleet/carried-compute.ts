import type { AnySpec, CarriedInstance, PowerState, VmOrder } from '@strongroom/contract'
import type { Host } from '../host/host.ts'
import type { Db } from '../store/resources.ts'
import type { Placement } from './placements.ts'
import { overlaid } from '../host/overlay.ts'
import type { SimulatedHost } from '../host/simulated-host.ts'

/** Decides within a transaction whether the rest of it is done. */
export type First = (tx: Db) => Promise<boolean>

/** VMs carried by joined hosts and by the server's own host: simulated ones, or guests. */
export interface CarriedCompute extends Host {
  /** Whether a joined host can carry this VM; otherwise the server's own does. */
  fits(spec: AnySpec): Promise<boolean>
  /** Whether joined hosts carry VMs that are not confidential. */
  readonly carriesOrdinary: boolean
  /** Whether a host creates the VM before starting it. */
  readonly isMadeByHost: boolean
  /** The VM's power as the control plane records it; unchanged if `first` refuses. */
  turn(vmId: string, state: PowerState, step: string, first: First): Promise<void>
  /** As `turn`, as part of a transaction that turns several. */
  turnIn(tx: Db, vmId: string, state: PowerState, step: string): Promise<void>
  /** The VM's host reports that it runs; judged like any boot. */
  started(vmId: string, step: string, first: First): Promise<void>
  /** From now on, the VM's key and disks are for its present placement only. */
  fence(vmId: string): Promise<void>
  /** What its host receives with the order. */
  orderOf(placement: Placement): Promise<Partial<Pick<VmOrder, 'spec' | 'record' | 'dataDisks'>>>
  /** Accepts a report from the VM's host, in the transaction that verified that it is. */
  take(tx: Db, said: CarriedInstance, isAsked: boolean): Promise<void>
}

/** VMs without guests, which any host can carry: nothing has to be created or reported. */
export const fleetSimulated = (host: SimulatedHost): CarriedCompute =>
  overlaid(host, {
    isMadeByHost: false as const,
    carriesOrdinary: true as const,
    fits: async () => await Promise.resolve(true),
    orderOf: async () => await Promise.resolve({}),
    take: async () => {},
  })
