import { shapeOf, type Shape } from './shape.ts'

const isText = (value: unknown): value is string => typeof value === 'string'

/** JSON Schema counts code points: a text has at most as many as UTF-16 code units, and at least half. */
const isUpTo = (value: string, most: number): boolean =>
  value.length <= most || (value.length <= 2 * most && Array.from(value).length <= most)

/** @param pattern of the whole text, without flags: its source becomes part of the reference */
export const text = (pattern: RegExp, expected: string): Shape<string> =>
  shapeOf(
    { type: 'string', pattern: pattern.source, description: expected },
    expected,
    (value) => isText(value) && pattern.test(value),
  )

/** A text of at most this many characters, matching the pattern if given. */
export const upTo = (
  most: number,
  expected: string = `a text of at most ${most} characters`,
  pattern?: RegExp,
): Shape<string> =>
  shapeOf(
    { type: 'string', maxLength: most, ...(pattern && { pattern: pattern.source }), description: expected },
    expected,
    (value) => isText(value) && isUpTo(value, most) && pattern?.test(value) !== false,
  )

export const anyText: Shape<string> = shapeOf({ type: 'string' }, 'a text', isText)

export const oneOf = <const T extends string>(...values: readonly T[]): Shape<T> =>
  shapeOf({ type: 'string', enum: values }, values.join(' or '), (value) => values.some((each) => each === value))

export const exactly = <const T extends string | number | boolean>(
  only: T,
  expected: string = String(only),
): Shape<T> => shapeOf({ const: only }, expected, (value) => value === only)

export const integer = (least: number, most: number): Shape<number> =>
  shapeOf(
    { type: 'integer', minimum: least, maximum: most },
    `a whole number from ${least} to ${most}`,
    (value) => typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most,
  )

/** A number of things, bytes or seconds. */
export const count: Shape<number> = integer(0, Number.MAX_SAFE_INTEGER)

export const number: Shape<number> = shapeOf({ type: 'number' }, 'a number', (value) => Number.isFinite(value))

export const flag: Shape<boolean> = shapeOf({ type: 'boolean' }, 'true or false', (value) => typeof value === 'boolean')

/** An optional member that is always absent. */
export const nothing = (expected: string): Shape<never> =>
  shapeOf({ not: {}, description: expected }, expected, () => false)

/** An object whose members are described elsewhere. */
export const anyObject: Shape<Record<string, unknown>> = shapeOf(
  { type: 'object' },
  'an object',
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)
