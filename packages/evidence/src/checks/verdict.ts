import { type Check, keyNotEndorsed } from './check.ts'

/**
 * `nothing`: the pieces are valid but attest nothing that could be accepted: only certificates, lists or logs.
 * `unendorsed`: everything holds, but by a key that nothing shows to be a device's: anyone can create such a key and
 * what it signs.
 */
export type Verdict = 'accepted' | 'refused' | 'unjudged' | 'nothing' | 'unendorsed'

/** @param hasStatement whether a piece states something about a machine */
export function verdictOf(check: Check, hasStatement: boolean): Verdict {
  if (check.outcome === 'failed') return 'refused'
  if (check.outcome === 'skipped') return 'unjudged'
  if (!hasStatement) return 'nothing'
  return isUnendorsed(check) ? 'unendorsed' : 'accepted'
}

function isUnendorsed({ code, children }: Check): boolean {
  return code === keyNotEndorsed || children.some(isUnendorsed)
}
