import { managementHost, ownSharedHost, type ErrorBody, type ErrorCode, type ErrorDetail } from '@strongroom/contract'
import type { FaultSource, InterceptedReply, ServeOptions } from '@strongroom/platform'

const reply = (
  status: number,
  code: ErrorCode,
  message: string,
  inner: ErrorDetail['innererror'] = {},
): InterceptedReply => ({
  status,
  body: {
    error: { code, message, innererror: { found: 'a fault injected through the test API', ...inner } },
  } satisfies ErrorBody,
})

/** Including the current version, named by nothing or by an empty segment. */
const keyUse = /^\/keys\/[^/]+(?:\/[^/]*)?\/(release|sign|verify|encrypt|decrypt|wrapkey|unwrapkey)$/i

/**
 * Faults of unavailable or refusing services, answered at request routing: for clients' requests and the installation's
 * own services alike. Throttling without a target affects only the resource manager.
 */
export function interceptFaults(faults: FaultSource): NonNullable<ServeOptions['intercept']> {
  return ({ host: asked, method, path }) => {
    const host = ownSharedHost(asked) ?? asked
    const subject = `${method} ${host}${path}`
    if (host.endsWith('.attest.strongroom.internal') && path.toLowerCase().startsWith('/attest/')) {
      if (faults.take('attestation-down', subject) !== undefined)
        return reply(503, 'ServiceUnavailable', 'The attestation provider does not answer.', {
          remedy: 'Try again later.',
        })
    }
    if (/\.(vault|managedhsm)\.strongroom\.internal$/.test(host) && keyUse.test(path)) {
      if (faults.take('key-disabled', subject) !== undefined)
        return reply(403, 'Forbidden', 'Operation is not allowed on a disabled key.', { code: 'KeyDisabled' })
    }
    const throttled = host === managementHost ? faults.take('throttling', subject) : undefined
    if (throttled !== undefined) {
      const seconds = String(Math.max(1, Math.ceil((throttled.milliseconds ?? 1_000) / 1_000)))
      const refused = reply(429, 'TooManyRequests', 'The request is being throttled.', { remedy: `Wait ${seconds} s.` })
      return { ...refused, headers: { 'retry-after': seconds } }
    }
    return undefined
  }
}
