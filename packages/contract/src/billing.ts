/**
 * Usage and cost beyond what Azure documents, on the resource manager's wire.
 *
 * GET {subscription}/providers/Strongroom.Billing/priceSheet       → 200 PriceList | 404 PriceListNotFound
 * PUT {subscription}/providers/Strongroom.Billing/priceSheet       PriceList → 200 PriceList | 400 with every problem
 * GET {subscription}/providers/Strongroom.Billing/focusExport?from=DAY&to=DAY&$skiptoken=N  → 200 FocusPage
 */

/**
 * What the operator asks for usage: a data file of his own. The members are named as in Azure's retail price list, so
 * that such a list can be cut down to one; no price in it comes from this project.
 */
export interface PriceList {
  /** ISO 4217. */
  currency: string
  items: PriceItem[]
}

export const priceUnits = ['1 Hour', '1/Month', '1 GiB/Month', '1 GiB/Hour'] as const
/** A month is 730 hours, as in Azure's price list. */
export type PriceUnit = (typeof priceUnits)[number]

export interface PriceItem {
  /** compute, os-disk, os-disk-encrypted, data-disk, snapshot, vmgs, managed-hsm. */
  meter: string
  /** Size of a VM, storage type of a disk, SKU of an HSM; absent: every one. */
  armSkuName?: string
  /** Region; absent: every one. */
  armRegionName?: string
  /** Decimal, at most 12 digits behind the point. */
  unitPrice: number
  unitOfMeasure: PriceUnit
  /** ISO date from which the price holds; absent: always. */
  effectiveStartDate?: string
  meterName?: string
  productName?: string
}

/** Rows of a cost and usage dataset in FOCUS 1.2, in the order of `columns`; null is an empty cell. */
export interface FocusPage {
  version: '1.2'
  columns: string[]
  rows: (string | null)[][]
  nextLink?: string
}
