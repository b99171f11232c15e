import { connect, createServer, type Socket } from 'node:net'
import { connectionLimit, openDoor } from './door.ts'
import { guestAddress } from './guest-address.ts'

/**
 * The installation's TLS listener for one guest, 169.254.169.253:443 in it. Closed until the boot was reported, as the proxy is: a
 * disk that is not the VM's runs in it until then. Each direction is piped, so that a slow end holds up the other one and
 * nothing piles up in between.
 */
export async function startServicesDoor(o: {
  socket: string
  /** On 127.0.0.1. */
  tlsPort: number
  /** Whose connections they are: they come from an address of this VM's own (guest-address.ts). */
  vmId: string
  /** Whether this boot's report was taken. */
  reported(): boolean
}): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>()
  const track = (socket: Socket): void => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
  }
  const server = createServer({ allowHalfOpen: true }, (guest) => {
    track(guest)
    if (!o.reported()) return void guest.destroy()
    const from = guestAddress(o.vmId)
    const service = connect({ host: '127.0.0.1', port: o.tlsPort, localAddress: from, allowHalfOpen: true })
    track(service)
    guest.once('close', () => service.destroy())
    service.once('close', () => guest.destroy())
    guest.pipe(service)
    service.pipe(guest)
  })
  server.maxConnections = connectionLimit
  await openDoor(server, o.socket)
  return {
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
