import type { ErrorCode } from '@strongroom/contract'
import { ParseError, VerificationError } from '@strongroom/evidence'
import { ServiceError } from '@strongroom/platform'
import { PolicyError, type Denial } from '@strongroom/policy'

/** 400 InvalidParameter: Azure's code for evidence that is malformed or not genuine. */
export function invalidParameter(o: {
  target: string
  message: string
  expected?: string
  found?: string
  remedy?: string
  /** Our more specific code, in `details`. */
  reason?: ErrorCode
  cause?: unknown
}): ServiceError {
  const { reason, ...rest } = o
  return new ServiceError({
    code: 'InvalidParameter',
    ...rest,
    ...(reason === undefined ? {} : { details: [{ code: reason, message: o.message, target: o.target }] }),
  })
}

/** Translates errors of the evidence package; anything else is returned unchanged. */
export function evidenceFailure(error: unknown, target: string): unknown {
  if (error instanceof ParseError || error instanceof VerificationError) {
    const subject = error instanceof VerificationError ? error.subject : undefined
    return invalidParameter({
      target,
      message: subject === undefined ? `${error.message}.` : `${subject}: ${error.message}.`,
      reason: error.code,
      cause: error,
      ...(error.expected === undefined ? {} : { expected: error.expected }),
      ...(error.found === undefined ? {} : { found: error.found }),
      remedy: remedies[error.code] ?? 'Take fresh evidence from the VM and send it unchanged.',
    })
  }
  return error
}

const remedies: Record<string, string> = {
  UntrustedRoot: 'Evidence must chain to a root that this installation pins: AMD, Intel, or its own simulated silicon.',
  NoTrustAnchors: 'Start the service with trust anchors.',
  CrlExpired: 'Refresh the revocation list at the collateral service.',
  CollateralExpired: 'Refresh the collateral.',
  CollateralMissing: 'Make the collateral available at the collateral service, or send it with the request.',
  CertificateRevoked: 'The processor key was revoked by its vendor: move the machine to other hardware.',
}

/** 400 with the place in the text, as Azure's troubleshooting guide describes it. */
export function policyFailure(error: unknown): unknown {
  if (!(error instanceof PolicyError)) return error
  return new ServiceError({
    code: error.code,
    message:
      error.code === 'PolicyParsingError'
        ? `The policy could not be parsed. ${error.message}`
        : `The policy could not be evaluated. ${error.message}`,
    target: error.failingRule,
    expected: error.expected,
    found: error.found,
    remedy: `Correct the policy at line ${error.position.line}, column ${error.position.column}.`,
    cause: error,
  })
}

/** 400 PolicyEvaluationError: the evidence is genuine, but the policy does not permit it. */
export function policyDenial(
  denial: Denial,
  policyHash: string,
  baseline: { message: string; path: string }[],
): ServiceError {
  const place = denial.position === undefined ? '' : ` (line ${denial.position.line}, column ${denial.position.column})`
  return new ServiceError({
    code: 'PolicyEvaluationError',
    message:
      denial.reason === 'deny'
        ? `Policy evaluation failed: deny() was issued by the authorization rules${place}. Policy hash: ${policyHash}.`
        : `Policy evaluation failed: no permit() was issued by the authorization rules${place}. Policy hash: ${policyHash}.`,
    target: denial.rule?.slice(0, 500) ?? 'authorizationrules',
    expected: denial.expected,
    found: denial.found,
    remedy: 'Make the VM meet the policy, or ask the owner to change this provider’s policy.',
    details: baseline.map(({ message, path }) => ({ code: 'NotCompliant', message, target: path })),
  })
}
