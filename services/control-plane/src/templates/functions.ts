import { randomUUID } from 'node:crypto'
import { parseBody } from '../arm/body.ts'
import { dateTimeAdd, formatTime, instantOf } from './dates.ts'
import { networkFunctions } from './networks.ts'
import { TemplateError } from './template-error.ts'
import {
  equal,
  formatText,
  identityOf,
  isObject,
  memberOf,
  merge,
  nameGuid,
  textOf,
  typeName,
  uniqueText,
  type Obj,
  type Value,
} from './values.ts'

/** A function of its evaluated arguments only. */
type Pure = (args: Value[], name: string) => Value

function wrong(name: string, expected: string, value: Value): never {
  throw new TemplateError(
    `The template function '${name}' expects ${expected}, but got a value of type '${typeName(value)}'`,
    {
      expected,
      found: typeName(value),
    },
  )
}

const text = (name: string, value: Value): string =>
  typeof value === 'string' ? value : wrong(name, 'a string', value)
const int = (name: string, value: Value): number =>
  typeof value === 'number' && Number.isInteger(value) ? value : wrong(name, 'an integer', value)
const bool = (name: string, value: Value): boolean => {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string' && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true'
  return wrong(name, 'a boolean', value)
}
const list = (name: string, value: Value): Value[] => (Array.isArray(value) ? value : wrong(name, 'an array', value))
const object = (name: string, value: Value): Obj => (isObject(value) ? value : wrong(name, 'an object', value))

/** Maximum text length or number of items that one function may create: Azure's limit on the result of an expression. */
const sizeLimit = 131_072

/** Called before the result exists: a few arguments can ask for more than memory holds (attack W22). */
function assertLength(name: string, length: number): void {
  if (length <= sizeLimit) return
  throw new TemplateError(`The result of the template function '${name}' is too large`, {
    expected: `at most ${sizeLimit}`,
  })
}

const lengthOf = (values: readonly { length: number }[]): number => values.reduce((sum, { length }) => sum + length, 0)

/** The texts, as one. */
function joined(name: string, texts: readonly string[], separator: string = ''): string {
  assertLength(name, lengthOf(texts) + separator.length * Math.max(0, texts.length - 1))
  return texts.join(separator)
}

function replaced(name: string, [text, found, by]: [string, string, string]): string {
  let count = found === '' ? text.length + 1 : 0
  if (found !== '') for (let at = text.indexOf(found); at >= 0; at = text.indexOf(found, at + found.length)) count += 1
  assertLength(name, text.length + count * (by.length - found.length))
  // A fifth of the memory that replaceAll takes, which splits nothing at an empty text.
  return found === '' ? text.replaceAll(found, () => by) : text.split(found).join(by)
}

const order = (name: string, a: Value, b: Value): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [x, y] = [text(name, a), text(name, b)]
  return x < y ? -1 : x > y ? 1 : 0
}

/** Each separator scans the whole text. */
const mostSigns = 100

/** The first of equal ones. */
function withoutRepeats(items: Value[]): Value[] {
  const first = new Map<string, Value>()
  for (const each of items) {
    const identity = identityOf(each)
    if (!first.has(identity)) first.set(identity, each)
  }
  return [...first.values()]
}

const numbers = (args: Value[], name: string): number[] =>
  (args.length === 1 && Array.isArray(args[0]) ? args[0] : args).map((each) => int(name, each))

