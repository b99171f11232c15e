import { literalType } from './matching.ts'
import { compileQuery } from './query/compile.ts'
import { QueryError } from './query/query-error.ts'
import type { Position } from './policy-error.ts'
import { knownProperties } from './properties.ts'
import { queriesOf } from './queries-of.ts'
import type { Condition, Policy, Rule } from './syntax.ts'

export interface Warning {
  code: 'PermitsEverything' | 'NeverPermits' | 'NeverMatches' | 'AnyIssuer' | 'BadQuery' | 'UnknownProperty'

  position: Position
  message: string
}

/**
 * What a policy may state but its author seldom means: policies that permit everything (attack P6), rules that cannot
 * match, checks that the policy itself can satisfy.
 * @example
 * import { lintPolicy, parsePolicy } from '@strongroom/policy'
 *
 * const policy = parsePolicy('version=1.0; authorizationrules { => permit(); }; issuancerules { };')
 * lintPolicy(policy).map(({ code }) => code) // => ['PermitsEverything']
 */
export function lintPolicy(policy: Policy): Warning[] {
  const rules = [...(policy.configurationRules ?? []), ...policy.authorizationRules, ...(policy.issuanceRules ?? [])]
  return [
    ...decisions(policy.authorizationRules),
    ...rules.flatMap(unsatisfiable),
    ...selfMade(policy),
    ...rules.flatMap(queries),
    ...rules.flatMap(properties),
  ].toSorted((a, b) => a.position.line - b.position.line || a.position.column - b.position.column)
}

function decisions(rules: Rule[]): Warning[] {
  const start = { line: 1, column: 1 }
  const permits = rules.filter(({ action }) => action.kind === 'permit')
  const denies = rules.filter(({ action }) => action.kind === 'deny')
  const always = denies.find(({ conditions }) => conditions.length === 0)
  if (always !== undefined)
    return [
      {
        code: 'NeverPermits',
        position: always.position,
        message: 'This deny() has no condition: nothing is ever permitted.',
      },
    ]
  if (permits.length === 0)
    return [
      {
        code: 'NeverPermits',
        position: rules[0]?.position ?? start,
        message: 'No rule permits: nothing is ever permitted.',
      },
    ]
  const open = permits.find(({ conditions }) => conditions.length === 0)
  if (open === undefined) return []
  const message =
    denies.length === 0
      ? 'This permit() has no condition and no rule denies: any genuine evidence gets a token, compliant or not, debuggable or not.'
      : 'This permit() has no condition: evidence gets a token unless a deny() finds the claim that it looks for. A ' +
        'claim that is absent denies nothing.'
  return [{ code: 'PermitsEverything', position: open.position, message }]
}

/** Two tests of one property that no value satisfies together. */
function unsatisfiable(rule: Rule): Warning[] {
  return rule.conditions.flatMap(({ tests, position, negated }): Warning[] => {
    const wanted = new Map<string, unknown>()
    for (const { property, operator, expression } of tests) {
      if (operator !== '==' || expression.kind !== 'literal') continue
      const earlier = wanted.get(property)
      if (earlier !== undefined && earlier !== expression.value) {
        const effect = negated ? 'always holds' : 'never holds'
        const message = `${property} cannot be ${JSON.stringify(earlier)} and ${JSON.stringify(expression.value)}: the condition ${effect}.`
        return [{ code: 'NeverMatches', position, message }]
      }
      wanted.set(property, expression.value)
    }
    return []
  })
}

/** A check of a claim that the policy itself adds, without naming the required issuer. */
function selfMade(policy: Policy): Warning[] {
  const added = new Set(
    policy.authorizationRules.flatMap(({ action }) => {
      const type = 'properties' in action ? action.properties.find(({ property }) => property === 'type') : undefined
      return type?.expression.kind === 'literal' ? [type.expression.value] : []
    }),
  )
  const saysIssuer = (condition: Condition): boolean => condition.tests.some(({ property }) => property === 'issuer')
  return policy.authorizationRules
    .filter(({ action }) => action.kind === 'permit')
    .flatMap(({ conditions }) => conditions)
    .filter((condition) => {
      const type = literalType(condition)
      return type?.startsWith('x-ms-') === true && added.has(type) && !saysIssuer(condition)
    })
    .map((condition) => ({
      code: 'AnyIssuer' as const,
      position: condition.position,
      message: `The policy adds ${literalType(condition)} itself: write issuer=="AttestationService" to mean the service's claim.`,
    }))
}

/** Literal queries that cannot be parsed: the rule would fail at each evaluation. */
function queries(rule: Rule): Warning[] {
  return queriesOf(rule).flatMap(({ text, position }): Warning[] => {
    try {
      compileQuery(text)
      return []
    } catch (error) {
      if (!(error instanceof QueryError)) throw error
      return [{ code: 'BadQuery', position, message: `The JMESPath query cannot be read: ${error.message}.` }]
    }
  })
}

function properties({ action }: Rule): Warning[] {
  if (action.kind !== 'issueproperty' || !('properties' in action)) return []
  const type = action.properties.find(({ property }) => property === 'type')?.expression
  if (type?.kind !== 'literal' || knownProperties.has(String(type.value))) return []
  const message = `${String(type.value)} is not a known property and changes nothing. Known: ${[...knownProperties.keys()].join(', ')}.`
  return [{ code: 'UnknownProperty', position: type.position, message }]
}
