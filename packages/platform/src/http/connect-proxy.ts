import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import type { IncomingMessage } from 'node:http'
import { connect as connectTo, type LookupFunction, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { domain } from '@strongroom/contract'
import { isThisMachine } from '../network/public-address.ts'
import { ownerOf } from '../network/peer-user.ts'

export interface ConnectProxy {
  connect(request: IncomingMessage, client: Duplex, head: Buffer): void
  /** Ends all tunnels to other listeners. */
  close(): void
}

const connectTimeoutMs = 15_000
/** For a tunnel without traffic. */
const silentTunnelMs = 900_000
const established = 'HTTP/1.1 200 Connection established\r\n\r\n'

/** Where a CONNECT leads: to another listener, to code that takes the connection over, or, with the rest of a status line, nowhere. */
export type Tunnel = Place | { takes(client: Duplex): void } | { refused: string }

interface Place {
  host: string
  port: number
  /** What the host resolved to when it was checked: the connection is made to one of these. Absent for an address. */
  addresses?: LookupAddress[]
}

/** CONNECT (RFC 9110 section 9.3.6). TLS stays end to end. */
export function createConnectProxy(
  route: (target: { host: string; port: number }, client: Duplex) => Tunnel | Promise<Tunnel>,
): ConnectProxy {
  const open = new Set<Duplex>()
  const track = (stream: Duplex): void => {
    open.add(stream)
    stream.once('close', () => open.delete(stream))
  }
  const begin = async (authority: string, client: Duplex, head: Buffer): Promise<void> => {
    const target = parseAuthority(authority)
    const tunnel = target === undefined ? { refused: '400 Bad Request' } : await route(target, client)
    if (client.destroyed) return
    if ('refused' in tunnel) {
      client.end(`HTTP/1.1 ${tunnel.refused}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    } else if ('takes' in tunnel) {
      client.write(established)
      if (head.length > 0) client.unshift(head)
      tunnel.takes(client)
    } else join(tunnel, client, head)
  }
  const join = ({ host, port, addresses }: Place, client: Duplex, head: Buffer): void => {
    track(client)
    const known = addresses !== undefined && { lookup: answering(addresses) }
    const peer: Socket = connectTo({ host, port, ...known, timeout: connectTimeoutMs })
    track(peer)
    let connected = false
    const fail = (): void => {
      if (!connected && client.writable)
        client.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      else client.destroy()
      peer.destroy()
    }
    peer.once('error', fail)
    peer.on('timeout', fail)
    peer.once('connect', () => {
      connected = true
      peer.setTimeout(silentTunnelMs)
      client.write(established)
      if (head.length > 0) peer.write(head)
      client.pipe(peer)
      peer.pipe(client)
    })
    client.once('close', () => peer.destroy())
    peer.once('close', () => {
      if (connected) client.destroy()
    })
  }
  return {
    connect: (request, client, head) => {
      client.on('error', () => client.destroy())
      begin(request.url ?? '', client, head).catch(() => client.destroy())
    },
    close: () => {
      for (const stream of open) stream.destroy()
    },
  }
}

/** Host, in lower case, and port of an authority-form target. */
function parseAuthority(authority: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([a-zA-Z0-9._-]{1,253})):(\d{1,5})$/.exec(authority)
  const host = (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '')
  const port = Number(match?.[3])
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}

/** The addresses that a host was resolved to, instead of another look-up. */
const answering =
  (addresses: LookupAddress[]): LookupFunction =>
  (_host, { all }, done) => {
    const [first] = addresses
    if (all === true || first === undefined) done(null, addresses)
    else done(null, first.address, first.family)
  }

/**
 * For clients that cannot resolve strongroom.internal: our names at port 443 lead to our own TLS port only, which every
 * local program reaches anyway. Everything else passes through, so that one HTTPS_PROXY setting serves all, but only
 * for the user who runs the server, or root: others would reach the network as that user does.
 */
export function routeToOwnNames(o: {
  tlsPort: number
  /** Ports of our proxies: a tunnel to one could be chained without end. */
  proxyPorts: () => readonly number[]
  /** Takes the connections to our names over; default: they are made to the TLS port. */
  takes?: (client: Duplex) => void
}): (target: { host: string; port: number }, client: Duplex) => Promise<Tunnel> {
  return async ({ host, port }, client) => {
    if (host === domain || host.endsWith(`.${domain}`)) {
      if (port !== 443 && port !== o.tlsPort) return forbidden
      return o.takes === undefined ? { host: '127.0.0.1', port: o.tlsPort } : { takes: o.takes }
    }
    if (!(await ownerOf(client as Socket)).isOwn) return { refused: '403 Only for the user who runs Strongroom' }
    // Resolved once: 127.1, 0.0.0.0 or a name of anybody's can lead to this machine.
    const addresses = await lookup(host, { all: true }).catch(() => undefined)
    if (addresses === undefined) return { refused: '502 Bad Gateway' }
    const leadsHere = addresses.some(({ address }) => isThisMachine(address))
    return leadsHere && o.proxyPorts().includes(port) ? forbidden : { host, port, addresses }
  }
}

const forbidden: Tunnel = { refused: '403 Forbidden' }
