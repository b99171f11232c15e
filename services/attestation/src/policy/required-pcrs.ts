import type { PolicyOutcome } from '@strongroom/policy'
import { ServiceError } from '@strongroom/platform'

/**
 * The property `required_pcr_mask`: bit n requires the quote to cover PCR n. Only for TPM evidence, and only if a
 * policy sets it: Azure's default of all 24 registers would refuse its own guests' quotes.
 * @throws ServiceError PolicyEvaluationError
 */
export function requireQuotedPcrs(
  properties: PolicyOutcome['properties'],
  policyClaims: Record<string, unknown> = {},
): void {
  const mask = properties.get('required_pcr_mask')
  const quoted = (policyClaims['pcrs'] as { PCRs?: { Index: number }[] } | undefined)?.PCRs
  if (typeof mask !== 'number' || quoted === undefined) return
  const there = new Set(quoted.map(({ Index }) => Index))
  const wanted = Array.from({ length: 24 }, (_, index) => index).filter((index) => (mask >> index) % 2 === 1)
  const missing = wanted.filter((index) => !there.has(index))
  if (missing.length === 0) return
  throw new ServiceError({
    code: 'PolicyEvaluationError',
    message: `The quote does not cover PCR ${missing.join(', ')}, which the policy's required_pcr_mask requires.`,
    target: 'required_pcr_mask',
    expected: `a quote over PCR ${wanted.join(', ')}`,
    found: `a quote over PCR ${[...there].toSorted((a, b) => a - b).join(', ') || 'none'}`,
    remedy: 'Quote these registers, or ask the owner to change the policy’s mask.',
  })
}
