import type { IncomingMessage } from 'node:http'
import { connect as connectTo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { domain } from '@strongroom/contract'
import type { Logger } from '../logger.ts'

export interface ConnectProxy {
  connect(request: IncomingMessage, client: Duplex, head: Buffer): void
  close(): void
}

const connectTimeoutMs = 15_000
/** Of a tunnel in which nobody says anything. */
const silentTunnelMs = 900_000

/**
 * CONNECT (RFC 9110 section 9.3.6) for clients without name resolution for strongroom.internal: our names at port 443
 * lead to our own TLS port, and nowhere else; everything else passes through, so that one HTTPS_PROXY setting serves
 * all. TLS stays end to end.
 */
export function createConnectProxy(o: { tlsPort: number; localPort: number; logger: Logger }): ConnectProxy {
  const open = new Set<Duplex>()
  const track = (stream: Duplex): void => {
    open.add(stream)
    stream.once('close', () => open.delete(stream))
  }
  return {
    connect: (request, client, head) => {
      track(client)
      client.on('error', () => client.destroy())
      const target = targetOf(request.url ?? '', o)
      if (typeof target === 'string') {
        client.end(`HTTP/1.1 ${target}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
        return
      }
      const peer: Socket = connectTo({ ...target, timeout: connectTimeoutMs })
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
        client.write('HTTP/1.1 200 Connection established\r\n\r\n')
        if (head.length > 0) peer.write(head)
        client.pipe(peer)
        peer.pipe(client)
      })
      client.once('close', () => peer.destroy())
      peer.once('close', () => {
        if (connected) client.destroy()
      })
    },
    close: () => {
      for (const stream of open) stream.destroy()
    },
  }
}

/** Where an authority-form target leads, or the status line that refuses it. */
function targetOf(
  authority: string,
  o: { tlsPort: number; localPort: number },
): { host: string; port: number } | string {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([a-zA-Z0-9._-]{1,253})):(\d{1,5})$/.exec(authority)
  const host = (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '')
  const port = Number(match?.[3])
  if (host === undefined || port < 1 || port > 65_535) return '400 Bad Request'
  if (host === domain || host.endsWith(`.${domain}`)) {
    return port === 443 || port === o.tlsPort ? { host: '127.0.0.1', port: o.tlsPort } : '403 Forbidden'
  }
  // A tunnel to this proxy itself could be chained without end.
  if (port === o.localPort && ['localhost', '127.0.0.1', '::1'].includes(host)) return '403 Forbidden'
  return { host, port }
}
