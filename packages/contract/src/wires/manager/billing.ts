import { list, named, object, oneOf, optional, shapeOf, text, upTo, type TypeOf } from '../../shape/index.ts'

export const priceUnits = ['1 Hour', '1/Month', '1 GiB/Month', '1 GiB/Hour'] as const
/** A month is 730 hours, as in Azure's price list. */
export type PriceUnit = (typeof priceUnits)[number]

/** What is metered, separately (S27). */
const meterKinds = ['compute', 'os-disk', 'os-disk-encrypted', 'data-disk', 'snapshot', 'vmgs', 'managed-hsm'] as const
export type MeterKind = (typeof meterKinds)[number]

/** Longer than all meters × sizes × regions. */
const mostItems = 50_000

const priceItem = named(
  'PriceItem',
  object({
    meter: oneOf(...meterKinds),
    /** Size of a VM, storage type of a disk, SKU of an HSM; default: all. */
    armSkuName: optional(upTo(200)),
    /** Region; default: all. */
    armRegionName: optional(upTo(60)),
    /** Decimal, at most 12 digits after the point. */
    unitPrice: shapeOf<number>(
      { type: 'number', minimum: 0 },
      'a number from 0',
      (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
    ),
    unitOfMeasure: oneOf(...priceUnits),
    /** Start of the price's validity; default: always. */
    effectiveStartDate: optional(text(/^\d{4}-\d{2}-\d{2}(T00:00:00(\.0+)?Z)?$/, 'a day, for example 2026-01-01')),
    meterName: optional(upTo(200)),
    productName: optional(upTo(200)),
  }),
)
export type PriceItem = TypeOf<typeof priceItem>

export const priceList = named(
  'PriceList',
  object({
    currency: text(/^[A-Z]{3}$/, 'a currency of ISO 4217, for example EUR'),
    items: list(priceItem, { least: 1, most: mostItems }),
  }),
)
/**
 * The operator's prices for usage: a data file. Members are named as in Azure's retail price list, so that such a list
 * can be reduced to this form; no price in it comes from this project.
 */
export type PriceList = TypeOf<typeof priceList>
