import { valueTypeOf } from './claim.ts'
import { PolicyError, type Position } from './policy-error.ts'
import { misfit } from './properties.ts'
import { isReservedForService } from './reserved.ts'
import type { Action, ClaimProperty, Expression, PropertyTest } from './syntax.ts'

const valueTypes: readonly unknown[] = ['String', 'Integer', 'Boolean']
const issuers: readonly unknown[] = ['AttestationService', 'AttestationPolicy', 'CustomClaim']

/**
 * Refuses, when the policy is loaded, tests that can never be true or have the wrong type. A rule that silently never
 * matches looks like protection and offers none (attack P3).
 */
export function checkTest(test: PropertyTest, failingRule: string): void {
  const fail = failWith(test.expression.position, failingRule)
  const ordered = test.operator !== '==' && test.operator !== '!='
  if (ordered && test.property !== 'value')
    throw fail(`'${test.operator}' on ${test.property}`, `== or != : only values have an order`)
  if (test.expression.kind !== 'literal') return
  const { value } = test.expression
  if (ordered && typeof value !== 'number') throw fail(JSON.stringify(value), `an integer after '${test.operator}'`)
  checkLiteral(test.property, value, fail)
}

/** Refuses claims without type or value, of a wrong type, or that pretend to come from the service. */
export function checkAction(action: Action, failingRule: string): void {
  if (!('properties' in action)) return
  const fail = failWith(action.position, failingRule)
  const expressionOf = (property: ClaimProperty): Expression | undefined =>
    action.properties.find((assignment) => assignment.property === property)?.expression
  const type = expressionOf('type')
  const value = expressionOf('value')
  if (type === undefined || value === undefined)
    throw fail(`${action.kind} without ${type === undefined ? 'type' : 'value'}`, `both type and value`)
  for (const { property, expression } of action.properties)
    if (expression.kind === 'literal')
      checkLiteral(property, expression.value, failWith(expression.position, failingRule))
  const issuer = expressionOf('issuer')
  if (issuer !== undefined && !(issuer.kind === 'literal' && issuer.value === 'AttestationPolicy'))
    throw fail('another issuer', '"AttestationPolicy": claims that a policy adds are issued by the policy')
  const valueType = expressionOf('valueType')
  if (valueType?.kind === 'literal' && value.kind === 'literal' && valueType.value !== valueTypeOf(value.value))
    throw fail(`a value of type ${valueTypeOf(value.value)}`, `a value of type ${String(valueType.value)}`)
  // A value copied from a claim may be the service's own under its own name, as in published policies.
  if (
    action.kind === 'issue' &&
    type.kind === 'literal' &&
    value.kind === 'literal' &&
    isReservedForService(String(type.value))
  )
    throw fail(JSON.stringify(type.value), 'a custom claim name: this one is reserved for the service')
  if (action.kind === 'issueproperty') checkLiteralProperty(type, value, failingRule)
}

/** A property of the token, or of how evidence is judged, with an invalid value. */
function checkLiteralProperty(type: Expression, value: Expression, failingRule: string): void {
  if (type.kind !== 'literal' || value.kind !== 'literal') return
  const expected = misfit({ type: String(type.value), value: value.value })
  if (expected !== undefined) throw failWith(value.position, failingRule)(JSON.stringify(value.value), expected)
}

function checkLiteral(property: ClaimProperty, value: unknown, fail: Fail): void {
  if (property === 'value') return
  if (typeof value !== 'string') throw fail(JSON.stringify(value), `a string for ${property}`)
  if (property === 'type' && value === '') throw fail('""', 'a claim type that is not empty')
  if (property === 'valueType' && !valueTypes.includes(value)) throw fail(JSON.stringify(value), valueTypes.join(', '))
  if (property === 'issuer' && !issuers.includes(value)) throw fail(JSON.stringify(value), issuers.join(', '))
}

type Fail = (found: string, expected: string) => PolicyError

function failWith(position: Position, failingRule: string): Fail {
  return (found, expected) => new PolicyError({ code: 'PolicyParsingError', position, failingRule, found, expected })
}
