import { VerificationError } from '../core/errors.ts'

/** Over evidence, or about an attestation provider's own policies. */
export type TokenKind = 'attestation' | 'policy'

/**
 * What Azure Attestation signs about policies and their certificates, by the keys and in the name that its tokens over evidence have, under
 * the same `typ`: only the claims tell them apart. A token over evidence has none of these, and no policy can issue one.
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

/** Claim of every token over evidence of Azure Attestation. */
const overEvidence = 'x-ms-attestation-type'

/**
 * One kind of token is refused where the other is expected (RFC 8725 section 3.11).
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
