import { exchange, HttpFailure, ServiceError, type HttpAnswer } from '@strongroom/platform'
import type { FetchedCollateral } from './collateral-item.ts'

/** Intel's longest list is well below this. */
const answerLimit = 8 * 1024 * 1024
const timeoutMs = 20_000
/** Seconds. */
const [shortestWait, longestWait] = [10, 300]

/**
 * One GET of an address that the operator configured. Redirects are not followed, so only that address is ever called.
 * @returns undefined for 404
 * @throws ServiceError VendorUnreachable (503), VendorRefused (502; 503 with `retry-after` for its limits)
 */
export async function getFromVendor(address: string): Promise<FetchedCollateral | undefined> {
  const url = new URL(address)
  const headers = { accept: '*/*', 'user-agent': 'strongroom' }
  const answer = await exchange({ url, headers, patience: { inAll: timeoutMs }, answerLimit }).catch(
    (error: unknown) => {
      throw error instanceof HttpFailure ? unreachable(url, error) : error
    },
  )
  if (answer.status === 404) return undefined
  if (answer.status !== 200) throw refused(url, answer)
  return { body: Uint8Array.from(answer.body), headers: answer.headers }
}

function unreachable(url: URL, cause: HttpFailure): ServiceError {
  return new ServiceError({
    code: 'VendorUnreachable',
    message: `${url.host} cannot be reached (${cause.code ?? cause.message}).`,
    target: url.origin,
    remedy: 'Check that this host may call it, or import a bundle: strongroom collateral import FILE',
    cause,
  })
}

function refused(url: URL, { status, headers }: HttpAnswer): ServiceError {
  const busy = status === 429 || status === 503
  return new ServiceError({
    code: 'VendorRefused',
    status: busy ? 503 : 502,
    message: `${url.host} answered ${status}.`,
    target: url.origin,
    expected: '200',
    found: String(status),
    remedy: busy ? 'Wait: it limits how often it may be called.' : 'Correct the address of the vendor’s service.',
    ...(busy && { headers: { 'retry-after': String(waitOf(headers['retry-after'])) } }),
  })
}

/** Seconds to wait before asking a vendor again. Its value is bounded; a date, or no value, means the minimum. */
function waitOf(retryAfter: string | undefined): number {
  const seconds = /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) : 0
  return Math.min(Math.max(seconds, shortestWait), longestWait)
}
