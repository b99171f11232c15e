import { JmesPathError } from './syntax.ts'

/** Told of work as it is done; throws when the caller has had enough. */
export type Charge = (cost: number) => void

const depthLimit = 200

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** JMESPath's truth: false, null, and empty strings, lists and objects are false; 0 is true. */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false
  if (Array.isArray(value)) return value.length > 0
  return !isObject(value) || Object.keys(value).length > 0
}

export function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** Deep equality without conversion. */
export function sameJson(left: unknown, right: unknown, charge: Charge): boolean {
  charge(1)
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((value, index) => sameJson(value, right[index], charge))
  if (isObject(left) && isObject(right)) {
    const names = Object.keys(left)
    return (
      names.length === Object.keys(right).length &&
      names.every((name) => Object.hasOwn(right, name) && sameJson(left[name], right[name], charge))
    )
  }
  return (left ?? null) === (right ?? null)
}

/**
 * JSON text. A query can make a small value that prints as a huge one, by naming the same part over and over, so its size
 * is charged before it is printed.
 */
export function printJson(value: unknown, charge: Charge): string {
  weigh(value, charge, 0)
  return JSON.stringify(value ?? null)
}

function weigh(value: unknown, charge: Charge, depth: number): void {
  if (depth > depthLimit) throw new JmesPathError(`the result is nested more than ${depthLimit} deep`)
  charge(typeof value === 'string' ? 1 + Math.ceil(value.length / 64) : 1)
  if (Array.isArray(value)) for (const item of value) weigh(item, charge, depth + 1)
  else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) {
      charge(Math.ceil(name.length / 64))
      weigh(item, charge, depth + 1)
    }
  }
}
