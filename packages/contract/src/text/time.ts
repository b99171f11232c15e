/**
 * Whether a day such as 2026-02-28 exists: Date takes a day that a month lacks as one of the next month.
 * @example
 * import { isDay } from '@strongroom/contract'
 *
 * isDay('2024-02-29') // => true
 * isDay('2026-02-30') // => false
 */
export function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.slice(0, 10) === text
}

const form = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/

/**
 * A day, which begins in UTC, or a time of ISO 8601, as users write them. Undefined for any other text, a day that does
 * not exist, and a time without a zone.
 * @param o.utc a time without a zone is UTC
 * @example
 * import { parseTime } from '@strongroom/contract'
 *
 * parseTime('2026-03-20')?.toISOString() // => '2026-03-20T00:00:00.000Z'
 * parseTime('2026-03-20T02:00:00+02:00')?.toISOString() // => '2026-03-20T00:00:00.000Z'
 * parseTime('2026-02-30') // => undefined
 */
export function parseTime(text: string, o: { utc?: boolean } = {}): Date | undefined {
  const [, day = '', time, zone] = form.exec(text) ?? []
  if (!isDay(day) || (time !== undefined && zone === undefined && o.utc !== true)) return undefined
  const found = new Date(time === undefined || zone !== undefined ? text : `${text}Z`)
  return Number.isNaN(found.getTime()) || found.getUTCFullYear() < 1 ? undefined : found
}
