import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { SecureContext } from 'node:tls'
import { managementHost, portalHost, type ErrorBody, type ErrorCode } from '@strongroom/contract'
import type { FastifyInstance } from 'fastify'
import type { InstallationAuthority } from '../authority/authority.ts'
import { toErrorBody } from '../errors.ts'
import type { Installation } from '../installation.ts'
import type { Logger } from '../logger.ts'
import type { VirtualHost } from '../service.ts'
import { addressOf } from './connections.ts'
import { createConnectProxy, routeToOwnNames } from './connect-proxy.ts'
import { forwardedPolicy, forwardedTo } from './forwarded.ts'
import { hostOf } from './host.ts'
import { beginHandshakesInTurn } from './handshakes.ts'
import { createHttpServer } from './http-server.ts'
import { closeServer, connectionsCheckingInterval, handshakeMs, harden, listen } from './listener.ts'
import { createMetrics, type Figure, type Metrics } from './metrics.ts'
import { FairQueue } from './fair-queue.ts'
import { Pipelines } from './pipelines.ts'

export interface ServeOptions {
  installation: Installation
  authority: InstallationAuthority
  hosts: VirtualHost[]
  logger: Logger
  /** Answers as the portal's name, and on localhost and 127.0.0.1, where it also leads to the other services (forwarded.ts). */
  portal?: FastifyInstance
  /** Whether every service is up, for /ready. Default: as soon as the listeners answer. */
  ready?: () => boolean
  /** Metrics of services besides the server's own, at each /metrics; a failure leaves them out. */
  figures?: () => Promise<Figure[]>
  /** Answers a request instead of its service; undefined leaves it to the service. For the test API. */
  intercept?: (request: { host: string; method: string; path: string }) => InterceptedReply | undefined
}

export interface InterceptedReply {
  status: number
  headers?: Record<string, string>
  body: ErrorBody
}

/**
 * Listens on 127.0.0.1: TLS on ports.tls, routed by Host, with a certificate for the requested name; plain on
 * ports.local: GET /health, /ready, /metrics, the portal, and the CONNECT proxy that leads clients to our names.
 * @throws ServiceError PortTaken
 */
export async function serve(o: ServeOptions): Promise<{ close(): Promise<void> }> {
  const apps = [...new Set([...o.hosts.map((host) => host.app), ...(o.portal ? [o.portal] : [])])]
  await Promise.all(apps.map((app) => app.ready()))
  const { tls, local } = o.installation.ports
  const metrics = createMetrics()
  const state = { closing: false }
  const queue = new FairQueue()
  const pipelines = new Pipelines()
  const begin = (request: IncomingMessage, response: ServerResponse): void => {
    observe(metrics, request, response)
    const work = (): void => route(o, request, response)
    queue.begin(addressOf(request.socket), work, () => !request.socket.destroyed)
  }

  const tlsServer = createHttpsServer(
    {
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeMs,
      connectionsCheckingInterval,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => {
        void chooseContext(o.authority, name, done)
      },
    },
    (request, response) => {
      if (pipelines.admits(request, response)) begin(request, response)
    },
  )
  // Clients without SNI (by address) get the loopback address's certificate.
  const fallback = await o.authority.serverCredentials('127.0.0.1')
  if (!fallback) throw new TypeError('the authority has no certificate for 127.0.0.1')
  tlsServer.setSecureContext({ key: fallback.key, cert: fallback.cert, minVersion: 'TLSv1.2' })
  beginHandshakesInTurn(tlsServer, { silentMs: handshakeMs })
  harden(tlsServer)

  const sendMetrics = (send: Send): void => {
    const failed = (error: unknown): Figure[] => {
      o.logger.warn({ err: error }, 'metrics of services are left out')
      return []
    }
    void (o.figures?.() ?? Promise.resolve([]))
      .catch(failed)
      .then((further) => send(200, metrics.contentType, metrics.text(further)))
  }
  const localServer = createHttpServer({ connectionsCheckingInterval }, (request, response) => {
    if (!pipelines.admits(request, response)) return
    const ready = (): boolean => !state.closing && (o.ready?.() ?? true)
    if (o.portal === undefined || !isOfPortal(request)) {
      answerLocally({ request, response, ready, metrics: sendMetrics })
      return
    }
    begin(request, response)
  })
  harden(localServer)
  const proxy = createConnectProxy(routeToOwnNames({ tlsPort: tls, localPort: local }))
  localServer.on('connect', (request, client, head: Buffer) => proxy.connect(request, client, head))

  const close = async (): Promise<void> => {
    state.closing = true
    proxy.close()
    await Promise.all([tlsServer, localServer].map((server) => closeServer(server)))
  }
  try {
    await listen(tlsServer, { port: tls, target: 'ports.tls', option: '--port N' })
    await listen(localServer, { port: local, target: 'ports.local', option: '--local-port N' })
  } catch (error) {
    await close()
    throw error
  }
  o.logger.info({ tls, local }, 'listening')
  return { close }
}

