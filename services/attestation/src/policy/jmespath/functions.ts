import { JmesPathError } from './syntax.ts'
import { isObject, printJson, sameJson, typeOf, type Charge } from './values.ts'

/** An expression that a function applies itself. */
export interface Reference {
  apply(item: unknown): unknown
}

type Kind =
  | 'any'
  | 'string'
  | 'number'
  | 'array'
  | 'object'
  | 'reference'
  | 'array|string'
  | 'array|object|string'
  | 'numbers'
  | 'strings'

interface Definition {
  takes: Kind[]
  /** The last kind may repeat. */
  variadic?: boolean
  // oxlint-disable-next-line typescript/no-explicit-any -- `takes` was checked before
  run(args: any[], charge: Charge): unknown
}

type Ordered = number | string

const ascending = (left: Ordered, right: Ordered): number => (left < right ? -1 : left > right ? 1 : 0)

/** One key per item, all numbers or all strings. */
function keysOf(name: string, list: unknown[], by: Reference): Ordered[] {
  const keys = list.map((item) => by.apply(item))
  const kind = keys.length > 0 ? typeof keys[0] : 'number'
  if ((kind !== 'number' && kind !== 'string') || keys.some((key) => typeof key !== kind))
    throw new JmesPathError(`${name}() needs keys that are all numbers or all strings`)
  return keys as Ordered[]
}

function sortBy(name: string, list: unknown[], by: Reference, charge: Charge): unknown[] {
  charge(list.length * Math.ceil(Math.log2(list.length + 2)))
  const keys = keysOf(name, list, by)
  return list
    .map((item, index) => ({ item, key: keys[index]! }))
    .toSorted((left, right) => ascending(left.key, right.key))
    .map(({ item }) => item)
}

const itself: Reference = { apply: (item) => item }
const extreme = (name: string, list: unknown[], by: Reference, charge: Charge, end: 0 | -1): unknown =>
  sortBy(name, list, by, charge).at(end) ?? null

const functions: Record<string, Definition> = {
  abs: { takes: ['number'], run: ([value]) => Math.abs(value) },
  avg: { takes: ['numbers'], run: ([list]) => (list.length === 0 ? null : sum(list) / list.length) },
  ceil: { takes: ['number'], run: ([value]) => Math.ceil(value) },
  contains: {
    takes: ['array|string', 'any'],
    run: ([where, what], charge) =>
      typeof where === 'string'
        ? typeof what === 'string' && where.includes(what)
        : where.some((item: unknown) => sameJson(item, what, charge)),
  },
  ends_with: { takes: ['string', 'string'], run: ([text, end]) => text.endsWith(end) },
  floor: { takes: ['number'], run: ([value]) => Math.floor(value) },
  join: {
    takes: ['string', 'strings'],
    run: ([glue, list]: [string, string[]], charge) => {
      charge(Math.ceil(list.reduce((total, item) => total + item.length + glue.length, 0) / 64))
      return list.join(glue)
    },
  },
  keys: { takes: ['object'], run: ([value]) => Object.keys(value) },
  length: {
    takes: ['array|object|string'],
    run: ([value]) =>
      typeof value === 'string'
        ? Array.from(value).length
        : Array.isArray(value)
          ? value.length
          : Object.keys(value).length,
  },
  map: { takes: ['reference', 'array'], run: ([by, list]) => list.map((item: unknown) => by.apply(item) ?? null) },
  max: { takes: ['array'], run: ([list], charge) => extreme('max', list, itself, charge, -1) },
  max_by: { takes: ['array', 'reference'], run: ([list, by], charge) => extreme('max_by', list, by, charge, -1) },
  merge: {
    takes: ['object'],
    variadic: true,
    run: (objects: Record<string, unknown>[], charge) => {
      const entries = objects.flatMap((object) => Object.entries(object))
      charge(entries.length)
      return Object.fromEntries(entries)
    },
  },
  min: { takes: ['array'], run: ([list], charge) => extreme('min', list, itself, charge, 0) },
  min_by: { takes: ['array', 'reference'], run: ([list, by], charge) => extreme('min_by', list, by, charge, 0) },
  not_null: {
    takes: ['any'],
    variadic: true,
    run: (values) => values.find((value) => value !== null && value !== undefined) ?? null,
  },
  reverse: {
    takes: ['array|string'],
    run: ([value]) =>
      typeof value === 'string'
        ? Array.from(value as string)
            .toReversed()
            .join('')
        : value.toReversed(),
  },
  sort: { takes: ['array'], run: ([list], charge) => sortBy('sort', list, itself, charge) },
  sort_by: { takes: ['array', 'reference'], run: ([list, by], charge) => sortBy('sort_by', list, by, charge) },
  starts_with: { takes: ['string', 'string'], run: ([text, start]) => text.startsWith(start) },
  sum: { takes: ['numbers'], run: ([list]) => sum(list) },
  to_array: { takes: ['any'], run: ([value]) => (Array.isArray(value) ? value : [value]) },
  to_number: { takes: ['any'], run: ([value]) => toNumber(value) },
  to_string: {
    takes: ['any'],
    run: ([value], charge) => (typeof value === 'string' ? value : printJson(value, charge)),
  },
  type: { takes: ['any'], run: ([value]) => typeOf(value) },
  values: { takes: ['object'], run: ([value]) => Object.values(value) },
}

/** @throws JmesPathError for an unknown function, another number of arguments, or arguments of other types */
export function callFunction(name: string, args: unknown[], charge: Charge): unknown {
  const definition = Object.hasOwn(functions, name) ? functions[name] : undefined
  if (definition === undefined) throw new JmesPathError(`there is no function ${name}()`)
  const { takes, variadic = false } = definition
  if (variadic ? args.length < takes.length : args.length !== takes.length)
    throw new JmesPathError(`${name}() takes ${takes.length} arguments and not ${args.length}`)
  for (const [index, argument] of args.entries()) {
    const kind = takes[index] ?? takes.at(-1)!
    charge(weightOf(argument))
    if (!fits(argument, kind))
      throw new JmesPathError(`${name}() takes ${kind} as argument ${index + 1}, and not ${typeOf(argument)}`)
  }
  return definition.run(args, charge)
}

function weightOf(value: unknown): number {
  if (typeof value === 'string') return Math.ceil(value.length / 64)
  return Array.isArray(value) ? value.length : 1
}

function fits(value: unknown, kind: Kind): boolean {
  const reference = isObject(value) && typeof value['apply'] === 'function'
  if (kind === 'reference') return reference
  if (reference) return false
  if (kind === 'any') return true
  if (kind === 'numbers' || kind === 'strings')
    return Array.isArray(value) && value.every((item) => typeof item === (kind === 'numbers' ? 'number' : 'string'))
  return kind.split('|').includes(typeOf(value))
}

const sum = (list: number[]): number => list.reduce((total, value) => total + value, 0)

function toNumber(value: unknown): number | null {
  if (typeof value === 'number') return value
  if (typeof value !== 'string' || !/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return null
  return Number(value)
}
