import type { Doors } from '../../qemu/guest-network.ts'
import { startGuestProxy } from './guest-proxy.ts'
import { startNameServer } from './name-server.ts'
import { requestHost, serverName } from '../names/named-first.ts'
import type { ProxyTarget } from '../names/proxy-target.ts'
import { startRelayDoor } from './relay-door.ts'
import { startTimeServer } from './time-server.ts'

/** Everything a guest's network leads to except its metadata endpoint, on its doors' sockets. */
export async function startGuestDoors(o: {
  doors: Omit<Doors, 'metadata'>
  /** The installation's port, on 127.0.0.1. */
  tlsPort: number
  vmId: string
  /** Whether this boot's report was accepted. Until then nothing shows that the VM's own disk runs, so every door stays closed. */
  reported(): boolean
  now(): Date
  /** Replaces `resolveTarget` in tests. */
  resolve?: (target: string, tlsPort: number) => Promise<ProxyTarget | undefined>
}): Promise<{ close(): Promise<void> }[]> {
  const { doors, ...gate } = o
  return [
    await startGuestProxy({ socket: doors.proxy, ...gate }),
    await startRelayDoor({ socket: doors.services, port: 443, readName: serverName, ...gate }),
    await startRelayDoor({ socket: doors.web, port: 80, readName: requestHost, ...gate }),
    await startNameServer({ socket: doors.names, ...gate }),
    await startTimeServer({ socket: doors.time, now: () => o.now() }),
  ]
}
