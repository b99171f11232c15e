/**
 * Bounds on what a policy may ask of the service. A policy is written by a tenant and evaluated on every attest call,
 * so each dimension that an author controls has a ceiling (attack P4).
 * @example
 * import { parsePolicy, policyLimits } from '@strongroom/policy'
 *
 * const text = `version=1.0; authorizationrules { ${'=> permit();'.repeat(policyLimits.rules + 1)} };`
 * parsePolicy(text) // throws PolicyError PolicyParsingError
 */
export const policyLimits = {
  /** UTF-8 bytes of the text. */
  textBytes: 65_536,
  rules: 500,
  conditionsPerRule: 20,
  /** Nested function calls. */
  callDepth: 16,
  stringCharacters: 16_384,
  /** Claim comparisons and expression evaluations in one run. */
  steps: 200_000,
  /** Ways in which one rule's conditions match together. */
  matchesPerRule: 4_096,
  /** Claims in the incoming set, those of the service included. */
  claims: 2_048,
  /** Characters in one claim value. */
  valueCharacters: 1_048_576,
  /** Characters over all claims that one run makes. */
  producedCharacters: 4_194_304,
  jmesPathCharacters: 4_096,
} as const
