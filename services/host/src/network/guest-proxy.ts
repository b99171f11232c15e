import { chmod } from 'node:fs/promises'
import { lookup } from 'node:dns/promises'
import type { IncomingMessage } from 'node:http'
import { BlockList, connect, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { domain } from '@strongroom/contract'
import { createHttpServer } from '@strongroom/platform'

/**
 * CONNECT proxy of one guest, on a unix socket that only its network leads to. Names of the installation go to its own
 * TLS port, public addresses pass, all else is refused: a guest must not reach what listens on the host or beside it.
 */
export async function startGuestProxy(o: {
  socket: string
  tlsPort: number
  /** Whether this boot's report was taken. Until then nothing says that the VM's own disk runs, and nothing leads anywhere. */
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
  server.on('connection', track)
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    if (o.reported()) void tunnel({ target: request.url ?? '', client, head, tlsPort: o.tlsPort, track })
    else
      client.end('HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(o.socket, resolve)
  })
  await chmod(o.socket, 0o600)
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
  track: (stream: Duplex) => void
}): Promise<void> {
  const { client } = o
  const address = await resolveTarget(o.target, o.tlsPort).catch(() => undefined)
  if (client.destroyed) return
  if (address === undefined) {
    client.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    return
  }
  const upstream: Socket = connect(address.port, address.host)
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

/** Where a CONNECT may lead; undefined where nowhere. The name is resolved once, so that a second answer changes nothing. */
export async function resolveTarget(
  target: string,
  tlsPort: number,
): Promise<{ host: string; port: number } | undefined> {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(target)
  const host = (match?.[1] ?? match?.[2] ?? '').toLowerCase()
  const port = Number(match?.[3])
  if (host === '' || port < 1 || port > 65535) return undefined
  if (host === domain || host.endsWith(`.${domain}`))
    return port === 443 ? { host: '127.0.0.1', port: tlsPort } : undefined
  const { address } = isIP(host) === 0 ? await lookup(host) : { address: host }
  return isPublic(address) ? { host: address, port } : undefined
}

const notPublic = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['224.0.0.0', 3],
] as const) notPublic.addSubnet(network, prefix) // prettier-ignore

/** Global unicast: IPv4 outside the special ranges (RFC 6890), IPv6 in 2000::/3 without tunnels that embed IPv4. */
function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !notPublic.check(address)
  return /^[23][0-9a-f]{3}:/i.test(address) && !/^(2002|2001:0{0,4}):/i.test(address)
}
