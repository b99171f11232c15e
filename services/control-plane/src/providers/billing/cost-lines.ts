import type { PriceList } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Plane } from '../../types/plane.ts'
import { readSetting } from '../../store/rows.ts'
import type { Period } from './cost-query.ts'
import { Prices } from './price-list.ts'
import { linesOf, type UsageLine } from './usage-lines.ts'

/** Key of the operator's price list. */
export const priceListSetting = 'price list'

export async function readPriceList(plane: Pick<Plane, 'resources'>): Promise<PriceList | undefined> {
  const text = await readSetting(plane.resources.db, priceListSetting)
  return text === undefined ? undefined : (JSON.parse(text) as PriceList)
}

/** Usage in a period and its cost. @throws ServiceError BadRequest if it ends before it begins */
export async function readLines(
  plane: Pick<Plane, 'resources' | 'usage'>,
  period: Period,
): Promise<{ lines: UsageLine[]; prices: Prices }> {
  if (period.to <= period.from) throw badPeriod(period)
  const prices = new Prices(await readPriceList(plane))
  // Read after the rows' own time, so that an open interval ends after its start.
  const intervals = await plane.usage.list(period)
  return { lines: linesOf(intervals, { ...period, now: plane.usage.now(), prices }), prices }
}

const badPeriod = (period: Period): ServiceError =>
  new ServiceError({
    code: 'BadRequest',
    message: 'The period ends before it begins.',
    expected: `an end after ${period.from.toISOString()}`,
    found: period.to.toISOString(),
    remedy: 'Name the earlier day first.',
  })
