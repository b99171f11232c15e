import { isDay } from '@strongroom/contract'
import { TemplateError } from './template-error.ts'

const pad = (value: number, digits: number): string => String(value).padStart(digits, '0')

/** A time in .NET's custom format; by default in ISO 8601 basic form, like utcNow. */
export function formatTime(at: Date, format: string = 'yyyyMMddTHHmmssZ'): string {
  const standard: Record<string, string> = {
    d: 'MM/dd/yyyy',
    u: 'yyyy-MM-dd HH:mm:ssZ',
    s: 'yyyy-MM-ddTHH:mm:ss',
    o: 'yyyy-MM-ddTHH:mm:ss.fffZ',
  }
  const parts: Record<string, string> = {
    yyyy: pad(at.getUTCFullYear(), 4),
    yy: pad(at.getUTCFullYear() % 100, 2),
    MM: pad(at.getUTCMonth() + 1, 2),
    M: String(at.getUTCMonth() + 1),
    dd: pad(at.getUTCDate(), 2),
    d: String(at.getUTCDate()),
    HH: pad(at.getUTCHours(), 2),
    H: String(at.getUTCHours()),
    mm: pad(at.getUTCMinutes(), 2),
    ss: pad(at.getUTCSeconds(), 2),
    fff: pad(at.getUTCMilliseconds(), 3),
  }
  return (standard[format] ?? format).replaceAll(
    /yyyy|yy|MM|M|dd|d|HH|H|mm|ss|fff/g,
    (letters) => parts[letters] ?? letters,
  )
}

/** Milliseconds since 1970; NaN for what is not a date, also for a day that a month lacks. */
export function instantOf(text: string): number {
  const [day] = /^\d{4}-\d\d-\d\d/.exec(text) ?? []
  return day === undefined || isDay(day) ? Date.parse(text) : Number.NaN
}

/** Adds an ISO 8601 duration such as P3Y, -P9D or PT1H. @throws TemplateError */
export function dateTimeAdd(base: string, duration: string, format: string | undefined): string {
  const compact = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(base)
  const iso = compact === null ? base : `${compact.slice(1, 4).join('-')}T${compact.slice(4, 7).join(':')}Z`
  const at = new Date(instantOf(iso))
  const match = /^(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(
    duration,
  )
  if (Number.isNaN(at.getTime()) || match === null) {
    throw new TemplateError("The template function 'dateTimeAdd' expects a date and an ISO 8601 duration", {
      found: `${base.slice(0, 40)}, ${duration.slice(0, 40)}`,
    })
  }
  const sign = match[1] === undefined ? 1 : -1
  const [years, months, weeks, days, hours, minutes, seconds] = match.slice(2).map((each) => sign * Number(each ?? 0))
  at.setUTCFullYear(at.getUTCFullYear() + years!, at.getUTCMonth() + months!, at.getUTCDate() + 7 * weeks! + days!)
  at.setTime(at.getTime() + ((hours! * 60 + minutes!) * 60 + seconds!) * 1000)
  if (Number.isNaN(at.getTime())) throw new TemplateError("The result of 'dateTimeAdd' is not a date")
  return formatTime(at, format ?? (compact === null ? 'yyyy-MM-ddTHH:mm:ssZ' : undefined))
}
