import { type Check, skipped } from '../checks/check.ts'
import type { EvidencePolicy } from './evidence-policy.ts'
import { named, type Piece } from './piece.ts'

/**
 * What a policy asks of the TPM and of the boot, beside a paravisor's report without a quote: another machine's quote or document in the same
 * judgement meets it for that machine alone.
 */
export function withoutQuote(hcl: Piece, { tpm, boot }: EvidencePolicy): Check[] {
  if (tpm?.nonce === undefined && tpm?.pcrs === undefined && boot === undefined) return []
  return [named(hcl, skipped('policy.used', 'The policy asks for a quote of this machine’s TPM, and none was given'))]
}

/** What a policy asks of the boot, beside a TD's quote to whose registers no log replays: another machine's log is of that machine alone. */
export function withoutLog(quote: Piece, { boot }: EvidencePolicy): Check[] {
  if (boot === undefined) return []
  return [named(quote, skipped('policy.used', 'The policy asks for an event log of this TD, and none was given'))]
}
