import { exactly } from './scalars.ts'
import { fault, shapeOf, type Fault, type Shape, type TypeOf } from './shape.ts'

/** A member that may be absent. */
export interface Optional<T> {
  readonly optional: Shape<T>
}

export const optional = <T>(shape: Shape<T>): Optional<T> => ({ optional: shape })

/** Members of an object by name. */
export interface Members {
  readonly [name: string]: Shape<unknown> | Optional<unknown>
}

type Flat<T> = { [Name in keyof T]: T[Name] }

/** The type of an object with these members. */
export type ObjectOf<M> = Flat<
  { -readonly [Name in keyof M as M[Name] extends Optional<unknown> ? never : Name]: TypeOf<M[Name]> } & {
    -readonly [Name in keyof M as M[Name] extends Optional<unknown> ? Name : never]?: M[Name] extends Optional<infer T>
      ? T
      : never
  }
>

const memberOf = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An object with exactly these members. If it is absent, each required member is a fault, so that one answer names everything missing. */
export function object<const M extends Members>(members: M): Shape<ObjectOf<M>> {
  const all = Object.entries<Shape<unknown> | Optional<unknown>>(members).map(([name, member]) =>
    'optional' in member
      ? { name, shape: member.optional, mayBeAbsent: true }
      : { name, shape: member, mayBeAbsent: false },
  )
  const names = new Set(all.map(({ name }) => name))
  const required = all.filter(({ mayBeAbsent }) => !mayBeAbsent).map(({ name }) => name)
  const expected = 'an object'
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(all.map(({ name, shape }) => [name, shape.schema])),
      ...(required.length > 0 && { required }),
      additionalProperties: false,
    },
    expected,
    check: (value, path, faults) => {
      if (!isObject(value) && (value !== undefined || required.length === 0))
        faults.push(fault('InvalidField', path, expected, value))
      if (value !== undefined && !isObject(value)) return
      const given = value ?? {}
      for (const { name, shape, mayBeAbsent } of all) {
        const member = Object.hasOwn(given, name) ? given[name] : undefined
        if (member !== undefined || !mayBeAbsent) shape.check(member, memberOf(path, name), faults)
      }
      for (const name of Object.keys(given))
        if (!names.has(name))
          faults.push(fault('UnknownField', memberOf(path, name), 'no member of this name', given[name]))
    },
  }
}

/** A list whose items are checked one by one, as `path[0]` and so on. */
export function list<T>(item: Shape<T>, o: { least?: number; most?: number } = {}): Shape<T[]> {
  const { least = 0, most = Number.MAX_SAFE_INTEGER } = o
  const isBounded = o.most !== undefined
  const expected = isBounded
    ? `a list of ${least > 0 ? `${least} to` : 'at most'} ${most}`
    : least > 0
      ? `a list of at least ${least}`
      : 'a list'
  return {
    schema: {
      type: 'array',
      items: item.schema,
      ...(least > 0 && { minItems: least }),
      ...(isBounded && { maxItems: most }),
    },
    expected,
    check: (value, path, faults) => {
      if (Array.isArray(value) && value.length >= least && value.length <= most)
        value.forEach((each: unknown, index) => item.check(each, `${path}[${index}]`, faults))
      else faults.push(fault('InvalidField', path, expected, value))
    },
  }
}

/** An object whose members have one shape, under any name. */
export function map<T>(item: Shape<T>, o: { most?: number } = {}): Shape<Record<string, T>> {
  const { most = Number.MAX_SAFE_INTEGER } = o
  const isBounded = o.most !== undefined
  const expected = isBounded ? `an object of at most ${most} members` : 'an object'
  return {
    schema: { type: 'object', additionalProperties: item.schema, ...(isBounded && { maxProperties: most }) },
    expected,
    check: (value, path, faults) => {
      const members = isObject(value) ? Object.entries(value) : undefined
      if (members === undefined || members.length > most) faults.push(fault('InvalidField', path, expected, value))
      else for (const [name, member] of members) item.check(member, memberOf(path, name), faults)
    },
  }
}

type KindsOf<Tag extends string, Kinds> = {
  [Kind in keyof Kinds]: Flat<{ [Name in Tag]: Kind } & ObjectOf<Kinds[Kind]>>
}[keyof Kinds]

/** An object of one of several kinds, distinguished by the text of one member. */
export function kinds<Tag extends string, const Kinds extends Readonly<Record<string, Members>>>(
  tag: Tag,
  of: Kinds,
): Shape<KindsOf<Tag, Kinds>> {
  const shapes = new Map(
    Object.entries<Members>(of).map(([kind, members]) => [kind, object({ [tag]: exactly(kind), ...members })]),
  )
  const unknown: Shape<unknown> = object({ [tag]: shapeOf({}, [...shapes.keys()].join(' or '), () => false) })
  return chosen([...shapes.values()], (value) => {
    const kind = isObject(value) && Object.hasOwn(value, tag) ? value[tag] : undefined
    return (typeof kind === 'string' ? shapes.get(kind) : undefined) ?? unknownKind(unknown, tag)
  }) as Shape<KindsOf<Tag, Kinds>>
}

/** For an unknown kind, its further members cannot be checked. */
const unknownKind = (shape: Shape<unknown>, tag: string): Shape<unknown> => ({
  ...shape,
  check: (value, path, faults) => {
    const own = isObject(value) && Object.hasOwn(value, tag) ? { [tag]: value[tag] } : {}
    shape.check(isObject(value) ? own : value, path, faults)
  },
})

/**
 * One of several shapes.
 * @param choose the shape for a value, by its own content; the shapes must be mutually exclusive
 */
export const chosen = <const All extends readonly Shape<unknown>[]>(
  all: All,
  choose: (value: unknown) => Shape<unknown>,
): Shape<TypeOf<All[number]>> => ({
  schema: { anyOf: all.map(({ schema }) => schema) },
  expected: 'an object',
  check: (value, path, faults) => choose(value).check(value, path, faults),
})

/** The same shape, with all faults reported as one sentence at its own path. */
export const whole = <T>(shape: Shape<T>, expected: string): Shape<T> => ({
  schema: { ...shape.schema, description: expected },
  expected,
  check: (value, path, faults) => {
    const inner: Fault[] = []
    shape.check(value, path, inner)
    if (inner.length > 0) faults.push(fault('InvalidField', path, expected, value))
  },
})
