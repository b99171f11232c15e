import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../errors/errors.ts'
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

interface ListenOptions {
  address?: string
  port: number
  /** The setting at fault, and what sets it, in the error. */
  target: string
  option: string
  /** A listening socket for this port, as a file descriptor: of the server whose place this one takes. */
  inherited?: number | undefined
}

/**
 * Listens, on 127.0.0.1 unless an address is given.
 * @throws ServiceError PortTaken, PortUnusable
 */
export async function listen(server: Server, o: ListenOptions): Promise<void> {
  const { address = '127.0.0.1', port, inherited } = o
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(unusable(o, cause)))
    const done = (): void => resolve()
    if (inherited !== undefined) server.listen({ fd: inherited }, mostConnections, done)
    else server.listen({ port, host: address, exclusive: true, backlog: mostConnections }, done)
  })
  const found = server.address()
  if (port === 0 || (found !== null && typeof found === 'object' && found.port === port)) return
  server.close()
  throw unusable(o, new Error(`it is ${JSON.stringify(found)}`))
}

/** Accepts no further connections; those it has stay. */
export function stopListening(server: Server): void {
  // node:http's own `close` ends idle connections at once, although their clients may be sending a request.
  if (server.listening) NetServer.prototype.close.call(server)
}

function unusable({ address = '127.0.0.1', port, target, option }: ListenOptions, cause: NodeJS.ErrnoException): Error {
  const taken = cause.code === 'EADDRINUSE'
  return new ServiceError({
    code: taken ? 'PortTaken' : 'PortUnusable',
    message: `The port ${port} on ${address} ${taken ? 'is taken by another program' : `cannot be used (${cause.code ?? cause.message})`}.`,
    target,
    expected: 'a free port',
    found: taken ? 'a listener' : (cause.code ?? cause.message),
    remedy: `Stop that program, or start with another port: ${option}`,
    cause,
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
