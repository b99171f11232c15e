/** A calendar span: the part of ISO 8601 section 5.5.2.2 that Azure's policies use. */
export interface Duration {
  years: number
  months: number
  days: number
}

const form = /^P(?=\d)(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?$/

/** Undefined if the text is not a duration of years, months and days, or is empty. */
export function parseDuration(text: string): Duration | undefined {
  const match = form.exec(text)
  if (!match) return undefined
  const duration = { years: Number(match[1] ?? 0), months: Number(match[2] ?? 0), days: Number(match[3] ?? 0) }
  return duration.years + duration.months + duration.days === 0 ? undefined : duration
}

/** @param seconds since 1970; `sign` -1 goes back; a day that the month lacks becomes its last day */
export function shifted(seconds: number, duration: Duration, sign: 1 | -1 = 1): number {
  const date = new Date(seconds * 1000)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() + sign * (duration.years * 12 + duration.months))
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  date.setUTCDate(Math.min(day, last))
  date.setUTCDate(date.getUTCDate() + sign * duration.days)
  return Math.floor(date.getTime() / 1000)
}

/** Lower bound: a month counts 28 days and a year 365. */
export function leastDays({ years, months, days }: Duration): number {
  return years * 365 + months * 28 + days
}
