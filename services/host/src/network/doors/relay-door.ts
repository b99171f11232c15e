import { connect, createServer, type Socket } from 'node:net'
import { connectForGuest } from '@strongroom/platform'
import { connectionLimit, openDoor } from './door.ts'
import { guestAddress } from './guest-address.ts'
import type { NameReader } from '../names/named-first.ts'
import { resolveTarget, type ProxyTarget } from '../names/proxy-target.ts'

/** How long a program may take to name its target, in milliseconds. */
const sayingLimitMs = 10_000

/**
 * Entry for a guest's connections to any name, because its resolver maps every reachable name here (name-server.ts):
 * the first bytes name the target, and the connection continues to the installation's TLS listener or to a public
 * address, by the rules of the guest's proxy. Closed until the boot was reported, like the proxy, because another disk
 * may be running in the VM. Each direction is piped, so that a slow end throttles the other and nothing accumulates in
 * between.
 */
export async function startRelayDoor(o: {
  socket: string
  /** 443 leads to the installation even without a name; 80 leads to public addresses only. */
  port: 443 | 80
  readName: () => NameReader
  /** The installation's port, on 127.0.0.1. */
  tlsPort: number
  /** Whose connections they are: they reach the installation from this VM's own address (guest-address.ts). */
  vmId: string
  /** Whether this boot's report was accepted. */
  reported(): boolean
  /** Replaces `resolveTarget` in tests. */
  resolve?: (target: string, tlsPort: number) => Promise<ProxyTarget | undefined>
  /** Replaces `sayingLimitMs` in tests. */
  sayingMs?: number
}): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>()
  const track = (socket: Socket): void => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
  }
  const { resolve = resolveTarget, tlsPort } = o
  const targetOf = async (name: string | undefined): Promise<ProxyTarget | undefined> => {
    if (name !== undefined) return await resolve(`${name}:${o.port}`, tlsPort).catch(() => undefined)
    return o.port === 443 ? { host: '127.0.0.1', port: tlsPort, own: true } : undefined
  }
  const server = createServer({ allowHalfOpen: true }, (guest) => {
    track(guest)
    if (!o.reported()) return void guest.destroy()
    const leave = (): void => void guest.destroy()
    // In total: a slow sender times out like a silent one.
    const late = setTimeout(leave, o.sayingMs ?? sayingLimitMs)
    guest.once('close', () => clearTimeout(late))
    guest.once('end', leave)
    const head: Buffer[] = []
    const readName = o.readName()
    const listen = (piece: Buffer): void => {
      head.push(piece)
      const said = readName(piece)
      if (said === undefined) return
      guest.off('data', listen).off('end', leave)
      guest.pause()
      clearTimeout(late)
      void targetOf(said.name).then((target) => {
        if (guest.destroyed) return
        if (target === undefined) refuse(guest, o.port)
        else relay(guest, Buffer.concat(head), target)
      })
    }
    guest.on('data', listen)
  })
  const relay = (guest: Socket, head: Buffer, { own, ...place }: ProxyTarget): void => {
    const service = own
      ? connectForGuest({ ...place, localAddress: guestAddress(o.vmId), allowHalfOpen: true })
      : connect({ ...place, allowHalfOpen: true })
    track(service)
    guest.once('close', () => service.destroy())
    service.once('close', () => guest.destroy())
    service.write(head)
    guest.pipe(service)
    service.pipe(guest)
  }
  server.maxConnections = connectionLimit
  await openDoor(server, o.socket)
  return {
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise<void>((ended) => server.close(() => ended()))
    },
  }
}

/** With a message if the protocol has one. */
function refuse(guest: Socket, port: 443 | 80): void {
  if (port === 443) return void guest.destroy()
  const text = 'A virtual machine can reach public addresses, and the installation over https.\n'
  guest.end(
    `HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`,
  )
  guest.resume()
}
