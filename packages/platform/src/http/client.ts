import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { request as requestByTls, type Agent } from 'node:https'

/**
 * The only way out: every HTTP request that this project sends. Each has a timeout and a size limit, and follows no
 * redirect, so that only the named peer is ever called.
 */
export interface HttpExchange {
  /** Default GET. */
  method?: string
  /** http or https. */
  url: URL
  /** Names in lower case. `host` defaults to the URL's. */
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array
  /** Kept connections and their trusted roots; default: a separate one with the system's roots. */
  agent?: Agent
  /** Where the URL's host is reached, if not by its name; a path means a unix socket. */
  via?: string | { host: string; port: number; servername: string }
  /** Milliseconds in total, or milliseconds without data. */
  patience: { inAll: number } | { silent: number }
  /** Maximum size of the answer's body, in bytes. */
  answerLimit: number
}

export interface HttpAnswer {
  status: number
  /** Names in lower case; repeated ones are joined by commas. */
  headers: Record<string, string>
  body: Buffer
}

/** No answer arrived, or not all of it. */
export class HttpFailure extends Error {
  readonly reason: 'timeout' | 'unreachable' | 'too long'
  /** From the system or TLS, such as ECONNREFUSED. */
  readonly code: string | undefined

  constructor(reason: HttpFailure['reason'], message: string, cause?: Error & { code?: string }) {
    super(message, { cause })
    this.name = 'HttpFailure'
    this.reason = reason
    this.code = cause?.code
  }
}

/** Importing node:http reads all of its exports, one of which loads undici (design 0002): only callers without TLS pay for it. */
const requestInClear = (options: RequestOptions): ClientRequest =>
  process.getBuiltinModule('node:http').request(options)

/**
 * Sends once, and again if a kept connection was closed just as it was used: that request was not answered. A server
 * that ended has closed all kept connections, each of which is then tried no more. @throws HttpFailure
 */
export async function exchange(o: HttpExchange): Promise<HttpAnswer> {
  for (;;) {
    try {
      return await once(o)
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error
    }
  }
}

class StaleConnection extends Error {}

function once(o: HttpExchange): Promise<HttpAnswer> {
  const { patience } = o
  const allowed = 'inAll' in patience ? patience.inAll : patience.silent
  const late = new HttpFailure('timeout', `no answer within ${allowed} ms`)
  return new Promise((resolve, reject) => {
    const options = optionsOf(o)
    const sent = o.url.protocol === 'https:' ? requestByTls(options) : requestInClear(options)
    let response: IncomingMessage | undefined
    let isLate = false
    const end = (): void => {
      isLate = true
      sent.destroy(late)
    }
    const timer = 'inAll' in patience ? setTimeout(end, allowed) : undefined
    if (timer === undefined) sent.setTimeout(allowed, end)
    const fail = (cause: Error & { code?: string }): void => {
      clearTimeout(timer)
      if (isLate) reject(late)
      else if (cause instanceof HttpFailure) reject(cause)
      else if (response === undefined && sent.reusedSocket && cause.code === 'ECONNRESET') reject(new StaleConnection())
      else reject(new HttpFailure('unreachable', cause.message, cause))
    }
    // Permanent: a failure after the answer is irrelevant, and must not end the process.
    sent.on('error', fail)
    sent.once('response', (received) => {
      response = received
      readBody(received, o.answerLimit).then((body) => {
        clearTimeout(timer)
        resolve({ status: received.statusCode ?? 0, headers: headersOf(received), body })
      }, fail)
    })
    sent.end(o.body)
  })
}

function optionsOf({ url, method = 'GET', headers, body, agent, via }: HttpExchange): RequestOptions {
  const hasNoBody = body === undefined && !['GET', 'HEAD'].includes(method)
  const length = hasNoBody ? '0' : body === undefined ? undefined : String(body.length)
  return {
    method,
    path: url.pathname + url.search,
    headers: { host: url.host, ...(length !== undefined && { 'content-length': length }), ...headers },
    agent: agent ?? false,
    ...(typeof via === 'string'
      ? { socketPath: via }
      : (via ?? {
          host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
          ...(url.port !== '' && { port: Number(url.port) }),
        })),
  }
}

function headersOf(response: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  )
}

/** @throws HttpFailure too long, by what was announced or what comes */
async function readBody(response: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) {
      response.destroy()
      throw new HttpFailure('too long', `the answer is longer than ${limit} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
