/**
 * An invalid release policy.
 * @example
 * import { readReleasePolicy, ReleasePolicyError } from '@strongroom/release-policy'
 *
 * try {
 *   readReleasePolicy('{"version":"1.0.0","anyOf":[{"authority":"https://a.example","allOf":[{"claim":"tee"}]}]}')
 * } catch (error) {
 *   if (!(error instanceof ReleasePolicyError)) throw error
 *   error.place // => '$.anyOf[0].allOf[0].equals'
 * }
 */
export class ReleasePolicyError extends Error {
  /** Path of the fault, for example `$.anyOf[0].allOf[1].claim`; `$` if the text is not JSON. */
  readonly place: string
  readonly expected: string
  readonly found: string

  constructor(o: { place: string; expected: string; found: string }) {
    super(`The key release policy is invalid at ${o.place}: expected ${o.expected}, found ${o.found}.`)
    this.name = 'ReleasePolicyError'
    this.place = o.place
    this.expected = o.expected
    this.found = o.found
  }
}

/** Shows a policy's value in an error text: short, without control characters. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : written(value)
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?')
  return printable.length > 120 ? `${printable.slice(0, 117)}...` : printable
}

/** A value nested too deep to serialise is named by its kind: parsing needed no stack, serialising would. */
function written(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'undefined'
  } catch {
    return Array.isArray(value) ? 'a list' : typeof value
  }
}
