import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import { Agent, createServer as createHttpsServer, request as httpsRequest } from 'node:https'
import type { SecureContext } from 'node:tls'
import { ownSharedHost } from '@strongroom/contract'
import { ServiceError } from '../errors/errors.ts'
import { hostOf } from '../http/host.ts'
import type { Logger } from '../log/logger.ts'
import { headerWithPublicNames, ownHostOf, targetWithOwnNames, withOwnNames, withPublicNames } from './names.ts'

/** For bodies read as a whole to rewrite their addresses. */
const jsonLimit = 64 * 1024 * 1024
/** Hop-by-hop headers (RFC 9110 section 7.6.1). Answers are requested uncompressed, so that they can be read. */
const ofOneConnection = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'accept-encoding',
  'expect',
]
const addressHeaders = ['location', 'azure-asyncoperation', 'operation-location', 'www-authenticate']

/**
 * A TLS server for public names that does not listen: connections are passed to it (`emit('connection')`). Requests go
 * to the installation's own TLS port under the installation's names; addresses in JSON and headers are rewritten to the
 * public ones.
 */
export function createGateway(o: {
  contextOf(host: string): SecureContext | undefined
  /** The installation's. */
  tlsPort: number
  caPem: string
  logger: Logger
}): { server: Server; close(): void } {
  const agent = new Agent({ keepAlive: true, ca: o.caPem, maxSockets: 64, minVersion: 'TLSv1.3' })
  const server = createHttpsServer(
    {
      minVersion: 'TLSv1.2',
      handshakeTimeout: 10_000,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => {
        const context = o.contextOf(name)
        if (context === undefined) done(new Error('not a name that is answered here'))
        else done(null, context)
      },
    },
    (request, response) => {
      forward({ request, response, agent, tlsPort: o.tlsPort }).catch((error: unknown) => {
        o.logger.warn({ err: error }, 'a request under a public name failed')
        if (response.headersSent) response.destroy()
        else
          refuse(
            response,
            new ServiceError({
              code: 'BadGateway',
              message: 'The installation did not answer.',
              remedy: 'See server.log, then repeat the request.',
              cause: error,
            }),
          )
      })
    },
  )
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return {
    server,
    close: () => {
      server.closeAllConnections()
      agent.destroy()
    },
  }
}

async function forward(o: {
  request: IncomingMessage
  response: ServerResponse
  agent: Agent
  tlsPort: number
}): Promise<void> {
  const { request, response } = o
  const host = hostOf(request.headers.host)
  const own = host === undefined ? undefined : ownHostOf(host)
  if (own === undefined) {
    const message = `${host ?? 'A request without a host name'} is not answered here.`
    refuse(response, new ServiceError({ code: 'UnknownHost', message, remedy: 'Check the host name in the URL.' }))
    return
  }
  // A shared provider's tokens name the host under which it was asked.
  const asked = host !== undefined && ownSharedHost(host) !== undefined ? host : own
  const headers: OutgoingHttpHeaders = { ...kept(request.headers), host: asked }
  const changed = isJson(request.headers) ? Buffer.from(withOwnNames(await textOf(request))) : undefined
  if (changed !== undefined) headers['content-length'] = changed.length
  else if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked'
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = httpsRequest(
      {
        agent: o.agent,
        host: '127.0.0.1',
        port: o.tlsPort,
        servername: own,
        method: request.method,
        path: targetWithOwnNames(request.url ?? '/'),
        headers,
      },
      resolve,
    )
    sent.once('error', reject)
    response.once('close', () => sent.destroy())
    if (changed === undefined) request.pipe(sent)
    else sent.end(changed)
  })
  const answered: OutgoingHttpHeaders = kept(answer.headers)
  for (const name of addressHeaders) {
    const value = answered[name]
    if (typeof value === 'string') answered[name] = headerWithPublicNames(value)
  }
  if (request.method === 'HEAD' || !isJson(answer.headers)) {
    response.writeHead(answer.statusCode ?? 502, answered)
    answer.pipe(response)
    return
  }
  const body = Buffer.from(withPublicNames(await textOf(answer)))
  response.writeHead(answer.statusCode ?? 502, { ...answered, 'content-length': body.length })
  response.end(body)
}

const kept = (headers: IncomingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ofOneConnection.includes(name)))

const isJson = (headers: IncomingHttpHeaders): boolean => /\bjson\b/i.test(headers['content-type'] ?? '')

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > jsonLimit) throw new Error(`JSON of more than ${jsonLimit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function refuse(response: ServerResponse, error: ServiceError): void {
  response.writeHead(error.status, { 'content-type': 'application/json; charset=utf-8', connection: 'close' })
  response.end(JSON.stringify(error.toBody()))
}
