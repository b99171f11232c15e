import type { FleetClient } from '../membership/fleet-client.ts'
import type { HostIdentity } from '../membership/host-identity.ts'

/** The control plane, asked on behalf of one VM at one epoch. */
export interface VmPeer {
  vmId: string
  epoch: number
  /** The current one: certificates are renewed. */
  identity(): HostIdentity
  /** @throws ServiceError PlacementOver, or as the control plane refused */
  post<T>(path: string, body: object, timeoutMs?: number): Promise<T>
}

export const vmPeer = (o: {
  vmId: string
  epoch: number
  identity: () => HostIdentity
  client: () => FleetClient
}): VmPeer => ({
  vmId: o.vmId,
  epoch: o.epoch,
  identity: o.identity,
  post: async <T>(path: string, body: object, timeoutMs = 60_000) =>
    await o.client().post<T>(path, { vmId: o.vmId, epoch: o.epoch, ...body }, timeoutMs),
})
