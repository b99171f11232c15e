import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { ServiceError } from '@strongroom/platform'
import type { FetchedCollateral } from './collateral-item.ts'

/** The longest list of Intel's is well under this. */
const answerLimit = 8 * 1024 * 1024
const timeoutMs = 20_000
/** Seconds. */
const [shortestWait, longestWait] = [10, 300]

/**
 * One GET of an address that the operator set. Follows no redirect, so that only that address is ever called.
 * @returns undefined for 404
 * @throws ServiceError VendorUnreachable (503), VendorRefused (502; 503 with `retry-after` for its limits)
 */
export function getFromVendor(address: string): Promise<FetchedCollateral | undefined> {
  const url = new URL(address)
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(cause instanceof ServiceError ? cause : unreachable(url, cause))
    const sent = request(url, {
      method: 'GET',
      headers: { accept: '*/*', 'user-agent': 'strongroom' },
      signal: AbortSignal.timeout(timeoutMs),
      agent: false,
    })
    sent.once('error', fail)
    sent.once('response', (response) => {
      if (response.statusCode === 404) {
        response.resume()
        resolve(undefined)
      } else if (response.statusCode === 200) read(response).then(resolve, fail)
      else {
        response.resume()
        reject(refused(url, response))
      }
    })
    sent.end()
  })
}

async function read(response: IncomingMessage): Promise<FetchedCollateral> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > answerLimit) {
      response.destroy()
      throw new Error(`the answer is longer than ${answerLimit} bytes`)
    }
    chunks.push(chunk)
  }
  const headers = Object.entries(response.headers).map(([name, value]) => [name, String(value)])
  return {
    body: Uint8Array.from(Buffer.concat(chunks)),
    headers: Object.fromEntries(headers) as Record<string, string>,
  }
}

function unreachable(url: URL, cause: Error & { code?: string }): ServiceError {
  return new ServiceError({
    code: 'VendorUnreachable',
    status: 503,
    message: `${url.host} cannot be reached (${cause.code ?? cause.message}).`,
    target: url.origin,
    remedy: 'See that this machine may call it, or import a bundle: strongroom collateral import FILE',
    cause,
  })
}

function refused(url: URL, response: IncomingMessage): ServiceError {
  const { statusCode = 0 } = response
  const busy = statusCode === 429 || statusCode === 503
  return new ServiceError({
    code: 'VendorRefused',
    status: busy ? 503 : 502,
    message: `${url.host} answered ${statusCode}.`,
    target: url.origin,
    expected: '200',
    found: String(statusCode),
    remedy: busy ? 'Wait; it limits how often it may be asked.' : 'Correct the address of the vendor’s service.',
    ...(busy && { headers: { 'retry-after': String(waitOf(response.headers['retry-after'])) } }),
  })
}

/** Seconds that a vendor wants to be left alone. Its word counts within bounds; a date, or nothing, is taken for the least. */
function waitOf(retryAfter: string | undefined): number {
  const seconds = /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) : 0
  return Math.min(Math.max(seconds, shortestWait), longestWait)
}