const strings: Record<string, Pure> = {
  base64: ([a], n) => Buffer.from(text(n, a), 'utf8').toString('base64'),
  base64tostring: ([a], n) => Buffer.from(text(n, a), 'base64').toString('utf8'),
  base64tojson: ([a], n) => readJson(n, Buffer.from(text(n, a), 'base64').toString('utf8')),
  datauri: ([a], n) => `data:text/plain;charset=utf8;base64,${Buffer.from(text(n, a), 'utf8').toString('base64')}`,
  datauritostring: ([a], n) => {
    const uri = text(n, a)
    const comma = uri.indexOf(',')
    if (!uri.startsWith('data:') || comma === -1) wrong(n, 'a data URI', a)
    const body = uri.slice(comma + 1)
    return uri.slice(0, comma).endsWith(';base64') ? Buffer.from(body, 'base64').toString('utf8') : decode(n, body)
  },
  endswith: ([a, b], n) => text(n, a).toLowerCase().endsWith(text(n, b).toLowerCase()),
  startswith: ([a, b], n) => text(n, a).toLowerCase().startsWith(text(n, b).toLowerCase()),
  format: ([a, ...rest], n) => formatText(text(n, a), rest, (length) => assertLength(n, length)),
  guid: (args, n) => nameGuid(args.map((each) => text(n, each))),
  uniquestring: (args, n) => uniqueText(args.map((each) => text(n, each))),
  newguid: () => randomUUID(),
  indexof: ([a, b], n) =>
    Array.isArray(a)
      ? a.findIndex((each) => equal(each, b))
      : text(n, a).toLowerCase().indexOf(text(n, b).toLowerCase()),
  lastindexof: ([a, b], n) =>
    Array.isArray(a)
      ? a.findLastIndex((each) => equal(each, b))
      : text(n, a).toLowerCase().lastIndexOf(text(n, b).toLowerCase()),
  join: ([a, b], n) => joined(n, list(n, a).map(textOf), text(n, b)),
  padleft: ([a, b, c], n) => textOf(a).padStart(Math.min(int(n, b), sizeLimit), c === undefined ? ' ' : text(n, c)),
  replace: ([a, b, c], n) => replaced(n, [text(n, a), text(n, b), text(n, c)]),
  split: ([a, b], n) => {
    const signs = Array.isArray(b) ? b.map((each) => text(n, each)) : [text(n, b)]
    if (signs.length > mostSigns) wrong(n, `at most ${mostSigns} delimiters`, b)
    return signs.reduce<string[]>(
      (parts, sign, index) => {
        // Each of the remaining ones looks at every part.
        assertLength(n, parts.length * (signs.length - index))
        return parts.flatMap((part) => part.split(sign, sizeLimit + 1))
      },
      [text(n, a)],
    )
  },
  substring: ([a, b, c], n) => {
    const whole = text(n, a)
    const start = int(n, b)
    const length = c === undefined ? whole.length - start : int(n, c)
    if (start < 0 || length < 0 || start + length > whole.length)
      throw new TemplateError(`The template function 'substring' reaches outside a text of ${whole.length} characters`)
    return whole.slice(start, start + length)
  },
  tolower: ([a], n) => text(n, a).toLowerCase(),
  toupper: ([a], n) => text(n, a).toUpperCase(),
  trim: ([a], n) => text(n, a).trim(),
  uri: ([a, b], n) => {
    try {
      return new URL(text(n, b), text(n, a)).href
    } catch {
      return wrong(n, 'an absolute URI and a relative one', a)
    }
  },
  parseuri: ([a], n) => {
    try {
      const { protocol, hostname, port, pathname, search } = new URL(text(n, a))
      const [scheme, host] = [protocol.replace(/:$/, ''), hostname]
      return { scheme, host, ...(port !== '' && { port: Number(port) }), path: pathname, query: search }
    } catch {
      return wrong(n, 'an absolute URI', a)
    }
  },
  fail: ([a], n) => {
    throw new TemplateError(text(n, a).slice(0, 400), { code: 'TemplateFailed' })
  },
  uricomponent: ([a], n) => encodeURIComponent(text(n, a)),
  uricomponenttostring: ([a], n) => decode(n, text(n, a)),
  string: ([a]) => (typeof a === 'string' ? a : isObject(a) || Array.isArray(a) ? JSON.stringify(a) : textOf(a)),
  utcnow: ([a], n) => formatTime(new Date(), a === undefined ? undefined : text(n, a)),
  datetimeadd: ([a, b, c], n) => dateTimeAdd(text(n, a), text(n, b), c === undefined ? undefined : text(n, c)),
  datetimefromepoch: ([a], n) => formatTime(new Date(int(n, a) * 1000), 'yyyy-MM-ddTHH:mm:ssZ'),
  datetimetoepoch: ([a], n) => {
    const at = instantOf(text(n, a))
    return Number.isNaN(at) ? wrong(n, 'a date', a) : Math.floor(at / 1000)
  },
}

const logic: Record<string, Pure> = {
  true: () => true,
  false: () => false,
  null: () => null,
  bool: ([a], n) => (typeof a === 'number' ? a !== 0 : bool(n, a)),
  not: ([a], n) => !bool(n, a),
  xor: ([a, b], n) => bool(n, a) !== bool(n, b),
  equals: ([a, b]) =>
    typeof a === 'string' && typeof b === 'string' ? a.toLowerCase() === b.toLowerCase() : equal(a, b),
  greater: ([a, b], n) => order(n, a, b) > 0,
  greaterorequals: ([a, b], n) => order(n, a, b) >= 0,
  less: ([a, b], n) => order(n, a, b) < 0,
  lessorequals: ([a, b], n) => order(n, a, b) <= 0,
}

const arithmetic: Record<string, Pure> = {
  add: ([a, b], n) => int(n, a) + int(n, b),
  sub: ([a, b], n) => int(n, a) - int(n, b),
  mul: ([a, b], n) => int(n, a) * int(n, b),
  div: ([a, b], n) => (int(n, b) === 0 ? wrong(n, 'a divisor other than 0', b) : Math.trunc(int(n, a) / int(n, b))),
  mod: ([a, b], n) => (int(n, b) === 0 ? wrong(n, 'a divisor other than 0', b) : int(n, a) % int(n, b)),
  int: ([a], n) =>
    typeof a === 'string' && /^[-+]?\d{1,15}$/.test(a) ? Number(a) : typeof a === 'number' ? Math.trunc(a) : int(n, a),
  float: ([a], n) => (typeof a === 'number' ? a : Number(text(n, a))),
  max: (args, n) => numbers(args, n).reduce((held, each) => Math.max(held, each), -Infinity),
  min: (args, n) => numbers(args, n).reduce((held, each) => Math.min(held, each), Infinity),
}

