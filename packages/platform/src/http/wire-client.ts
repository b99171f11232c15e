import { Agent } from 'node:https'
import { domain, type ErrorCode, type ErrorDetail } from '@strongroom/contract'
import { ServiceError } from '../errors/errors.ts'
import { exchange, HttpFailure } from './client.ts'
import { outsideRoutes, type OutsideRoute } from './outside.ts'
import { whileThrottled } from './throttled.ts'
import type { AttestationVerifier } from './verifiers.ts'

export interface WireRequest {
  method: string
  /** https, a name under strongroom.internal without port; or an attestation provider named by the operator. */
  url: string
  /** A string or bytes are sent unchanged; anything else as JSON. */
  body?: unknown
  /** Bearer token. */
  token?: string
  headers?: Record<string, string>
  /** Default 30 000. */
  timeoutMs?: number
  /** Default json; undefined for an empty answer. */
  accept?: 'json' | 'text' | 'bytes'
}

export interface WireResponse<T> {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: T
}

/** Calls the installation's services over their public wire. */
export interface WireClient {
  /** @throws ServiceError with the peer's status, code and message; PeerUnreachable (503) or PeerTimeout (504) */
  request<T>(o: WireRequest): Promise<WireResponse<T>>
  close(): void
}

const answerLimit = 64 * 1024 * 1024
/** Tokens and key sets are a few KiB. */
const outsideAnswerLimit = 1024 * 1024

/**
 * Resolves names under strongroom.internal to the installation's own port and refuses all others, trusts only the
 * installation's CA, keeps connections alive, follows no redirects, and retries when an overloaded peer says so.
 * Besides, only the attest calls and key sets of `verifiers` are reached, each at its own address and under its own
 * authorities.
 */
export function createWireClient(o: {
  /** Asked for each request if it is known only later. */
  port: number | (() => number)
  caPem: string
  verifiers?: readonly AttestationVerifier[]
}): WireClient {
  const outside = outsideRoutes(o.verifiers ?? [])
  const agent = new Agent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 16, ca: o.caPem, minVersion: 'TLSv1.3' })

  const portNow = (): number => (typeof o.port === 'number' ? o.port : o.port())
  const own = (url: URL): OutsideRoute => ({ agent, host: '127.0.0.1', port: portNow(), servername: url.hostname })

  const once = async (options: WireRequest, url: URL, route: OutsideRoute): Promise<WireResponse<Buffer>> => {
    const body = payload(options.body)
    const headers: Record<string, string> = {
      accept: options.accept === 'text' ? 'text/plain, */*' : options.accept === 'bytes' ? '*/*' : 'application/json',
      ...(body?.type !== undefined && { 'content-type': body.type }),
      ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
      ...lowerCase(options.headers),
    }
    const timeoutMs = options.timeoutMs ?? 30_000
    const { agent: kept, ...via } = route
    try {
      return await exchange({
        method: options.method,
        url,
        headers,
        ...(body && { body: body.bytes }),
        agent: kept,
        via,
        patience: { inAll: timeoutMs },
        answerLimit: kept === agent ? answerLimit : outsideAnswerLimit,
      })
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error
      throw error.reason === 'timeout' ? timedOut(url, timeoutMs) : unreachable(url, error)
    }
  }

  const closed = new AbortController()
  return {
    request: async <T>(options: WireRequest) => {
      const url = new URL(options.url)
      const other = outside.find(options.method, url, options.token !== undefined)
      if (other === undefined) checkUrl(url)
      const route = other ?? own(url)
      const response = await whileThrottled(async () => await once(options, url, route), closed.signal)
      if (response.status >= 300) throw peerError(url, response)
      return { ...response, body: decode<T>(response.body, options.accept ?? 'json', url) }
    },
    close: () => {
      closed.abort()
      agent.destroy()
      outside.close()
    },
  }
}

function checkUrl(url: URL): void {
  const ours = url.hostname === domain || url.hostname.endsWith(`.${domain}`)
  if (url.protocol === 'https:' && ours && url.port === '' && url.username === '') return
  throw new ServiceError({
    code: 'PeerNotAllowed',
    message: 'Services call only services of their own installation.',
    expected: `https://{name}.${domain}/…`,
    found: url.origin,
  })
}

function payload(body: unknown): { bytes: Buffer; type?: string } | undefined {
  if (body === undefined) return undefined
  if (typeof body === 'string') return { bytes: Buffer.from(body, 'utf8'), type: 'text/plain; charset=utf-8' }
  if (body instanceof Uint8Array) return { bytes: Buffer.from(body), type: 'application/octet-stream' }
  if (body instanceof URLSearchParams) {
    return { bytes: Buffer.from(body.toString()), type: 'application/x-www-form-urlencoded' }
  }
  return { bytes: Buffer.from(JSON.stringify(body), 'utf8'), type: 'application/json' }
}

function lowerCase(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function decode<T>(bytes: Buffer, accept: 'json' | 'text' | 'bytes', url: URL): T {
  if (accept === 'bytes') return Uint8Array.from(bytes) as T
  const text = bytes.toString('utf8')
  if (accept === 'text') return text as T
  if (text.trim() === '') return undefined as T
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw new ServiceError({
      code: 'PeerAnswerInvalid',
      message: `${url.hostname} did not answer with JSON.`,
      cause,
    })
  }
}

function peerError(url: URL, response: WireResponse<Buffer>): ServiceError {
  const retryAfter = response.headers['retry-after']
  return ServiceError.relayed(sentDetail(url, response), response.status < 400 ? 502 : response.status, {
    ...(retryAfter !== undefined && { headers: { 'retry-after': retryAfter } }),
  })
}

/** A peer's error, as far as it states it. Its code is trusted: peers belong to this installation. */
function sentDetail(url: URL, response: WireResponse<Buffer>): ErrorDetail {
  const fallback: ErrorDetail = { code: 'PeerFailed', message: `${url.hostname} answered ${response.status}.` }
  let parsed: { error?: unknown; error_description?: unknown }
  try {
    parsed = JSON.parse(response.body.toString('utf8')) as typeof parsed
  } catch {
    // Not our envelope: only the status is usable.
    return fallback
  }
  const { error, error_description: description } = parsed ?? {}
  // Token endpoints answer in OAuth's shape (RFC 6749 section 5.2).
  if (typeof error === 'string')
    return { code: error as ErrorCode, message: typeof description === 'string' ? description : '' }
  const { code, message, target, details, innererror } = (error ?? {}) as Partial<ErrorDetail>
  return {
    code: typeof code === 'string' ? code : fallback.code,
    message: typeof message === 'string' ? message : fallback.message,
    ...(typeof target === 'string' && { target }),
    ...(Array.isArray(details) && { details }),
    ...(innererror !== undefined && { innererror }),
  }
}

function timedOut(url: URL, timeoutMs: number): ServiceError {
  return new ServiceError({
    code: 'PeerTimeout',
    message: `${url.hostname} did not answer within ${timeoutMs} ms.`,
    remedy: 'Repeat the request.',
  })
}

function unreachable(url: URL, cause: HttpFailure): ServiceError {
  return new ServiceError({
    code: 'PeerUnreachable',
    message: `${url.hostname} cannot be reached (${cause.code ?? cause.message}).`,
    remedy: 'Check that the server is running, then repeat the request.',
    cause,
  })
}
