import type { Action, ClaimValue, CommentPlace, Condition, Expression, Policy, Rule, Segment } from './syntax.ts'

const lineWidth = 120

/**
 * Prints a policy in one canonical layout, comments included; `parsePolicy` of the result gives the same policy (except
 * for positions, and comments inside a rule move in front of it).
 * @example
 * import { formatPolicy, parsePolicy } from '@strongroom/policy'
 *
 * const text = 'version=1.0;authorizationrules{=>permit();};issuancerules{};'
 * formatPolicy(parsePolicy(text)).split('\n').slice(2, 6) // => ['authorizationrules', '{', '  => permit();', '};']
 */
export function formatPolicy(policy: Policy): string {
  const { comments = {} } = policy
  const before = (place: CommentPlace): string => lines(comments[place], '')
  const segment = (name: Segment, rules: Rule[] | undefined): string[] => {
    if (rules === undefined) return []
    const body = rules.map((rule) => `${lines(rule.comments, '  ')}${layOut(rule)}\n`).join('')
    return [`${before(name)}${name}\n{\n${body}${lines(comments[`${name} end`], '  ')}};`]
  }
  const segments = [
    `${before('version')}version=${policy.version};`,
    ...segment('configurationrules', policy.configurationRules),
    ...segment('authorizationrules', policy.authorizationRules),
    ...segment('issuancerules', policy.issuanceRules),
    ...(comments.end === undefined ? [] : [before('end').trimEnd()]),
  ]
  return `${segments.join('\n\n')}\n`
}

const lines = (comments: string[] | undefined, indent: string): string =>
  (comments ?? []).map((text) => `${indent}//${text === '' ? '' : ` ${text}`}\n`).join('')

/** On one line if it fits, else one line per condition and one for the action. */
function layOut(rule: Rule): string {
  const line = `  ${formatRule(rule)}`
  if (line.length <= lineWidth || rule.conditions.length === 0) return line
  return `  ${rule.conditions.map(formatCondition).join(' &&\n  ')}\n    => ${formatAction(rule.action)};`
}

/**
 * One rule on one line, as errors and explanations quote it.
 * @example
 * import { formatRule, parsePolicy } from '@strongroom/policy'
 *
 * const policy = parsePolicy('version=1.0;authorizationrules{c:[type=="tee"]=>add(type="kind",value=c.value);};')
 * policy.authorizationRules.map(formatRule) // => ['c:[type == "tee"] => add(type = "kind", value = c.value);']
 */
export function formatRule(rule: Rule): string {
  const conditions = rule.conditions.map(formatCondition).join(' && ')
  return `${conditions === '' ? '' : `${conditions} `}=> ${formatAction(rule.action)};`
}

export function formatCondition(condition: Condition): string {
  const tests = condition.tests.map(
    ({ property, operator, expression }) => `${property} ${operator} ${formatExpression(expression)}`,
  )
  return `${condition.negated ? '!' : ''}${condition.id === undefined ? '' : `${condition.id}:`}[${tests.join(', ')}]`
}

function formatAction(action: Action): string {
  if ('claim' in action) return `${action.kind}(claim = ${action.claim})`
  if ('properties' in action) {
    const assignments = action.properties.map(
      ({ property, expression }) => `${property} = ${formatExpression(expression)}`,
    )
    return `${action.kind}(${assignments.join(', ')})`
  }
  return `${action.kind}()`
}

export function formatExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'literal':
      return formatValue(expression.value)
    case 'property':
      return `${expression.id}.${expression.property}`
    case 'call':
      return `${expression.name}(${expression.arguments.map(formatExpression).join(', ')})`
  }
}

function formatValue(value: ClaimValue): string {
  // The policy language lacks JSON's escapes \b and \f. Escapes are matched whole: \\b is a backslash and a b.
  return JSON.stringify(value).replaceAll(/\\[^]/g, (escape) => {
    if (escape === '\\b') return '\\u0008'
    return escape === '\\f' ? '\\u000c' : escape
  })
}
