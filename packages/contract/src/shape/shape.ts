/** JSON Schema 2020-12, which OpenAPI 3.1 uses. `title` is the name under which a description of a wire lists it. */
export type JsonSchema = { readonly [keyword: string]: unknown }

/** What is wrong with one member. */
export interface Fault {
  code: 'InvalidField' | 'UnknownField'
  /** Where, as a path such as `disks[0].lun`; `body` for the whole. */
  target: string
  expected: string
  /** What was there, without its content: a text may be a secret. */
  found: string
}

/**
 * One statement of what a wire carries: its TypeScript type (`TypeOf`), the check of a value, and the JSON Schema of the
 * reference, which accepts the same JSON values as the check.
 */
export interface Shape<T> {
  readonly schema: JsonSchema
  /** What is expected, as told to a caller that sent something else. */
  readonly expected: string
  /** Adds what is wrong with a value to `faults`. `value` is undefined where the member is absent. */
  check(value: unknown, path: string, faults: Fault[]): void
  /** Carries the type; never there. */
  readonly of?: T
}

/** The TypeScript type of what a shape accepts. */
export type TypeOf<S> = S extends Shape<infer T> ? T : never

/** Everything that is wrong with a value: members of another form first, then those that the shape does not have. */
export function faultsOf(shape: Shape<unknown>, value: unknown): Fault[] {
  const faults: Fault[] = []
  shape.check(value, '', faults)
  return [
    ...faults.filter(({ code }) => code === 'InvalidField'),
    ...faults.filter(({ code }) => code === 'UnknownField'),
  ]
}

export const has = <T>(shape: Shape<T>, value: unknown): value is T => faultsOf(shape, value).length === 0

/** Long enough for every member that a shape names; a caller's own names can be any length. */
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

/** A shape of which one question tells whether a value has it. */
export const shapeOf = <T>(schema: JsonSchema, expected: string, is: (value: unknown) => boolean): Shape<T> => ({
  schema,
  expected,
  check: (value, path, faults) => {
    if (!is(value)) faults.push(fault('InvalidField', path, expected, value))
  },
})

/** The same shape under a name, by which the reference lists it. */
export const named = <T>(name: string, shape: Shape<T>): Shape<T> => ({
  ...shape,
  schema: { title: name, ...shape.schema },
})
