import { isDay, type PriceItem, type PriceList, type PriceUnit } from '@strongroom/contract'
import { faultsOf, type Fault } from '@strongroom/contract/shape'
import { priceList, priceUnits } from '@strongroom/contract/wires'
import { refuse } from '../../arm/fields.ts'
import { findRegion } from '../../arm/regions.ts'
import { countsGiB, type Meter } from '../../types/meter.ts'
import { parseDecimal, type Fraction } from './decimal.ts'

/**
 * Parses an operator's price list. Unknown members are refused: a misspelled one would be a price that silently does
 * not apply.
 * @throws ServiceError InvalidPriceList with every problem
 */
export function parsePriceList(body: unknown): PriceList {
  const faults = faultsOf(priceList, body)
  // A value that is not a list, or is too long, is refused as a whole: its entries are not examined (attack W22).
  const isList = !faults.some(({ target }) => target === 'items')
  const problems = isList ? [...faults, ...contradictions(body as PriceList | undefined)] : faults
  if (problems.length > 0)
    throw refuse(
      problems.slice(0, mostProblems).map(({ target, expected, found }) => ({
        code: 'InvalidPriceList',
        message: `The price list is invalid: '${target}' must be ${expected}.`,
        target,
        expected,
        found,
        remedy: 'Correct the file and send it again; docs/guides/costs.md describes it.',
      })),
    )
  const { currency, items } = body as PriceList
  return {
    currency,
    items: items.map(({ armRegionName: region, effectiveStartDate: day, ...item }) => ({
      ...item,
      ...(region !== undefined && { armRegionName: findRegion(region)?.name ?? region }),
      ...(day !== undefined && { effectiveStartDate: day.slice(0, 10) }),
    })),
  }
}

/** The number of reported problems is limited. */
const mostProblems = 100

type Problem = Pick<Fault, 'target' | 'expected' | 'found'>

/** Contradictions among well-formed prices, even beside malformed ones. */
function contradictions(list: Partial<PriceList> | undefined): Problem[] {
  const items = Array.isArray(list?.items) ? list.items : []
  const seen = new Set<string>()
  return items.flatMap((item: Partial<PriceItem> | null, index) => {
    const at = `items[${index}]`
    const { meter, unitOfMeasure: unit, unitPrice: price, armRegionName: region, effectiveStartDate: day } = item ?? {}
    const wrong = (member: string, expected: string, found: string | number): Problem => ({
      target: `${at}.${member}`,
      expected,
      found: String(found).slice(0, 80),
    })
    const key = [meter, item?.armSkuName, region, day].join('|').toLowerCase()
    const isFirst = seen.size < seen.add(key).size
    return [
      ...(meter !== undefined && priceUnits.some((each) => each === unit) && countsGiB(meter) !== unit?.includes('GiB')
        ? [wrong('unitOfMeasure', countsGiB(meter) ? 'a price per GiB' : 'a price per time unit only', unit ?? '')]
        : []),
      ...(typeof price === 'number' && price >= 0 && parseDecimal(price) === undefined
        ? [wrong('unitPrice', 'a number from 0, with at most 12 decimal places', price)]
        : []),
      ...(typeof region === 'string' && findRegion(region) === undefined
        ? [wrong('armRegionName', 'a region of this installation', region)]
        : []),
      ...(typeof day === 'string' && /^\d{4}-\d{2}-\d{2}/.test(day) && !isDay(day.slice(0, 10))
        ? [wrong('effectiveStartDate', 'a day, for example 2026-01-01', day)]
        : []),
      ...(isFirst ? [] : [{ target: at, expected: 'the only price for its meter, SKU, region and day', found: key }]),
    ]
  })
}

export interface Price {
  item: PriceItem
  unit: PriceUnit
  perUnit: Fraction
}

const hoursOfMonth = 730

/** How many milliseconds, of one thing or of one GiB, a unit has. */
export const unitMilliseconds = (unit: PriceUnit): number => (unit.endsWith('Month') ? hoursOfMonth : 1) * 3600_000

/** Finds prices; the most specific one applies: region and SKU before region only, before SKU only, before neither; then the latest day. */
export class Prices {
  readonly currency: string
  readonly #items = new Map<string, PriceItem[]>()

  /** Without a list everything is used and nothing has a price; XXX is ISO 4217's code for no currency. */
  constructor(list?: PriceList) {
    this.currency = list?.currency ?? 'XXX'
    for (const item of list?.items ?? []) {
      const key = keyOf(item.meter, item.armSkuName, item.armRegionName)
      const held = this.#items.get(key) ?? []
      held.push(item)
      held.sort((a, b) => (b.effectiveStartDate ?? '').localeCompare(a.effectiveStartDate ?? ''))
      this.#items.set(key, held)
    }
  }

  /** The price on a day, as YYYY-MM-DD; undefined if the list has none. */
  find(meter: Pick<Meter, 'meter' | 'sku' | 'region'>, day: string): Price | undefined {
    const { sku, region } = meter
    for (const key of [
      keyOf(meter.meter, sku, region),
      keyOf(meter.meter, undefined, region),
      keyOf(meter.meter, sku),
      keyOf(meter.meter),
    ]) {
      const item = this.#items.get(key)?.find((each) => (each.effectiveStartDate ?? '') <= day)
      const perUnit = item === undefined ? undefined : parseDecimal(item.unitPrice)
      if (item !== undefined && perUnit !== undefined) return { item, unit: item.unitOfMeasure, perUnit }
    }
    return undefined
  }
}

const keyOf = (meter: string, sku = '*', region = '*'): string => `${meter}|${sku}|${region}`.toLowerCase()
