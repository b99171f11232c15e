import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../errors.ts'
import { boundConnections } from './connections.ts'

/** A serious client has completed its handshake, or sent its headers, by then. */
export const handshakeMs = 10_000
const headersMs = 10_000
/** How often Node checks for requests that take too long. */
export const connectionsCheckingInterval = 2_000
/** Per listener. */
const mostConnections = 2_000

/** How long requests in progress may take once the server closes. */
const graceMs = 1_000

/** Limits for every listener of the installation. */
export function harden(server: Server): void {
  server.headersTimeout = headersMs
  server.requestTimeout = 300_000
  server.keepAliveTimeout = 30_000
  // Also if a client does not read its answer.
  server.timeout = 300_000
  boundConnections(server, { most: mostConnections })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ECONNRESET' && socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    else socket.destroy()
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
}

/**
 * Listens, on 127.0.0.1 unless an address is given.
 * @param o.target the setting at fault, and `o.option` what sets it, in the error
 * @throws ServiceError PortTaken, PortUnusable
 */
export function listen(
  server: Server,
  o: { address?: string; port: number; target: string; option: string },
): Promise<void> {
  const { address = '127.0.0.1', port, target } = o
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE'
      reject(
        new ServiceError({
          code: taken ? 'PortTaken' : 'PortUnusable',
          message: `The port ${port} on ${address} ${taken ? 'is taken by another program' : `cannot be used (${cause.code ?? cause.message})`}.`,
          target,
          expected: 'a free port',
          found: taken ? 'a listener' : (cause.code ?? cause.message),
          remedy: `Stop that program, or start with another port: ${o.option}`,
          cause,
        }),
      )
    })
    server.listen({ port, host: address, exclusive: true, backlog: mostConnections }, () => resolve())
  })
}

/** Closes idle connections at once, and others when their request is answered or the grace period ends. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const grace = new AbortController()
  void sleep(graceMs, undefined, { signal: grace.signal }).then(
    () => server.closeAllConnections(),
    () => {},
  )
  server.closeIdleConnections()
  await closed
  grace.abort()
}
