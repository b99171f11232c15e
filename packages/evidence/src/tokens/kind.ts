import { VerificationError } from '../core/errors.ts'

/** About evidence, or about an attestation provider's own policies. */
export type TokenKind = 'attestation' | 'policy'

/**
 * Claims in what Azure Attestation signs about policies and their certificates, with the same keys, issuer and `typ` as
 * tokens about evidence: only the claims differ. A token about evidence has none of them, and no policy can issue one.
 * @example
 * import { policyStatementClaims } from '@strongroom/evidence'
 *
 * const claims = { iss: 'https://a.example', 'x-ms-policy-result': 'Updated' }
 * policyStatementClaims.some((name) => Object.hasOwn(claims, name)) // => true
 */
export const policyStatementClaims = [
  'x-ms-policy-result',
  'x-ms-policy-token-hash',
  'x-ms-policy',
  'x-ms-policy-certificates',
  'x-ms-policycertificates-result',
] as const

/** Claim in every Azure Attestation token about evidence. */
const overEvidence = 'x-ms-attestation-type'

/**
 * One kind of token is refused where another is expected (RFC 8725 section 3.11).
 * @throws VerificationError TokenOfAnotherKind
 * @example
 * import { requireKind } from '@strongroom/evidence'
 *
 * requireKind({ 'x-ms-attestation-type': 'sevsnpvm' }, 'attestation') // => undefined
 * requireKind({ 'x-ms-policy-result': 'Updated' }, 'attestation') // throws VerificationError TokenOfAnotherKind
 */
export function requireKind(claims: Readonly<Record<string, unknown>>, kind: TokenKind): void {
  const about = policyStatementClaims.filter((name) => Object.hasOwn(claims, name))
  const type = Object.hasOwn(claims, overEvidence)
  if (kind === 'attestation' ? about.length === 0 : about.length > 0 && !type) return
  const found = [...about, ...(type ? [overEvidence] : [])]
  throw new VerificationError({
    code: 'TokenOfAnotherKind',
    message:
      kind === 'attestation'
        ? 'Signed text is about a provider’s policies, not about evidence'
        : 'Signed text is not about a provider’s policies',
    subject: 'token',
    expected:
      kind === 'attestation'
        ? `none of ${policyStatementClaims.join(', ')}`
        : `one of ${policyStatementClaims.join(', ')}`,
    found: found.join(', ') || 'none of them',
  })
}
