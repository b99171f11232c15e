import { priceUnits, type PriceItem, type PriceList, type PriceUnit } from '@strongroom/contract'
import { Fields } from '../../arm/fields.ts'
import { findRegion } from '../../arm/regions.ts'
import { parseDecimal, type Fraction } from './decimal.ts'
import { countsGiB, meterKinds, type Meter } from '../../types/meter.ts'

/** Longer than every meter × size × region there is. */
const mostItems = 50_000

/**
 * A price list as the operator wrote it. What it does not know it refuses: a misspelled member would be a price that
 * silently does not count.
 * @throws ServiceError InvalidPriceList with every problem
 */
export function parsePriceList(body: unknown): PriceList {
  const fields = new Fields(body)
  const wrong = (target: string, expected: string, found: unknown): void =>
    fields.problem({
      code: 'InvalidPriceList',
      message: `The price list is invalid: '${target}' must be ${expected}.`,
      target,
      expected,
      found: shown(found),
      remedy: 'Correct the file and send it again; docs/metering.md describes it.',
    })
  unknownMembers(fields, ['currency', 'items'], wrong)
  const currency = fields.text('currency') ?? ''
  if (!/^[A-Z]{3}$/.test(currency)) wrong('currency', 'a currency of ISO 4217, for example EUR', currency)
  const list = fields.list('items')
  if (list.length === 0 || list.length > mostItems) wrong('items', `a list of 1 to ${mostItems} prices`, list.length)
  const seen = new Set<string>()
  const items = list.slice(0, mostItems).map((item) => {
    const read = readItem(item, wrong)
    const key = [read.meter, read.armSkuName, read.armRegionName, read.effectiveStartDate].join('|').toLowerCase()
    if (seen.has(key)) wrong(item.path, 'the only price for its meter, SKU, region and day', key)
    seen.add(key)
    return read
  })
  fields.assertSound()
  return { currency, items }
}

type Wrong = (target: string, expected: string, found: unknown) => void

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80)

const members = [
  'meter',
  'armSkuName',
  'armRegionName',
  'unitPrice',
  'unitOfMeasure',
  'effectiveStartDate',
  'meterName',
  'productName',
]

function unknownMembers(fields: Fields, known: string[], wrong: Wrong): void {
  const names = known.map((name) => name.toLowerCase())
  for (const name of fields.names) if (!names.includes(name)) wrong(fields.at(name), `one of ${known.join(', ')}`, name)
}

function readItem(item: Fields, wrong: Wrong): PriceItem {
  unknownMembers(item, members, wrong)
  const meter = item.oneOf('meter', meterKinds)
  if (!item.has('meter')) wrong(item.at('meter'), `one of ${meterKinds.join(', ')}`, undefined)
  const unit = item.oneOf('unitOfMeasure', priceUnits)
  if (!item.has('unitOfMeasure')) wrong(item.at('unitOfMeasure'), `one of ${priceUnits.join(', ')}`, undefined)
  if (meter !== undefined && unit !== undefined && countsGiB(meter) !== unit.includes('GiB'))
    wrong(item.at('unitOfMeasure'), countsGiB(meter) ? 'a price by GiB' : 'a price by time alone', unit)
  const price = item.raw('unitPrice')
  if (typeof price !== 'number' || parseDecimal(price) === undefined)
    wrong(item.at('unitPrice'), 'a number from 0, with at most 12 digits behind the point', price)
  const region = item.text('armRegionName')
  if (region !== undefined && findRegion(region) === undefined)
    wrong(item.at('armRegionName'), 'a region of this installation', region)
  const from = item.text('effectiveStartDate')
  const day = from === undefined ? undefined : /^(\d{4}-\d{2}-\d{2})(T00:00:00(\.0+)?Z)?$/.exec(from)?.[1]
  if (from !== undefined && (day === undefined || new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) !== day))
    wrong(item.at('effectiveStartDate'), 'a day, for example 2026-01-01', from)
  const sku = item.text('armSkuName')
  const meterName = item.text('meterName')
  const productName = item.text('productName')
  return {
    meter: meter ?? '',
    unitPrice: typeof price === 'number' ? price : 0,
    unitOfMeasure: unit ?? '1 Hour',
    ...(sku !== undefined && { armSkuName: sku }),
    ...(region !== undefined && { armRegionName: findRegion(region)?.name ?? region }),
    ...(day !== undefined && { effectiveStartDate: day }),
    ...(meterName !== undefined && { meterName }),
    ...(productName !== undefined && { productName }),
  }
}

export interface Price {
  item: PriceItem
  unit: PriceUnit
  perUnit: Fraction
}

const hoursOfMonth = 730

/** How many milliseconds, of one thing or of one GiB, a unit has. */
export const unitMilliseconds = (unit: PriceUnit): number => (unit.endsWith('Month') ? hoursOfMonth : 1) * 3600_000

/** Finds prices; the closest one counts: region and SKU before region alone, before SKU alone, before neither; then the latest day. */
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

  /** The price on a day, as YYYY-MM-DD; undefined where the list has none. */
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
