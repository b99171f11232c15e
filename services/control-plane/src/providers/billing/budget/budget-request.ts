import { Fields } from '../../../arm/fields.ts'
import { parseTime, readFilter } from '../cost-query.ts'
import { parseDecimal } from '../decimal.ts'
import { operators, timeGrains, type Budget, type Notification } from './budget.ts'

const nameForm = /^[A-Za-z0-9_-]{1,63}$/
const mostNotifications = 5
const mostTexts = 100
const yearMs = 365.25 * 24 * 3600_000

type Wrong = (target: string, expected: string, found: unknown) => void

/** A budget as az, azurerm and the portal's API send it. @throws ServiceError BadRequest with every problem */
export function readBudget(body: unknown, name: string): { budget: Budget; etag: string | undefined } {
  const fields = new Fields(body)
  const properties = fields.object('properties')
  const wrong: Wrong = (target, expected, found) =>
    fields.problem({
      code: 'BadRequest',
      message: `Invalid budget configuration: '${target}' must be ${expected}.`,
      target,
      expected,
      found: String(found).slice(0, 80),
      remedy: 'Correct the budget.',
    })
  if (!nameForm.test(name)) wrong('name', '1 to 63 letters, digits, _ and -', name)
  const category = properties.oneOf('category', ['Cost', 'Usage']) ?? 'Cost'
  const timeGrain = properties.oneOf('timeGrain', timeGrains)
  if (timeGrain === undefined && !properties.has('timeGrain'))
    wrong(properties.at('timeGrain'), timeGrains.join(', '), 'nothing')
  const amount = decimalOf(properties, 'amount', wrong)
  const period = readPeriod(properties.object('timePeriod'), wrong)
  const old = properties.object('filters')
  const filters = { resourceGroups: texts(old, 'resourceGroups', wrong), resources: texts(old, 'resources', wrong), meters: texts(old, 'meters', wrong) } // prettier-ignore
  if (category === 'Usage' && filters.meters.length === 0) wrong(old.at('meters'), 'a meter', 'none')
  const filter = properties.raw('filter')
  readFilter(properties.object('filter'), 0)
  const notifications = readNotifications(properties.object('notifications'), properties.raw('notifications'), wrong)
  fields.assertSound()
  const budget: Budget = {
    category,
    amount,
    timeGrain: timeGrain ?? 'Monthly',
    ...period,
    ...(filter !== undefined && { filter }),
    ...(Object.values(filters).some((list) => list.length > 0) && { filters }),
    notifications,
  }
  return { budget, etag: fields.text('eTag') }
}

/** A decimal from 0, kept exactly. */
function decimalOf(fields: Fields, name: string, wrong: Wrong): number {
  const value = fields.raw(name)
  if (typeof value === 'number' && parseDecimal(value) !== undefined) return value
  wrong(fields.at(name), 'a number from 0, with at most 12 decimal places', value ?? 'nothing')
  return 0
}

/** az writes a space where ISO 8601 has a T. A budget starts with a month and lasts ten years by default. */
function readPeriod(fields: Fields, wrong: Wrong): { startDate: string; endDate: string } {
  const time = (name: string): Date | undefined => {
    const text = fields.text(name)
    const read = text === undefined ? undefined : parseTime(text.replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T'))
    if (text !== undefined && read === undefined) wrong(fields.at(name), 'a day or a time of ISO 8601', text)
    return read
  }
  const [start, end] = [time('startDate'), time('endDate')]
  if (start === undefined && !fields.has('startDate'))
    wrong(fields.at('startDate'), 'the first day of a month', 'nothing')
  if (start !== undefined && start.getUTCDate() !== 1)
    wrong(fields.at('startDate'), 'the first day of a month', start.toISOString())
  const begin = start ?? new Date(0)
  const last = end ?? new Date(begin.getTime() + 10 * yearMs)
  if (last <= begin) wrong(fields.at('endDate'), 'after the start', last.toISOString())
  return { startDate: begin.toISOString(), endDate: last.toISOString() }
}

function texts(fields: Fields, name: string, wrong: Wrong): string[] {
  const found = fields.texts(name)
  if (found.length > mostTexts || found.some((text) => text.length > 400))
    wrong(fields.at(name), `at most ${mostTexts} strings of 400 characters`, `${found.length} texts`)
  return found.slice(0, mostTexts)
}

function readNotifications(all: Fields, raw: unknown, wrong: Wrong): Record<string, Notification> {
  if (!all.present) return {}
  const names = Object.keys(raw as object)
  if (names.length > mostNotifications) wrong(all.path, `at most ${mostNotifications}`, names.length)
  const entries = names.slice(0, mostNotifications).map((name): [string, Notification] => {
    const one = all.object(name)
    if (!/^[\w.%-]{1,100}$/.test(name))
      wrong(all.at(name.slice(0, 100)), 'named with letters, digits and _ . % -', name)
    // Forecasts are not available here.
    if (one.text('thresholdType')?.toLowerCase() === 'forecasted')
      all.unsupported(one.at('thresholdType'), 'Cost forecasts are not offered.', {
        expected: 'Actual',
        found: 'Forecasted',
        remedy: 'Use a lower threshold on actual cost.',
      })
    const operator = one.oneOf('operator', operators)
    if (operator === undefined && !one.has('operator')) wrong(one.at('operator'), operators.join(', '), 'nothing')
    const threshold = decimalOf(one, 'threshold', wrong)
    if (threshold > 1000) wrong(one.at('threshold'), 'at most 1000 percent', threshold)
    return [
      name,
      {
        enabled: one.flag('enabled') ?? true,
        operator: operator ?? 'GreaterThan',
        threshold,
        thresholdType: 'Actual',
        contactEmails: texts(one, 'contactEmails', wrong),
        contactRoles: texts(one, 'contactRoles', wrong),
        contactGroups: texts(one, 'contactGroups', wrong),
      },
    ]
  })
  return Object.fromEntries(entries)
}