const collections: Record<string, Pure> = {
  array: ([a]) => (Array.isArray(a) ? a : [a]),
  createarray: (args) => args,
  createobject: (args, n) => {
    const pairs = Array.from(
      { length: Math.floor(args.length / 2) },
      (_, i) => [text(n, args[2 * i]), args[2 * i + 1]] as const,
    )
    return args.length % 2 === 0 ? Object.fromEntries(pairs) : wrong(n, 'names with their values', args.at(-1))
  },
  concat: (args, n) => {
    if (!args.some((each) => Array.isArray(each))) return joined(n, args.map(textOf))
    const lists = args.map((each) => list(n, each))
    assertLength(n, lengthOf(lists))
    return lists.flat()
  },
  contains: ([a, b], n) => {
    if (Array.isArray(a)) return a.some((each) => equal(each, b))
    return isObject(a) ? memberOf(a, text(n, b)) !== undefined : text(n, a).includes(textOf(b))
  },
  empty: ([a], n) => {
    if (a === null || a === undefined) return true
    return (isObject(a) ? Object.keys(a) : Array.isArray(a) ? a : text(n, a)).length === 0
  },
  first: ([a], n) => (Array.isArray(a) ? (a[0] ?? null) : (text(n, a)[0] ?? '')),
  last: ([a], n) => (Array.isArray(a) ? (a.at(-1) ?? null) : (text(n, a).at(-1) ?? '')),
  length: ([a], n) => (isObject(a) ? Object.keys(a) : Array.isArray(a) ? a : text(n, a)).length,
  range: ([a, b], n) => {
    const count = int(n, b)
    if (count < 0 || count > 10_000) wrong(n, 'a count from 0 to 10000', b)
    return Array.from({ length: count }, (_, index) => int(n, a) + index)
  },
  skip: ([a, b], n) => (Array.isArray(a) ? a : text(n, a)).slice(Math.max(0, int(n, b))),
  take: ([a, b], n) => (Array.isArray(a) ? a : text(n, a)).slice(0, Math.max(0, int(n, b))),
  union: (args, n) => {
    if (isObject(args[0])) return merge(args.map((each) => object(n, each)))
    return withoutRepeats(args.flatMap((each) => list(n, each)))
  },
  intersection: ([a, ...rest], n) => {
    if (isObject(a)) {
      const others = rest.map((each) => object(n, each))
      return Object.fromEntries(
        Object.entries(a).filter(([key, value]) =>
          others.every((other) => Object.hasOwn(other, key) && equal(other[key], value)),
        ),
      )
    }
    const others = rest.map((each) => new Set(list(n, each).map(identityOf)))
    return list(n, a).filter((each) => others.every((other) => other.has(identityOf(each))))
  },
  indexfromend: ([a, b], n) => {
    const items = list(n, a)
    const found = itemOf(items, items.length - int(n, b))
    return found === undefined ? wrong(n, `an index from 1 to ${items.length}`, b) : found.value
  },
  tryindexfromend: ([a, b], n) => (Array.isArray(a) ? (itemOf(a, a.length - int(n, b))?.value ?? null) : null),
  distinct: ([a], n) => withoutRepeats(list(n, a)),
  flatten: ([a], n) => list(n, a).flatMap((each) => list(n, each)),
  items: ([a], n) =>
    Object.entries(object(n, a))
      .toSorted(([x], [y]) => (x < y ? -1 : 1))
      .map(([key, value]) => ({ key, value })),
  objectkeys: ([a], n) => Object.keys(object(n, a)),
  shallowmerge: ([a], n) => Object.fromEntries(list(n, a).flatMap((each) => Object.entries(object(n, each)))),
  json: ([a], n) => readJson(n, text(n, a)),
  tryget: ([a, ...path]) => path.reduce<Value>((held, key) => itemOf(held, key)?.value ?? null, a),
  coalesce: (args) => args.find((each) => each !== null && each !== undefined) ?? null,
}

/** The item or member for a key, or undefined. */
export function itemOf(held: Value, key: Value): { value: Value } | undefined {
  if (Array.isArray(held))
    return typeof key === 'number' && key >= 0 && key < held.length ? { value: held[key] as Value } : undefined
  return isObject(held) && typeof key === 'string' ? memberOf(held, key) : undefined
}

function readJson(name: string, source: string): Value {
  // A short text can hold many values.
  if (source.length > sizeLimit) wrong(name, `JSON of at most ${sizeLimit} characters`, source)
  try {
    // Like Azure's parser: single quotes are allowed.
    return parseBody(source, { lenient: true }) ?? null
  } catch {
    return wrong(name, 'JSON', source)
  }
}

function decode(name: string, source: string): string {
  try {
    return decodeURIComponent(source)
  } catch {
    return wrong(name, 'an encoded text', source)
  }
}

export const pureFunctions: ReadonlyMap<string, Pure> = new Map(
  Object.entries({ ...strings, ...logic, ...arithmetic, ...collections, ...networkFunctions }),
)
