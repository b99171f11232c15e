const names = new Set(
  [
    ['iss', 'iat', 'nbf', 'exp', 'jti', 'aud', 'sub', 'nonce', 'cnf', 'eat_profile', 'eat_nonce'],
    ['dbgstat', 'intuse', 'attester_tcb_status', 'attester_tcb_date', 'attester_advisory_ids', 'secureboot'],
    ['__proto__', 'constructor', 'prototype'],
  ].flat(),
)
const prefixes = ['x-ms-', 'x-strongroom-', 'tdx_']

/**
 * Whether a claim name is reserved for the service. A policy may read such claims but not issue them:
 * `issue(type="x-ms-compliance-status", …)` would let its author vouch for a VM that failed.
 * @example
 * import { isReservedForService } from '@strongroom/policy'
 *
 * isReservedForService('x-ms-compliance-status') // => true
 * isReservedForService('team') // => false
 */
export function isReservedForService(claimType: string): boolean {
  const lower = claimType.toLowerCase()
  return names.has(lower) || prefixes.some((prefix) => lower.startsWith(prefix))
}
