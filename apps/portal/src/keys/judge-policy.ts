import type { ReleasePolicy } from '@strongroom/contract'
import {
  comparisonText,
  explainRelease,
  lintReleasePolicy,
  normalAuthority,
  readReleasePolicy,
  ReleasePolicyError,
  type ExplainedCondition,
  type LintWarning,
} from '@strongroom/release-policy'
import { vmIdOf } from '@strongroom/trust'
import { isProviderHost, type Decided } from '../decisions/decisions.ts'

/** The chunk that judges release policies: loaded when one is edited. */

/** A policy in words, indented by nesting depth. */
export interface PolicyLine {
  depth: number
  text: string
}

export type JudgedPolicy =
  | { fault: { place: string; expected: string; found: string } }
  | { policy: ReleasePolicy; warnings: LintWarning[]; lines: PolicyLine[]; providers: string[] }

/** A text parsed as a release policy, or why it is invalid. */
export function judgePolicy(text: string): JudgedPolicy {
  try {
    const policy = readReleasePolicy(text)
    const hosts = policy.anyOf.map(({ authority }) => new URL(normalAuthority(authority) ?? 'https://none').host)
    const { authorities } = explainRelease(policy, {}, { now: 0 })
    return {
      policy,
      warnings: lintReleasePolicy(policy),
      lines: authorities.flatMap(({ authority, conditions }) => [
        { depth: 0, text: `Released on a token of ${authority} with` },
        ...linesOf(conditions, 1),
      ]),
      providers: [...new Set(hosts)].filter(isProviderHost),
    }
  } catch (error) {
    if (!(error instanceof ReleasePolicyError)) throw error
    return { fault: { place: error.place, expected: error.expected, found: error.found } }
  }
}

function linesOf(condition: ExplainedCondition, depth: number): PolicyLine[] {
  if (condition.kind === 'claim') return [{ depth, text: wordsOf(condition) }]
  const head = { depth, text: condition.kind === 'allOf' ? 'all of' : 'any of' }
  return [head, ...condition.conditions.flatMap((each) => linesOf(each, depth + 1))]
}

const wordsOf = ({ claim, operator, expected }: ExplainedCondition & { kind: 'claim' }): string =>
  comparisonText({ claim, operator, operand: expected })

/** The release decision for a past decision's token. */
export interface Trial {
  decision: Decided
  vmId: string | undefined
  released: boolean
  /** What failed; empty if it is released. */
  why: string[]
}

const tokenSeconds = 8 * 3600

/** Tries a policy on decisions that issued a token, each at its own time. */
export function tryPolicy(policy: ReleasePolicy, decisions: readonly Decided[]): Trial[] {
  return decisions.flatMap((decision) => {
    if (decision.claims === undefined) return []
    const now = Math.floor(Date.parse(decision.at) / 1000)
    // A decision stores the token's claims; issuer and times were added at signing.
    const claims = {
      ...decision.claims,
      iss: `https://${decision.provider}`,
      iat: now,
      nbf: now,
      exp: now + tokenSeconds,
    }
    const { released, faults, authorities } = explainRelease(policy, claims, { now })
    const own = authorities.filter(({ isIssuer }) => isIssuer)
    const why = [
      ...faults.map(({ part, expected, found }) => `the token’s ${part} is expected to be ${expected}, found ${found}`),
      ...(own.length === 0 ? ['the policy does not name its provider'] : own.flatMap((each) => unmet(each.conditions))),
    ]
    return [{ decision, vmId: vmIdOf(decision), released, why: released ? [] : why }]
  })
}

function unmet(condition: ExplainedCondition): string[] {
  if (condition.held) return []
  if (condition.kind !== 'claim') return condition.conditions.flatMap(unmet)
  const { actual, hint } = condition
  const found = actual === undefined ? 'no such claim' : JSON.stringify(actual).slice(0, 200)
  return [`because of ${wordsOf(condition)}: found ${found}${hint === undefined ? '' : `. ${hint}`}`]
}
