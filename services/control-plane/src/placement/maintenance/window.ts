import { parseTime } from '@strongroom/contract'
import type { Fields } from '../../arm/fields.ts'

/** When planned maintenance may begin, as an owner writes it. Times are UTC. */
export interface MaintenanceWindow {
  /** For example 2026-12-01 22:00. */
  startDateTime: string
  expirationDateTime?: string
  /** HH:mm */
  duration: string
  timeZone: 'UTC'
  /** For example Day, 3Days, 2Weeks, Week Saturday,Sunday. */
  recurEvery: string
}

const minute = 60_000
const day = 24 * 60 * minute
/** Azure's limits for hosts, in minutes and days. */
const [leastMinutes, mostDays] = [120, 35]
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const

/** Undefined for an invalid text. */
const timeOf = (text: string): number | undefined => {
  if (!/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$/.test(text)) return undefined
  return parseTime(text.replace(' ', 'T'), { utc: true })?.getTime()
}

/** Of HH:mm. */
function minutesOf(text: string): number | undefined {
  const [, hours, minutes] = /^(\d{2}):([0-5]\d)$/.exec(text) ?? []
  return hours === undefined ? undefined : Number(hours) * 60 + Number(minutes)
}

interface Recurrence {
  every: number
  /** Of the week, 0 for Sunday; absent for days. */
  on?: number[]
}

/** @param start whose weekday counts if a weekly recurrence names none */
function recurrenceOf(text: string, start: number): Recurrence | undefined {
  const [, count, unit = '', names] =
    /^(\d{1,2})?(Day|Week)s?(?: ([A-Za-z]+(?:,[A-Za-z]+)*))?$/i.exec(text.trim()) ?? []
  const every = Number(count ?? 1)
  const isWeekly = unit.toLowerCase() === 'week'
  if (unit === '' || every < 1 || every * (isWeekly ? 7 : 1) > mostDays) return undefined
  if (!isWeekly) return names === undefined ? { every } : undefined
  const on = names?.split(',').map((name) => weekdays.findIndex((each) => each.toLowerCase() === name.toLowerCase()))
  if (on?.includes(-1) === true) return undefined
  return { every, on: on ?? [new Date(start).getUTCDay()] }
}

/** The window of a request; its problems are in its fields. */
export function readWindow(properties: Fields): MaintenanceWindow | undefined {
  const fields = properties.object('maintenanceWindow')
  if (!fields.present) return undefined
  const [startDateTime, expirationDateTime] = [fields.text('startDateTime') ?? '', fields.text('expirationDateTime')]
  const [duration, recurEvery] = [fields.text('duration') ?? '02:00', fields.text('recurEvery') ?? '']
  const start = timeOf(startDateTime)
  const wrong = (name: string, expected: string, found: string): void =>
    fields.invalid(fields.at(name), `'${found.slice(0, 60)}' is not a valid ${name} of a maintenance window.`, {
      expected,
      found: found.slice(0, 60),
    })
  if (start === undefined) wrong('startDateTime', 'YYYY-MM-DD hh:mm', startDateTime)
  const end = expirationDateTime === undefined ? undefined : timeOf(expirationDateTime)
  if (expirationDateTime !== undefined && (end === undefined || end <= (start ?? 0)))
    wrong('expirationDateTime', 'YYYY-MM-DD hh:mm, after startDateTime', expirationDateTime)
  const minutes = minutesOf(duration)
  if (minutes === undefined || minutes < leastMinutes || minutes >= 24 * 60)
    wrong('duration', 'HH:mm, from 02:00 to 23:59', duration)
  if (recurrenceOf(recurEvery, start ?? 0) === undefined)
    wrong(
      'recurEvery',
      `such as Day, 3Days, 2Weeks or "Week Saturday,Sunday", at most every ${mostDays} days`,
      recurEvery,
    )
  const timeZone = fields.text('timeZone') ?? ''
  if (timeZone.toUpperCase() !== 'UTC') wrong('timeZone', 'UTC', timeZone)
  return {
    startDateTime,
    ...(expirationDateTime !== undefined && { expirationDateTime }),
    duration,
    timeZone: 'UTC',
    recurEvery,
  }
}

/**
 * The earliest time from `at` on that lies in the window: `at` itself while it is open. Once the window has expired
 * every time does.
 */
export function openingOf(window: MaintenanceWindow, at: Date): Date {
  const start = timeOf(window.startDateTime)
  const recurrence = start === undefined ? undefined : recurrenceOf(window.recurEvery, start)
  if (start === undefined || recurrence === undefined) throw new TypeError('a window is read before it is kept')
  const length = (minutesOf(window.duration) ?? 0) * minute
  const end = window.expirationDateTime === undefined ? undefined : timeOf(window.expirationDateTime)
  const first = Math.max(0, Math.floor((at.getTime() - start) / day) - 1)
  // Each recurs within 35 days, so one of the following does.
  for (let index = first; index <= first + 2 * mostDays + 1; index++) {
    const opens = start + index * day
    if (end !== undefined && opens >= end) break
    if (opens + length > at.getTime() && occurs(recurrence, start, index))
      return new Date(Math.max(opens, at.getTime()))
  }
  return at
}

/** Whether a window opens that many days after its start. Weeks begin on Monday. */
function occurs({ every, on }: Recurrence, start: number, index: number): boolean {
  if (on === undefined) return index % every === 0
  const sinceMonday = (new Date(start).getUTCDay() + 6) % 7
  const week = Math.floor((sinceMonday + index) / 7)
  return week % every === 0 && on.includes(new Date(start + index * day).getUTCDay())
}
