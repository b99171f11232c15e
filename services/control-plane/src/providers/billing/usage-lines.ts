import { fraction, times, zero, type Fraction } from './decimal.ts'
import { countsGiB, type Meter, type UsageInterval } from '../../types/meter.ts'
import { unitMilliseconds, type Price, type Prices } from './price-list.ts'

/** One resource's usage by one meter on one UTC day, and its cost. */
export interface UsageLine extends Meter {
  /** YYYY-MM-DD */
  day: string
  /** Of usage on that day. */
  milliseconds: number
  /** Hours, or GiB-hours for GiB meters. */
  hours: Fraction
  price?: Price
  /** Zero without a price. */
  cost: Fraction
}

const dayMs = 24 * 3600_000

export const dayStart = (day: string): Date => new Date(`${day}T00:00:00.000Z`)
export const dayOf = (time: Date): string => time.toISOString().slice(0, 10)
export const nextDay = (day: string): string => dayOf(new Date(dayStart(day).getTime() + dayMs))

/**
 * Cuts intervals into days within [from, to) and merges those with the same resource, meter, SKU, amount and tags. The
 * milliseconds of a resource's lines add up to those of its intervals, however they are cut.
 */
export function linesOf(
  intervals: UsageInterval[],
  o: { from: Date; to: Date; now: Date; prices: Prices },
): UsageLine[] {
  const lines = new Map<string, UsageLine>()
  for (const interval of intervals) {
    const { startedAt, endedAt, ...meter } = interval
    const begin = Math.max(startedAt.getTime(), o.from.getTime())
    const end = Math.min((endedAt ?? o.now).getTime(), o.to.getTime())
    for (let at = begin; at < end;) {
      const day = dayOf(new Date(at))
      const until = Math.min(end, dayStart(day).getTime() + dayMs)
      const tags = Object.entries(meter.tags).toSorted(([a], [b]) => (a < b ? -1 : 1))
      const key = JSON.stringify([
        day,
        meter.resourceId.toLowerCase(),
        meter.meter,
        meter.vmId,
        meter.sku,
        meter.region,
        meter.quantity,
        tags,
      ])
      const line = lines.get(key) ?? { ...meter, day, milliseconds: 0, hours: zero, cost: zero }
      line.milliseconds += until - at
      lines.set(key, line)
      at = until
    }
  }
  return [...lines.values()]
    .map((line) => priced(line, o.prices))
    .toSorted(
      (a, b) =>
        a.day.localeCompare(b.day) || a.resourceId.localeCompare(b.resourceId) || a.meter.localeCompare(b.meter),
    )
}

function priced(line: UsageLine, prices: Prices): UsageLine {
  const amount = countsGiB(line.meter) ? line.quantity : 1
  const used = fraction(BigInt(line.milliseconds) * BigInt(amount))
  const hours = times(used, fraction(1, 3600_000))
  const price = prices.find(line, line.day)
  if (price === undefined) return { ...line, hours }
  const units = times(used, fraction(1, unitMilliseconds(price.unit)))
  return { ...line, hours, price, cost: times(units, price.perUnit) }
}

/** A line in the price's units. */
export const unitsOf = (line: UsageLine): Fraction | undefined =>
  line.price && times(line.hours, fraction(3600_000, unitMilliseconds(line.price.unit)))
