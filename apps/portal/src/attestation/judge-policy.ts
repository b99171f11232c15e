import {
  beforeSigning,
  evaluatePolicy,
  incomingClaims,
  lintPolicy,
  parsePolicy,
  PolicyError,
  type Claim,
  type Policy,
  type Warning,
} from '@strongroom/policy'
import { vmIdOf } from '@strongroom/trust'
import type { Decided } from '../decisions/decisions.ts'

/** The chunk that judges attestation policies: loaded when one is edited. */

export type JudgedText = { error: PolicyError } | { policy: Policy; warnings: Warning[] }

export function judgeText(text: string): JudgedText {
  try {
    const policy = parsePolicy(text)
    return { policy, warnings: lintPolicy(policy) }
  } catch (error) {
    if (error instanceof PolicyError) return { error }
    throw error
  }
}

export interface Answer {
  verdict: 'permitted' | 'denied' | 'error'
  /** Why it was denied. */
  why?: string
}

/** Results of a policy in force and an edited one on a decision's evidence. */
export interface Comparison {
  decision: Decided
  vmId: string | undefined
  before: Answer
  after: Answer
}

/** A decision's claims as its policy saw them; undefined if none are stored. */
function claimsSeen({ claims, policyClaims, policyHash = '' }: Decided): Claim[] | undefined {
  const seen = policyClaims ?? (claims && beforeSigning(claims))
  return seen && incomingClaims(seen, { hash: policyHash })
}

function answerOf(policy: Policy, claims: Claim[]): Answer {
  try {
    const { permitted, denial } = evaluatePolicy(policy, claims)
    if (permitted) return { verdict: 'permitted' }
    return { verdict: 'denied', why: `expected ${denial?.expected ?? 'a permit()'}; found ${denial?.found ?? 'none'}` }
  } catch (error) {
    if (error instanceof PolicyError) return { verdict: 'error', why: error.message }
    throw error
  }
}

/** Both policies over stored decisions, changed results first. */
export function compare(inForce: Policy, edited: Policy, decisions: readonly Decided[]): Comparison[] {
  const all = decisions.flatMap((decision) => {
    const claims = claimsSeen(decision)
    if (claims === undefined) return []
    return [{ decision, vmId: vmIdOf(decision), before: answerOf(inForce, claims), after: answerOf(edited, claims) }]
  })
  return all.toSorted((a, b) => Number(changes(b)) - Number(changes(a)))
}

export const changes = ({ before, after }: Comparison): boolean => before.verdict !== after.verdict
