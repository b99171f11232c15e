import { evaluateValue, needsResources, type Scope } from './evaluate.ts'
import { isObject, memberOf, type Value } from './values.ts'

/** Expressions that only deployed resources can answer stay unevaluated. */
export async function evaluateKnown(value: Value, scope: Scope): Promise<Value> {
  if (typeof value === 'string' && needsResources(value)) return value
  if (Array.isArray(value)) return await Promise.all(value.map(async (each: Value) => await evaluateKnown(each, scope)))
  if (!isObject(value)) return await evaluateValue(value, scope)
  if (memberOf(value, 'copy') !== undefined) return await evaluateValue(value, scope)
  const pairs = await Promise.all(
    Object.entries(value).map(async ([name, member]) => [name, await evaluateKnown(member, scope)] as const),
  )
  return Object.fromEntries(pairs)
}
