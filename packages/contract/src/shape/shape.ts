/** JSON Schema 2020-12, which OpenAPI 3.1 uses. `title` is the name under which a wire's description lists it. */
export type JsonSchema = { readonly [keyword: string]: unknown }

/** What is wrong with one member. */
export interface Fault {
  code: 'InvalidField' | 'UnknownField'
  /** Where, as a path such as `disks[0].lun`; `body` for the whole. */
  target: string
  expected: string
  /** What was found, without its content: a text may be a secret. */
  found: string
}

/**
 * One statement of what a wire carries: its TypeScript type (`TypeOf`), the check of a value, and the JSON Schema of
 * the reference, which accepts the same JSON values as the check.
 */
export interface Shape<T> {
  readonly schema: JsonSchema
  /** What is expected, for a caller that sent something else. */
  readonly expected: string
  /** Adds a value's faults to `faults`. `value` is undefined if the member is absent. */
  check(value: unknown, path: string, faults: Fault[]): void
  /** Carries the type; never there. */
  readonly of?: T
}

/** The TypeScript type of what a shape accepts. */
export type TypeOf<S> = S extends Shape<infer T> ? T : never

/** Every fault of a value: malformed members first, then unknown ones. */
export function faultsOf(shape: Shape<unknown>, value: unknown): Fault[] {
  const faults: Fault[] = []
  shape.check(value, '', faults)
  return [
    ...faults.filter(({ code }) => code === 'InvalidField'),
    ...faults.filter(({ code }) => code === 'UnknownField'),
  ]
}

export const has = <T>(shape: Shape<T>, value: unknown): value is T => faultsOf(shape, value).length === 0

/** Long enough for every member that a shape names; a caller's names can have any length. */
const longestTarget = 200

export const fault = (code: Fault['code'], path: string, expected: string, value: unknown): Fault => ({
  code,
  target: path === '' ? 'body' : path.slice(0, longestTarget),
  expected,
  found: kindOf(value),
})

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return `a text of ${value.length} characters`
  return Array.isArray(value) ? `a list of ${value.length}` : 'an object'
}

/** A shape with a single yes-or-no test. */
export const shapeOf = <T>(schema: JsonSchema, expected: string, is: (value: unknown) => boolean): Shape<T> => ({
  schema,
  expected,
  check: (value, path, faults) => {
    if (!is(value)) faults.push(fault('InvalidField', path, expected, value))
  },
})

/** The same shape with a name for the reference. */
export const named = <T>(name: string, shape: Shape<T>): Shape<T> => ({
  ...shape,
  schema: { title: name, ...shape.schema },
})
