import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { boundConnections, connectForGuest, createHttpServer } from '@strongroom/platform'
import { openDoor } from './door.ts'
import { guestAddress } from './guest-address.ts'
import { resolveTarget } from '../names/proxy-target.ts'

/** Per guest: each costs the host two connections. */
const mostConnections = 512

/**
 * CONNECT proxy of one guest, on a unix socket that only its network leads to. Names of the installation go to its own
 * TLS port, public addresses are allowed, everything else is refused: a guest must not reach what listens on the host
 * or near it.
 */
export async function startGuestProxy(o: {
  socket: string
  tlsPort: number
  vmId: string
  /** Whether this boot's report was accepted. Until then nothing shows that the VM's own disk runs, so the proxy stays closed. */
  reported(): boolean
}): Promise<{ close(): Promise<void> }> {
  const open = new Set<Duplex>()
  const server = createHttpServer((_request, response) => {
    response.writeHead(405, { allow: 'CONNECT', 'content-type': 'text/plain' }).end('This proxy takes CONNECT only.\n')
  })
  const track = (stream: Duplex): void => {
    open.add(stream)
    stream.on('close', () => open.delete(stream))
    stream.on('error', () => stream.destroy())
  }
  boundConnections(server, { most: mostConnections })
  server.on('connection', track)
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    if (o.reported()) void tunnel({ target: request.url ?? '', client, head, track, ...o })
    else
      client.end('HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  })
  await openDoor(server, o.socket)
  return {
    close: async () => {
      for (const stream of open) stream.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function tunnel(o: {
  target: string
  client: Duplex
  head: Buffer
  tlsPort: number
  vmId: string
  track: (stream: Duplex) => void
}): Promise<void> {
  const { client } = o
  const address = await resolveTarget(o.target, o.tlsPort).catch(() => undefined)
  if (client.destroyed) return
  if (address === undefined) {
    client.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    return
  }
  const { own, ...place } = address
  const upstream: Socket = own ? connectForGuest({ ...place, localAddress: guestAddress(o.vmId) }) : connect(place)
  o.track(upstream)
  upstream.once('error', () => client.destroy())
  upstream.once('connect', () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (o.head.length > 0) upstream.write(o.head)
    upstream.pipe(client)
    client.pipe(upstream)
  })
  client.once('close', () => upstream.destroy())
  upstream.once('close', () => client.destroy())
}
