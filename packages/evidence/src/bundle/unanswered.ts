import { type Check, failed, skipped } from '../checks/check.ts'
import { VerificationError } from '../core/errors.ts'
import type { EvidencePolicy } from './evidence-policy.ts'
import { named, type Piece } from './pieces/piece.ts'

/**
 * What a policy requires of the TPM and the boot, for a paravisor's report without a quote: another machine's quote or
 * document in the same judgement satisfies it for that machine only.
 */
export function withoutQuote(hcl: Piece, { tpm, boot }: EvidencePolicy): Check[] {
  if (tpm?.nonce === undefined && tpm?.pcrs === undefined && boot === undefined) return []
  return [named(hcl, skipped('policy.used', 'The policy asks for a quote of this machine’s TPM, and none was given'))]
}

/**
 * What a policy requires of the boot, for a TD quote to whose registers no log replays: another machine's log counts
 * for that machine only.
 */
export function withoutLog(quote: Piece, { boot }: EvidencePolicy): Check[] {
  if (boot === undefined) return []
  return [named(quote, skipped('policy.used', 'The policy asks for an event log of this TD, and none was given'))]
}

/** Refuses evidence to which members of the policy cannot apply. */
export function cannotApply(members: string, expected: string, found: string): Check {
  const message = `The policy’s ${members} cannot apply to this evidence: remove it from the policy, or give ${expected}`
  return failed('policy.used', new VerificationError({ code: 'RuleNotApplicable', message, expected, found }))
}
