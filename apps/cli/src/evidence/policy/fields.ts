import { isDay } from '@strongroom/contract'
import { CliError } from '../../core/cli-error.ts'
import { cannotBeJudged } from '../exit.ts'

/** Reads one value of a policy file; `path` is its location. @throws CliError InvalidPolicy */
export type Reader<T> = (value: unknown, path: string) => T

export function refuse(path: string, expected: string, found: unknown): never {
  throw new CliError({
    code: 'InvalidPolicy',
    message: `${path} is malformed.`,
    exitCode: cannotBeJudged,
    expected,
    found: JSON.stringify(found)?.slice(0, 200) ?? 'nothing',
    remedy: 'See docs/reference/policies.md#the-policy-of-evidence-verify for the form of a policy.',
  })
}

/** Members by name; unknown ones are refused. */
export function object<T extends object>(shape: {
  readonly [K in keyof T]-?: Reader<Exclude<T[K], undefined>>
}): Reader<T> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, 'an object', value)
    const read: Record<string, unknown> = {}
    for (const [name, member] of Object.entries(value)) {
      // A misspelt rule must not be silently ignored.
      if (!Object.hasOwn(shape, name)) refuse(`${path}.${name}`, `one of ${Object.keys(shape).join(', ')}`, name)
      read[name] = shape[name as keyof T](member, `${path}.${name}`)
    }
    return read as T
  }
}

/** Like `object`, with required members. */
export function whole<T extends object>(
  shape: { readonly [K in keyof T]-?: Reader<Exclude<T[K], undefined>> },
  ...needed: readonly (keyof T & string)[]
): Reader<T> {
  const read = object<T>(shape)
  return (value, path) => {
    const found = read(value, path)
    const absent = needed.find((name) => !Object.hasOwn(found, name))
    return absent === undefined ? found : refuse(`${path}.${absent}`, 'a value', undefined)
  }
}

export function list<T>(item: Reader<T>): Reader<T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((each: unknown, index) => item(each, `${path}[${index}]`))
      : refuse(path, 'a list', value)
}

/** `any`, literally, or a value. */
export function orAny<T>(item: Reader<T>): Reader<T | 'any'> {
  return (value, path) => (value === 'any' ? value : item(value, path))
}

export function oneOf<const T extends string>(names: readonly T[]): Reader<T> {
  return (value, path) => names.find((name) => name === value) ?? refuse(path, `one of ${names.join(', ')}`, value)
}

export function number(maximum: number): Reader<number> {
  return (value, path) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= maximum
      ? value
      : refuse(path, `a whole number from 0 to ${maximum}`, value)
}

export const flag: Reader<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : refuse(path, 'true or false', value)

/** @param what description of the text, for display */
export function text(pattern: RegExp, what: string): Reader<string> {
  return (value, path) => (typeof value === 'string' && pattern.test(value) ? value : refuse(path, what, value))
}

/** Hexadecimal of one of these lengths in bytes, in lower case. */
export function hexadecimal(...lengths: readonly number[]): Reader<string> {
  return (value, path) => {
    const lower = typeof value === 'string' ? value.toLowerCase() : ''
    const good = /^[0-9a-f]+$/.test(lower) && lengths.some((length) => lower.length === 2 * length)
    return good ? lower : refuse(path, `${lengths.join(' or ')} bytes in hexadecimal`, value)
  }
}

export function bytes(...lengths: readonly number[]): Reader<Uint8Array> {
  const read = hexadecimal(...lengths)
  return (value, path) => new Uint8Array(Buffer.from(read(value, path), 'hex'))
}

/** Bytes up to a length; at least one. */
export function upToBytes(maximum: number): Reader<Uint8Array> {
  return bytes(...Array.from({ length: maximum }, (_, index) => index + 1))
}

/** Up to 64 bits, such as `0x3001f`. */
export const bits: Reader<bigint> = (value, path) =>
  typeof value === 'string' && /^0x[0-9a-fA-F]{1,16}$/.test(value)
    ? BigInt(value)
    : refuse(path, 'bits as hexadecimal, for example 0x3001f', value)

export const day: Reader<Date> = (value, path) =>
  typeof value === 'string' && isDay(value)
    ? new Date(`${value}T00:00:00Z`)
    : refuse(path, 'a day, for example 2026-03-20', value)

/** Members of any name whose values are texts, numbers or flags. */
export const scalars: Reader<Record<string, string | number | boolean>> = (value, path) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, 'an object', value)
  for (const [name, each] of Object.entries(value)) {
    if (!['string', 'number', 'boolean'].includes(typeof each))
      refuse(`${path}.${name}`, 'a text, a number, true or false', each)
  }
  return value as Record<string, string | number | boolean>
}
