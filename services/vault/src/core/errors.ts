import { ServiceError } from '@strongroom/platform'

/** Key Vault reports every fault in a request's content with this code. */
export function badParameter(
  message: string,
  o: { target?: string; expected?: string; found?: string; remedy?: string } = {},
): ServiceError {
  return new ServiceError({
    code: 'BadParameter',
    message,
    ...o,
    remedy: o.remedy ?? 'Correct the request, then repeat it.',
  })
}

/** Shows caller input in an error text: short, and without control characters. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : written(value)
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?')
  return printable.length > 120 ? `${printable.slice(0, 117)}...` : printable
}

/** A value nested too deep to serialise is named by its kind: parsing needed no stack, serialising would. */
export function written(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'undefined'
  } catch {
    return Array.isArray(value) ? 'a list' : typeof value
  }
}
