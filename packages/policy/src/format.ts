import type { Action, Condition, Expression, Policy, Rule } from './syntax.ts'

/** Prints a policy in one canonical layout; `parsePolicy` of the result gives the same policy back (positions apart). */
export function formatPolicy(policy: Policy): string {
  const segments = [
    `version=${policy.version};`,
    ...(policy.configurationRules === undefined ? [] : [segment('configurationrules', policy.configurationRules)]),
    segment('authorizationrules', policy.authorizationRules),
    ...(policy.issuanceRules === undefined ? [] : [segment('issuancerules', policy.issuanceRules)]),
  ]
  return `${segments.join('\n\n')}\n`
}

function segment(name: string, rules: Rule[]): string {
  return `${name}\n{\n${rules.map((rule) => `  ${formatRule(rule)}\n`).join('')}};`
}

/** One rule in one line, as errors and explanations quote it. */
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
      return typeof expression.value === 'string' ? formatString(expression.value) : String(expression.value)
    case 'property':
      return `${expression.id}.${expression.property}`
    case 'call':
      return `${expression.name}(${expression.arguments.map(formatExpression).join(', ')})`
  }
}

function formatString(text: string): string {
  // JSON's escapes \b and \f are not in the policy language. Escapes are taken whole: \\b is a backslash and a b.
  return JSON.stringify(text).replaceAll(/\\[^]/g, (escape) => {
    if (escape === '\\b') return '\\u0008'
    return escape === '\\f' ? '\\u000c' : escape
  })
}
