import type { Fuel } from '@strongroom/platform'

export type Row = Record<string, unknown>

/** A value as text, JSON values in JSON; reading it costs its length. */
export function textOf(value: unknown, fuel: Fuel): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') {
    fuel.takeText(value.length)
    return value
  }
  fuel.takeJson(value)
  return JSON.stringify(value)
}

export const isEmpty = (value: unknown): boolean => value === null || value === undefined || value === ''

/** JSON values are compared with texts by their text form, like Kusto's dynamic ones. */
export const isSame = (a: unknown, b: unknown, fuel: Fuel): boolean =>
  typeof a === typeof b && typeof a !== 'object' ? a === b : textOf(a, fuel) === textOf(b, fuel)

/** Numbers by value, everything else by text. */
export function compare(a: unknown, b: unknown, fuel: Fuel): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return compareTexts(textOf(a, fuel), textOf(b, fuel))
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** A value whose text is made once, however often a sort compares it. */
export interface SortKey {
  value: unknown
  text: string
}

export const sortKey = (value: unknown, fuel: Fuel): SortKey => ({ value, text: textOf(value, fuel) })

export const compareKeys = (a: SortKey, b: SortKey): number =>
  typeof a.value === 'number' && typeof b.value === 'number' ? a.value - b.value : compareTexts(a.text, b.text)

/** JSON names are matched exactly first, then in any case: clients' spellings differ. */
export function memberOf(of: unknown, key: unknown, fuel: Fuel): unknown {
  if (typeof of !== 'object' || of === null) return null
  if (Array.isArray(of)) return typeof key === 'number' ? (of[key] ?? null) : null
  const name = textOf(key, fuel)
  if (Object.hasOwn(of, name)) return (of as Row)[name]
  const names = Object.keys(of)
  fuel.take(2 * names.length)
  const near = names.find((each) => each.length === name.length && each.toLowerCase() === name.toLowerCase())
  return near === undefined ? null : (of as Row)[near]
}
