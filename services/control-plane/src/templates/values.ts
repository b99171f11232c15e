import { createHash } from 'node:crypto'
import { TemplateError } from './template-error.ts'

/** Anything that JSON can hold. */
export type Value = unknown
export type Obj = Record<string, Value>

/** About what a value takes in characters, and its nesting depth: shared parts count each time they occur. */
interface Measure {
  weight: number
  depth: number
}

/** What a value, and a member of an object, count besides their texts: functions take as long for one as for some characters. */
const [perValue, perMember] = [12, 48]
/** Of a part of a template: the body that it comes in is half as long. */
const weightLimit = 8 * 1024 * 1024
/**
 * Of what a function is given or returns: the files that Bicep loads have a million characters. No function holds the
 * thread for long over so much (attack W22).
 */
export const resultLimit: number = 1_572_864
const nestingLimit = 100
/** Lighter values are measured again each time: a table of all of them would be larger than they are. */
const remembered = 256
const measured = new WeakMap<object, Measure>()

function measure(value: Value): Measure {
  if (typeof value === 'string') return { weight: perValue + value.length, depth: 0 }
  if (typeof value !== 'object' || value === null) return { weight: perValue, depth: 0 }
  const known = measured.get(value)
  if (known !== undefined) return known
  let [weight, depth] = [perValue, 0]
  const add = (member: Value): void => {
    const inner = measure(member)
    weight += inner.weight
    depth = Math.max(depth, inner.depth)
  }
  if (Array.isArray(value)) for (const item of value) add(item)
  else
    for (const name in value) {
      weight += perMember + name.length
      add((value as Obj)[name])
    }
  const result = { weight, depth: depth + 1 }
  if (weight > remembered) measured.set(value, result)
  return result
}

/** About what a value takes in characters. */
export const weightOf = (value: Value): number => measure(value).weight

/** Checks a value's size: a few variables that double each other exceed any memory. */
export function assertBounded<T>(value: T, most: number = weightLimit): T {
  const { weight, depth } = measure(value)
  if (weight <= most && depth <= nestingLimit) return value
  throw new TemplateError('A value in the template is too large', {
    expected: `at most ${most} characters and ${nestingLimit} levels`,
    found: `${weight} characters, ${depth} levels`,
  })
}

export const isObject = (value: Value): value is Obj =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const typeName = (value: Value): string => {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'number' ? 'int' : typeof value === 'boolean' ? 'bool' : typeof value
}

/** A member by name in any case, an exact match first; own members only. */
export function memberOf(object: Obj, name: string): { value: Value } | undefined {
  if (Object.hasOwn(object, name)) return { value: object[name] }
  const lower = name.toLowerCase()
  const key = Object.keys(object).find((each) => each.toLowerCase() === lower)
  return key === undefined ? undefined : { value: object[key] }
}

export function equal(a: Value, b: Value): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i]))
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a)
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]))
  }
  return (a ?? null) === (b ?? null)
}

/** The same text for equal values only. */
export const identityOf = (value: Value): string => JSON.stringify(inNameOrder(value))

function inNameOrder(value: Value): Value {
  if (Array.isArray(value)) return value.map(inNameOrder)
  if (!isObject(value)) return value ?? null
  const members = Object.keys(value).toSorted()
  return Object.fromEntries(members.map((name) => [name, inNameOrder(value[name])]))
}

/** The text of a value, as in string() and concat(). */
export function textOf(value: Value): string {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return ''
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return typeof value === 'number' ? String(value) : JSON.stringify(value)
}

/**
 * The members of all objects, later ones over earlier ones, nested objects merged as well; a safe copy, whatever the
 * names. Each member is looked at once, however many objects there are (attack W22).
 */
export function merge(objects: readonly Obj[]): Obj {
  const result = new Map<string, Value>()
  const nested = new Map<string, Obj[]>()
  for (const object of objects)
    for (const [name, value] of Object.entries(object)) {
      const before = result.get(name)
      const merged = nested.get(name)
      if (!isObject(before) || !isObject(value)) nested.delete(name)
      else if (merged === undefined) nested.set(name, [before, value])
      else merged.push(value)
      result.set(name, value)
    }
  for (const [name, values] of nested) result.set(name, merge(values))
  return Object.fromEntries(result)
}

/** RFC 4122 version 5 in the namespace of ARM's guid(): the same texts give the same id as in Azure. */
export function nameGuid(texts: string[]): string {
  const namespace = Buffer.from('11fb06fb712d4ddd98c7e71bbd588830', 'hex')
  const hash = createHash('sha1').update(namespace).update(texts.join('-'), 'utf8').digest().subarray(0, 16)
  hash[6] = (hash[6]! & 0x0f) | 0x50
  hash[8] = (hash[8]! & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** 13 letters and digits derived from the texts. Azure's function differs, and so do its results. */
export function uniqueText(texts: string[]): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  const hash = createHash('sha256').update(texts.join('-'), 'utf8').digest()
  return Array.from({ length: 13 }, (_, index) => alphabet[hash[index]! & 31]).join('')
}

/**
 * The part of .NET's composite format that templates use: {0}, {1,5}, {0:D3}, {0:X}, {{ and }}.
 * @param assertLength called with the length so far
 */
export function formatText(pattern: string, args: Value[], assertLength: (length: number) => void): string {
  let length = pattern.length
  const counted = (text: string): string => {
    length += text.length
    assertLength(length)
    return text
  }
  return pattern.replaceAll(
    /\{\{|\}\}|\{(\d+)(?:,(-?\d+))?(?::([^}]*))?\}/g,
    (whole, index?: string, width?: string, style?: string) => {
      if (whole === '{{') return '{'
      if (whole === '}}') return '}'
      if (Number(index) >= args.length)
        throw new TemplateError(`The template function 'format' has no argument ${index}`)
      const text = styled(args[Number(index)], style ?? '')
      const least = Math.min(Math.abs(Number(width ?? 0)), 1_000)
      return counted(Number(width ?? 0) < 0 ? text.padEnd(least) : text.padStart(least))
    },
  )
}

function styled(value: Value, style: string): string {
  const match = /^([DXN])(\d{0,2})$/i.exec(style)
  if (typeof value !== 'number' || match === null) return textOf(value)
  const kind = match[1]!
  const digits = Number(match[2] === '' ? 0 : match[2])
  if (kind.toLowerCase() === 'n') {
    // .NET's N has two decimals by default, and none for 0.
    const decimals = match[2] === '' ? 2 : digits
    return value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
  }
  const text = kind.toLowerCase() === 'x' ? Math.abs(value).toString(16) : String(Math.abs(value))
  const cased = kind === 'X' ? text.toUpperCase() : text
  return (value < 0 ? '-' : '') + cased.padStart(digits, '0')
}
