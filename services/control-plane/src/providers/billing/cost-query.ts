import { parseTime } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Fields } from '../../arm/fields.ts'
import { termsOf } from '../../arm/filter-terms.ts'
import { add, toNumber, zero, type Fraction } from './decimal.ts'
import { dayOf, dayStart, nextDay, type UsageLine } from './usage-lines.ts'

export interface Period {
  from: Date
  to: Date
}

/** How a dimension reads a line, by Cost Management's names; VirtualMachineId is our addition: a VM with all its disks. */
const dimensions: Record<string, (line: UsageLine) => string> = {
  ResourceId: (line) => line.resourceId.toLowerCase(),
  ResourceGroupName: (line) => line.resourceId.split('/')[4] ?? '',
  ResourceLocation: (line) => line.region,
  Meter: (line) => line.meter,
  SkuName: (line) => line.sku,
  VirtualMachineId: (line) => line.vmId.toLowerCase(),
}

/** Azure's names of summable values. */
const sums: Record<string, (line: UsageLine) => Fraction> = {
  Cost: (line) => line.cost,
  UsageQuantity: (line) => line.hours,
}

type Group = { type: 'Dimension' | 'TagKey'; name: string }

export interface CostQuery extends Period {
  daily: boolean
  aggregation: { alias: string; name: string }[]
  groups: Group[]
}

const invalid = (fields: Fields, target: string, expected: string, found: string): void =>
  fields.problem({
    code: 'BadRequest',
    message: `Invalid query definition: '${target}' must be ${expected}.`,
    target,
    expected,
    found: found.slice(0, 80),
    remedy: 'Correct the query.',
  })

/** Reads Cost Management's query body. @throws ServiceError BadRequest with every problem */
export function readCostQuery(fields: Fields, now: Date): CostQuery {
  const period = readPeriod(fields, now)
  const dataset = fields.object('dataset')
  const daily = dataset.oneOf('granularity', ['None', 'Daily']) === 'Daily'
  const asked = dataset.object('aggregation')
  const aggregation = asked.names.map((alias) => {
    const sum = asked.object(alias)
    sum.oneOf('function', ['Sum'])
    return { alias, name: sum.oneOf('name', Object.keys(sums)) ?? 'Cost' }
  })
  const groups = dataset.list('grouping', 100).map((group): Group => {
    const type = group.oneOf('type', ['Dimension', 'TagKey', 'Tag']) === 'Dimension' ? 'Dimension' : 'TagKey'
    const name = type === 'Dimension' ? group.oneOf('name', Object.keys(dimensions)) : group.text('name')
    return { type, name: name ?? '' }
  })
  if (dataset.has('filter'))
    dataset.unsupported(dataset.at('filter'), 'Costs are not filtered.', {
      expected: 'no filter',
      found: 'one',
      remedy: 'Group by the tag or dimension, and take the rows that you want.',
    })
  if (aggregation.length > mostClauses)
    invalid(fields, asked.path, `at most ${mostClauses} sums`, String(aggregation.length))
  if (groups.length > mostClauses)
    invalid(fields, dataset.at('grouping'), `at most ${mostClauses} groups`, String(groups.length))
  fields.assertSound()
  return {
    ...period,
    daily,
    aggregation: aggregation.length === 0 ? [{ alias: 'totalCost', name: 'Cost' }] : aggregation,
    groups,
  }
}

function readPeriod(fields: Fields, now: Date): Period {
  const frame =
    fields.oneOf('timeframe', [
      'Custom',
      'MonthToDate',
      'BillingMonthToDate',
      'TheLastMonth',
      'TheLastBillingMonth',
      'WeekToDate',
    ]) ?? 'MonthToDate'
  const month = (offset: number): Date => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1))
  if (frame === 'Custom') {
    const span = fields.object('timePeriod')
    return { from: readDay(span, 'from'), to: dayStart(nextDay(dayOf(readDay(span, 'to')))) }
  }
  if (frame.startsWith('TheLast')) return { from: month(-1), to: month(0) }
  const today = dayStart(dayOf(now))
  const week = new Date(today.getTime() - ((today.getUTCDay() + 6) % 7) * 24 * 3600_000)
  return { from: frame === 'WeekToDate' ? week : month(0), to: dayStart(nextDay(dayOf(now))) }
}

function readDay(fields: Fields, name: string): Date {
  const text = fields.text(name) ?? ''
  const time = parseTime(text, { utc: true })
  if (time !== undefined) return time
  invalid(fields, fields.at(name), 'a day or a time of ISO 8601', text)
  return new Date(0)
}

/** Every line of usage is read by every sum and group (attack W22). */
const mostClauses = 15

/** Tag names are case-insensitive. */
const tagOf = (line: UsageLine, name: string): string =>
  Object.entries(line.tags).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] ?? ''

export interface CostTable {
  columns: { name: string; type: 'Number' | 'String' }[]
  rows: (string | number)[][]
}

/** Sums of lines by group and day, in Cost Management's column order: sums, day, groups, currency. */
export function costTable(lines: UsageLine[], query: CostQuery, currency: string): CostTable {
  const rows = new Map<string, { day: string; keys: string[]; totals: Fraction[] }>()
  for (const line of lines) {
    const day = query.daily ? line.day : ''
    const keys = query.groups.map(({ type, name }) =>
      type === 'Dimension' ? (dimensions[name]?.(line) ?? '') : tagOf(line, name),
    )
    const id = JSON.stringify([day, keys])
    const row = rows.get(id) ?? { day, keys, totals: query.aggregation.map(() => zero) }
    row.totals = row.totals.map((total, index) =>
      add(total, sums[query.aggregation[index]?.name ?? '']?.(line) ?? zero),
    )
    rows.set(id, row)
  }
  const text = (name: string): { name: string; type: 'String' } => ({ name, type: 'String' })
  return {
    columns: [
      ...query.aggregation.map(({ name }) => ({ name, type: 'Number' as const })),
      ...(query.daily ? [{ name: 'UsageDate', type: 'Number' as const }] : []),
      ...query.groups.flatMap(({ type, name }) =>
        type === 'Dimension' ? [text(name)] : [text('TagKey'), text('TagValue')],
      ),
      text('Currency'),
    ],
    rows: [...rows.values()].map(({ day, keys, totals }) => [
      ...totals.map(toNumber),
      ...(query.daily ? [Number(day.replaceAll('-', ''))] : []),
      ...query.groups.flatMap(({ type, name }, index) =>
        type === 'Dimension' ? [keys[index] ?? ''] : [name, keys[index] ?? ''],
      ),
      currency,
    ]),
  }
}

/** The filter of usage details, as az sends it: times, joined by `and`. */
export function readUsageFilter(filter: string): { from?: Date; to?: Date } {
  let from: Date | undefined
  let to: Date | undefined
  for (const part of termsOf(filter).filter((each) => each.trim() !== '')) {
    const match = /^\s*(?:properties\/)?usage(?:start|end)\s+([gl][et])\s+'([^']*)'\s*$/i.exec(part)
    const [, operator = '', value = ''] = match ?? []
    const time = parseTime(value, { utc: true })
    if (time === undefined) throw badFilter(part)
    if (/^g/i.test(operator)) from = time
    else to = time
  }
  return { ...(from && { from }), ...(to && { to }) }
}

const badFilter = (part: string): ServiceError =>
  new ServiceError({
    code: 'BadRequest',
    message: `The filter '${part.slice(0, 120)}' is not understood.`,
    target: '$filter',
    expected: 'usageStart or usageEnd with ge or le, joined by and',
    found: part.slice(0, 120),
    remedy: 'Correct the filter.',
  })
