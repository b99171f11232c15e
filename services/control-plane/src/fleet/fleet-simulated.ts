import { overlaid } from '../host/overlay.ts'
import type { SimulatedHost } from '../host/simulated-host.ts'
import type { CarriedCompute } from './carried-compute.ts'

/** VMs without guests, which any host carries: there is nothing to make, and nothing to tell of them. */
export const fleetSimulated = (host: SimulatedHost): CarriedCompute =>
  overlaid(host, {
    isMadeByHost: false as const,
    fits: async () => await Promise.resolve(true),
    orderOf: async () => await Promise.resolve({}),
    take: async () => {},
  })
