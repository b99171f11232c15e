import type { ErrorDetail, ReleasePolicy } from '@strongroom/contract'
import { ServiceError, type Clock } from '@strongroom/platform'
import { failedConditions, requirementText, type FailedCondition } from '@strongroom/release-policy'
import { shown, written } from '../core/errors.ts'
import type { Authorities } from './authorities.ts'
import { verifyAttestationToken, type AttestationToken } from './token.ts'

const detailsShown = 20

/**
 * Decides whether a token satisfies a release policy: an entry for its issuer has all its conditions met.
 * @throws ServiceError 403 with every condition that failed
 */
export async function decideRelease(o: {
  policy: ReleasePolicy
  token: unknown
  keys: Authorities
  clock: Clock
}): Promise<AttestationToken> {
  const verified = await verifyAttestationToken({
    token: o.token,
    authorities: o.policy.anyOf.map((entry) => entry.authority),
    keys: o.keys,
    clock: o.clock,
  })
  const issuer = o.keys.meant(verified.authority)
  const failures: FailedCondition[] = []
  for (const entry of o.policy.anyOf) {
    if (o.keys.meant(entry.authority) !== issuer) continue
    const failed = failedConditions(entry, verified.claims)
    if (failed.length === 0) return verified
    failures.push(...failed)
  }
  throw denied(verified.authority, failures)
}

/** @param failures at least one: the token's issuer has an entry, and each entry failed */
function denied(authority: string, failures: FailedCondition[]): ServiceError {
  const details = failures.slice(0, detailsShown).map((failure) => detailOf(authority, failure))
  const { message, target, innererror } = details[0]!
  return new ServiceError({
    code: 'Forbidden',
    message: `Target environment attestation does not meet key release policy requirements. ${message}`,
    target,
    details,
    ...innererror,
    remedy: 'Compare the claims of the token with the release policy of the key.',
  })
}

interface Denial extends ErrorDetail {
  target: string
  innererror: { expected: string; found: string }
}

function detailOf(authority: string, { claim, operator, expected, actual }: FailedCondition): Denial {
  const asked = shown(requirementText({ operator, operand: expected }))
  const found = actual === undefined ? 'no such claim' : shown(written(actual))
  return {
    code: 'KeyReleaseDenied',
    message: `Authority ${authority}: claim ${shown(claim)} is expected to be ${asked}, found ${found}.`,
    target: claim,
    innererror: { expected: asked, found },
  }
}
