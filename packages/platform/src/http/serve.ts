import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { managementHost, portalHost, type ErrorBody, type ErrorCode } from '@strongroom/contract'
import type { FastifyInstance } from 'fastify'
import type { InstallationAuthority } from '../authority/authority.ts'
import { toErrorBody } from '../errors/errors.ts'
import type { Installation } from '../installation/installation.ts'
import type { Logger } from '../log/logger.ts'
import type { VirtualHost } from './virtual-host.ts'
import { createConnectProxy, routeToOwnNames } from './connect-proxy.ts'
import { forwardedPolicy, forwardedTo } from './forwarded.ts'
import { Drain, type Patience } from './listening/drain.ts'
import { hostOf } from './host.ts'
import { createHttpServer } from './http-server.ts'
import { closeServer, connectionsCheckingInterval, harden, listen, stopListening } from './listening/listener.ts'
import { createMetrics, type Figure, type Metrics } from './metrics.ts'
import { Entrance } from './listening/entrance.ts'
import { createTlsServer } from './listening/tls-server.ts'

export interface ServeOptions {
  installation: Installation
  authority: InstallationAuthority
  hosts: VirtualHost[]
  logger: Logger
  /** Answers as the portal's name, and on localhost and 127.0.0.1, where it also leads to the other services (forwarded.ts). */
  portal?: FastifyInstance
  /** Whether every service is up. Until `open`, requests from outside wait for it. Default: from the start. */
  ready?: () => boolean
  /** Metrics of services besides the server's own, at each /metrics; a failure leaves them out. */
  figures?: () => Promise<Figure[]>
  /** Default: the ports are opened. */
  inherited?: Listeners | undefined
  /** Answers a request instead of its service; undefined leaves it to the service. For the test API. */
  intercept?: (request: { host: string; method: string; path: string }) => InterceptedReply | undefined
}

export interface InterceptedReply {
  status: number
  headers?: Record<string, string>
  body: ErrorBody
}

const unhurried: Patience = { idle: 500, answer: 20_000 }
const atOnce: Patience = { idle: 0, answer: 1_000 }

/** Listening sockets as file descriptors. */
export interface Listeners {
  tls: number
  local: number
}

export interface RunningServer {
  /** On 127.0.0.1, for calls between the installation's services: TLS as on ports.tls, also while that is drained. */
  ownPort: number
  /** For the next server of this installation: what arrives while there is none waits in these. */
  sockets(): Record<keyof Listeners, object>
  /** Requests from outside that came before every service was up are answered now. */
  open(): void
  /** Accepts nothing more from outside, and answers what it has. Resolves once all of it is answered, or after 20 s. */
  drain(): Promise<void>
  close(): Promise<void>
}

/**
 * Listens on 127.0.0.1: TLS on ports.tls, routed by Host, with a certificate for the requested name; plain on
 * ports.local: GET /health, /ready, /metrics, the portal, and the CONNECT proxy that leads clients to our names.
 * @throws ServiceError PortTaken, PortUnusable
 */
export async function serve(o: ServeOptions): Promise<RunningServer> {
  const apps = [...new Set([...o.hosts.map((host) => host.app), ...(o.portal ? [o.portal] : [])])]
  await Promise.all(apps.map((app) => app.ready()))
  const { tls, local } = o.installation.ports
  const metrics = createMetrics()
  const state = { closing: false }
  const drain = new Drain()
  const isReady = (): boolean => o.ready?.() ?? true
  const entrance = new Entrance({
    arrived: (request, response) => observe(metrics, request, response),
    begin: (request, response) => route(o, request, response),
    drain,
    isReady,
  })

  const tlsServer = await createTlsServer(o.authority, (...exchanged) => entrance.fromOutside(...exchanged))
  const ownServer = await createTlsServer(o.authority, (...exchanged) => entrance.fromServices(...exchanged))
  const sendMetrics = metricsOf(o, metrics)
  const localServer = createHttpServer({ connectionsCheckingInterval }, (request, response) => {
    const answer = (): void =>
      answerLocally({ request, response, metrics: sendMetrics, ready: () => !state.closing && isReady() })
    if (o.portal !== undefined && isOfPortal(request)) entrance.fromOutside(request, response)
    else entrance.admit(request, response, answer)
  })
  harden(localServer)
  for (const server of [tlsServer, localServer]) drain.watch(server)
  // Not by way of the TLS port: while this server drains, connections made there wait for the next one.
  const takes = (client: Duplex): void => void tlsServer.emit('connection', client)
  const proxy = createConnectProxy(routeToOwnNames({ tlsPort: tls, proxyPorts: () => [local], takes }))
  localServer.on('connect', (request, client, head: Buffer) => proxy.connect(request, client, head))

  const end = async (patience: Patience): Promise<void> => {
    state.closing = true
    for (const server of [localServer, tlsServer]) stopListening(server)
    await drain.end(patience)
  }
  const close = async (): Promise<void> => {
    proxy.close()
    await end(atOnce)
    await closeServer(ownServer)
  }
  try {
    const { inherited } = o
    await listen(ownServer, { port: 0, target: 'ports', option: '--port N' })
    await listen(tlsServer, { port: tls, target: 'ports.tls', option: '--port N', inherited: inherited?.tls })
    await listen(localServer, {
      port: local,
      target: 'ports.local',
      option: '--local-port N',
      inherited: inherited?.local,
    })
  } catch (error) {
    await close()
    throw error
  }
  o.logger.info({ tls, local }, 'listening')
  return {
    ownPort: (ownServer.address() as AddressInfo).port,
    sockets: () => ({ tls: handleOf(tlsServer), local: handleOf(localServer) }),
    open: () => entrance.open(),
    drain: async () => await end(unhurried),
    close,
  }
}

/** The handle as `process.send` takes it; Node has no public name for it. */
function handleOf(server: Server): object {
  const handle: unknown = Reflect.get(server, '_handle')
  if (typeof handle === 'object' && handle !== null) return handle
  throw new TypeError('the server does not listen')
}

/** The server's own metrics, and those of services as far as they answer. */
const metricsOf =
  ({ figures, logger }: ServeOptions, metrics: Metrics) =>
  (send: Send): void => {
    const failed = (error: unknown): Figure[] => {
      logger.warn({ err: error }, 'metrics of services are left out')
      return []
    }
    void (figures?.() ?? Promise.resolve([]))
      .catch(failed)
      .then((further) => send(200, metrics.contentType, metrics.text(further)))
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
