import type { AddressInfo } from 'node:net'
import { callerAddress } from '@strongroom/platform'
import { guestAddress } from '../../network/doors/guest-address.ts'
import type { HostIdentity } from '../membership/host-identity.ts'
import { openFleetStream } from './fleet-stream.ts'
import { streamDoor } from './stream-door.ts'

/** The installation's TLS port for this host's guests: through a loopback port of this machine and the fleet's wire. */
export async function startGuestRelay(o: {
  identity: () => HostIdentity
  /** VMs of this host, with their epochs. */
  carried: () => Iterable<{ vmId: string; epoch: number }>
}): Promise<{ port: number; close(): Promise<void> }> {
  const door = streamDoor(async (socket) => {
    // This process makes guests' connections, from an address per VM: other local programs speak for none.
    const caller = callerAddress(socket)
    const vm = [...o.carried()].find(({ vmId }) => guestAddress(vmId) === caller)
    if (vm === undefined) throw new Error('no guest of this host')
    return await openFleetStream(o.identity(), `/guest/${vm.vmId}/${vm.epoch}`)
  })
  await new Promise<void>((done, fail) => {
    door.server.once('error', fail)
    door.server.listen({ host: '127.0.0.1', port: 0 }, done)
  })
  return { port: (door.server.address() as AddressInfo).port, close: async () => await door.close() }
}
