import { literalType } from './matching.ts'
import { queriesOf } from './queries-of.ts'
import { compileQuery } from './query/compile.ts'
import { QueryError } from './query/query-error.ts'
import type { Policy, Rule } from './syntax.ts'

/**
 * Whether an authorization rule examines a claim: by its type in a condition or, for a member of a claim (`within`), by
 * its name in a literal query of a rule about that claim. A policy that permits everything, or examines another member,
 * has not accepted this claim (attacks S2, S8, W8).
 * @example
 * import { looksAt, parsePolicy } from '@strongroom/policy'
 *
 * // Does the policy decide anything by the guest's debug state?
 * const policy = parsePolicy('version=1.0; authorizationrules { [type=="secureboot", value==true] => permit(); };')
 * looksAt(policy, { claim: 'secureboot' }) // => true
 * looksAt(policy, { claim: 'x-ms-sevsnpvm-is-debuggable' }) // => false
 */
export function looksAt(policy: Policy, { claim, within }: { claim: string; within?: string | undefined }): boolean {
  const about = (type: string): Rule[] =>
    policy.authorizationRules.filter(({ conditions }) => conditions.some((each) => literalType(each) === type))
  if (within === undefined) return about(claim).length > 0
  return about(within).some((rule) => queriesOf(rule).some(({ text }) => namesMember(text, claim)))
}

function namesMember(query: string, member: string): boolean {
  try {
    return hasField(compileQuery(query), member)
  } catch (error) {
    if (error instanceof QueryError) return false
    throw error
  }
}

/** Literals in a query name nothing: they are compared or returned. */
function hasField(node: unknown, name: string): boolean {
  if (typeof node !== 'object' || node === null) return false
  const { type, name: field } = node as { type?: string; name?: unknown }
  if (type === 'Literal') return false
  if (type === 'Field') return field === name
  return Object.values(node).some((child) => hasField(child, name))
}