/** Unknown names get the fallback, and the client reports the mismatch. */
async function chooseContext(
  authority: InstallationAuthority,
  name: string,
  done: (error: Error | null, context?: SecureContext) => void,
): Promise<void> {
  try {
    done(null, (await authority.serverCredentials(name))?.context)
  } catch (error) {
    done(error as Error)
  }
}

function observe(metrics: Metrics, request: IncomingMessage, response: ServerResponse): void {
  const begun = performance.now()
  response.once('close', () => {
    const seconds = (performance.now() - begun) / 1000
    metrics.observe({ method: request.method ?? '', status: response.statusCode, seconds })
  })
}

function route(o: ServeOptions, request: IncomingMessage, response: ServerResponse): void {
  const host = hostOf(request.headers.host)
  if (o.portal !== undefined && host !== undefined && portalHosts.includes(host)) {
    routePortal(o, o.portal, request, response)
    return
  }
  routeService(o, host, request, response)
}

/** Loopback names only: a web page can point its own name here (DNS rebinding). */
const portalHosts = ['localhost', '127.0.0.1', portalHost]

const ownPaths = ['/health', '/ready', '/metrics']
const isOfPortal = ({ url = '/', headers }: IncomingMessage): boolean =>
  portalHosts.includes(hostOf(headers.host) ?? '') && !ownPaths.includes(url.split('?', 1)[0] ?? '')

function routePortal(
  o: ServeOptions,
  portal: FastifyInstance,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  try {
    const forwarded = forwardedTo(request)
    if (forwarded === undefined) {
      portal.routing(request, response)
      return
    }
    response.setHeader('content-security-policy', forwardedPolicy)
    response.setHeader('cross-origin-resource-policy', 'same-origin')
    request.url = forwarded.url
    request.headers.host = forwarded.host
    routeService(o, forwarded.host, request, response)
  } catch (error) {
    const { status, body } = toErrorBody(error, randomUUID())
    answerInstead(response, { status, body })
  }
}

function routeService(
  o: ServeOptions,
  host: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const app = host === undefined ? undefined : o.hosts.find((entry) => entry.matches(host))?.app
  if (app) {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const reply = o.intercept?.({ host: host ?? '', method: request.method ?? '', path })
    if (reply === undefined) app.routing(request, response)
    else answerInstead(response, reply)
    return
  }
  const id = randomUUID()
  const body: ErrorBody = {
    error: {
      code: 'UnknownHost',
      message: `No service of this installation has the host name ${host ?? '(none)'}.`,
      innererror: { expected: `a name such as ${managementHost}`, remedy: 'Check the host name in the URL.' },
    },
  }
  // 421 Misdirected Request (RFC 9110 section 15.5.20).
  response.writeHead(421, { 'content-type': 'application/json; charset=utf-8', 'x-ms-request-id': id })
  response.end(JSON.stringify(body))
}

function answerInstead(response: ServerResponse, reply: InterceptedReply): void {
  const json = { 'content-type': 'application/json; charset=utf-8', 'x-ms-request-id': randomUUID() }
  // The rest of the client's body is not read.
  response.writeHead(reply.status, { ...json, ...reply.headers, connection: 'close' })
  response.end(JSON.stringify(reply.body))
}

type Send = (status: number, type: string, body: string) => void

function answerLocally(o: {
  request: IncomingMessage
  response: ServerResponse
  metrics: (send: Send) => void
  ready: () => boolean
}): void {
  const send: Send = (status, type, body) => {
    o.response.writeHead(status, {
      'content-type': type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    o.response.end(o.request.method === 'HEAD' ? undefined : body)
  }
  const json = (status: number, body: object): void =>
    send(status, 'application/json; charset=utf-8', JSON.stringify(body))
  const refuse = (status: number, code: ErrorCode, message: string): void =>
    json(status, { error: { code, message } } satisfies ErrorBody)
  const host = hostOf(o.request.headers.host)
  // A web page can point its own name here (DNS rebinding); only loopback names are answered.
  if (host !== 'localhost' && host !== '127.0.0.1') {
    refuse(421, 'UnknownHost', 'This listener answers on localhost and 127.0.0.1 only.')
    return
  }
  if (o.request.method !== 'GET' && o.request.method !== 'HEAD') {
    refuse(405, 'MethodNotAllowed', 'This listener answers GET, and CONNECT as a proxy.')
    return
  }
  const path = (o.request.url ?? '/').split('?', 1)[0]
  if (path === '/health') json(200, { status: 'ok' })
  else if (path === '/ready') {
    if (o.ready()) json(200, { status: 'ready' })
    else json(503, { status: 'starting' })
  } else if (path === '/metrics') o.metrics(send)
  else refuse(404, 'NotFound', 'Only /health, /ready and /metrics are available here.')
}
