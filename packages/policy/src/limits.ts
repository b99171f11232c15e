/**
 * Limits on what a policy may cost the service. A tenant writes the policy and every attest call evaluates it, so each
 * dimension under the author's control has a ceiling (attack P4).
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
  steps: 150_000,
  /** Combined matches of one rule's conditions. */
  matchesPerRule: 4_096,
  /** Claims in the incoming set, including the service's. */
  claims: 2_048,
  /** Characters in one claim value. */
  valueCharacters: 1_048_576,
  /** Characters over all claims created in one run. */
  producedCharacters: 4_194_304,
  jmesPathCharacters: 4_096,
} as const
