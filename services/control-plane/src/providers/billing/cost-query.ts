import { ServiceError } from '@strongroom/platform'
import type { Fields } from '../../arm/fields.ts'
import { add, toNumber, zero, type Fraction } from './decimal.ts'
import { meterDescription, serviceOf } from './focus.ts'
import { dayOf, dayStart, nextDay, type UsageLine } from './usage-lines.ts'

export interface Period {
  from: Date
  to: Date
}

/** How a dimension reads a line, by Cost Management's names; VirtualMachineId is our addition: a VM with all its disks. */
const dimensions: Record<string, (line: UsageLine) => string> = {
  ResourceId: (line) => line.resourceId.toLowerCase(),
  ResourceGroup: (line) => line.resourceId.split('/')[4] ?? '',
  ResourceGroupName: (line) => line.resourceId.split('/')[4] ?? '',
  ResourceLocation: (line) => line.region,
  ResourceType: (line) => line.resourceId.split('/').slice(6, 8).join('/').toLowerCase(),
  Meter: (line) => line.meter,
  MeterCategory: (line) => serviceOf(line.meter),
  MeterSubcategory: (line) => meterDescription(line.meter),
  ServiceName: (line) => serviceOf(line.meter),
  SkuName: (line) => line.sku,
  VirtualMachineId: (line) => line.vmId.toLowerCase(),
}

/** Azure's names of summable values. */
const sums: Record<string, (line: UsageLine) => Fraction> = {
  Cost: (line) => line.cost,
  PreTaxCost: (line) => line.cost,
  CostUSD: (line) => line.cost,
  UsageQuantity: (line) => line.hours,
}

type Group = { type: 'Dimension' | 'TagKey'; name: string }

export interface CostQuery extends Period {
  daily: boolean
  aggregation: { alias: string; name: string }[]
  groups: Group[]
  keep(line: UsageLine): boolean
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
  const groups = dataset.list('grouping').map((group): Group => {
    const type = group.oneOf('type', ['Dimension', 'TagKey', 'Tag']) === 'Dimension' ? 'Dimension' : 'TagKey'
    const name = type === 'Dimension' ? group.oneOf('name', Object.keys(dimensions)) : group.text('name')
    return { type, name: name ?? '' }
  })
  const keep = readFilter(dataset.object('filter'), 0)
  fields.assertSound()
  return {
    ...period,
    daily,
    aggregation: aggregation.length === 0 ? [{ alias: 'totalCost', name: 'Cost' }] : aggregation,
    groups,
    keep,
  }
}

function readPeriod(fields: Fields, now: Date): Period {
  const frame = fields.oneOf('timeframe', ['Custom', 'MonthToDate', 'BillingMonthToDate', 'TheLastMonth', 'TheLastBillingMonth', 'WeekToDate']) ?? 'MonthToDate' // prettier-ignore
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
  const time = parseTime(text)
  if (time !== undefined) return time
  invalid(fields, fields.at(name), 'a day or a time of ISO 8601', text)
  return new Date(0)
}

/** A day or a time; undefined for anything else. Four-digit years only: other text forms do not sort. */
export function parseTime(text: string): Date | undefined {
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,7})?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return undefined
  const time = new Date(/^[^T]+$/.test(text) || /(Z|[+-]\d{2}:\d{2})$/.test(text) ? text : `${text}Z`)
  return Number.isNaN(time.getTime()) || time.getUTCFullYear() < 1 ? undefined : time
}

const deepest = 8

/** Cost Management's filter of dimensions and tags, as a test of a line. @param depth of nesting */
export function readFilter(filter: Fields, depth: number): (line: UsageLine) => boolean {
  if (!filter.present) return () => true
  if (depth > deepest) {
    invalid(filter, filter.path, `nested at most ${deepest} deep`, String(depth))
    return () => false
  }
  if (filter.has('and') || filter.has('or')) {
    const all = filter.has('and')
    const parts = filter.list(all ? 'and' : 'or').map((part) => readFilter(part, depth + 1))
    return (line) => (all ? parts.every((part) => part(line)) : parts.some((part) => part(line)))
  }
  const byTag = filter.has('tags') || filter.has('tag')
  const one = filter.object(byTag ? (filter.has('tags') ? 'tags' : 'tag') : filter.has('dimension') ? 'dimension' : 'dimensions') // prettier-ignore
  if (!one.present) invalid(filter, filter.path, 'and, or, dimensions or tags', filter.names.join(', '))
  one.oneOf('operator', ['In'])
  const name = byTag ? (one.text('name') ?? '') : (one.oneOf('name', Object.keys(dimensions)) ?? 'Meter')
  const values = new Set(one.texts('values').map((value) => value.toLowerCase()))
  const read = byTag ? (line: UsageLine): string => tagOf(line, name) : dimensions[name]
  return (line) => values.has((read?.(line) ?? '').toLowerCase())
}

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
    if (!query.keep(line)) continue
    const day = query.daily ? line.day : ''
    const keys = query.groups.map(({ type, name }) => type === 'Dimension' ? (dimensions[name]?.(line) ?? '') : tagOf(line, name)) // prettier-ignore
    const id = JSON.stringify([day, keys])
    const row = rows.get(id) ?? { day, keys, totals: query.aggregation.map(() => zero) }
    row.totals = row.totals.map((total, index) => add(total, sums[query.aggregation[index]?.name ?? '']?.(line) ?? zero)) // prettier-ignore
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

/** The filter of usage details: times, group, name or id, joined by `and`. */
export function readUsageFilter(filter: string): { from?: Date; to?: Date; keep(line: UsageLine): boolean } {
  const tests: ((line: UsageLine) => boolean)[] = []
  let from: Date | undefined
  let to: Date | undefined
  for (const part of filter.split(/(?<!\s)\s+and\s+/i).filter((each) => each.trim() !== '')) {
    const match = /^\s*(?:properties\/)?(\w+)\s+(eq|ge|gt|le|lt)\s+'([^']*)'\s*$/i.exec(part)
    const [, name = '', operator = '', value = ''] = match ?? []
    const time = /^usage(start|end)$/i.test(name) ? parseTime(value) : undefined
    if (time !== undefined && /^g/i.test(operator)) from = time
    else if (time !== undefined && /^l/i.test(operator)) to = time
    else if (/^resourceGroup$/i.test(name))
      tests.push((line) => line.resourceId.split('/')[4]?.toLowerCase() === value.toLowerCase()) // prettier-ignore
    else if (/^instanceId$/i.test(name)) tests.push((line) => line.resourceId.toLowerCase() === value.toLowerCase())
    else if (/^instanceName$/i.test(name))
      tests.push((line) => line.resourceId.split('/').at(-1)?.toLowerCase() === value.toLowerCase()) // prettier-ignore
    else throw badFilter(part)
  }
  return { ...(from && { from }), ...(to && { to }), keep: (line) => tests.every((test) => test(line)) }
}

const badFilter = (part: string): ServiceError =>
  new ServiceError({
    code: 'BadRequest',
    message: `The filter '${part.slice(0, 120)}' is not understood.`,
    target: '$filter',
    expected: 'usageStart or usageEnd with ge or le, resourceGroup, instanceId or instanceName with eq, joined by and',
    found: part.slice(0, 120),
    remedy: 'Correct the filter.',
  })
