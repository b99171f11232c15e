import type { MeterKind, PriceUnit } from '@strongroom/contract'
import { findRegion } from '../../arm/regions.ts'
import { toText } from './decimal.ts'
import { countsGiB } from '../../types/meter.ts'
import { dayStart, nextDay, unitsOf, type UsageLine } from './usage-lines.ts'

interface Facts {
  subscriptionId: string
  currency: string
}

type Cell = string | null

const names: Record<MeterKind, { description: string; category: string; subcategory: string; service: string }> = {
  compute: {
    description: 'Allocated virtual machine',
    category: 'Compute',
    subcategory: 'Virtual Machines',
    service: 'Virtual Machines',
  },
  'os-disk': storage('OS disk'),
  'os-disk-encrypted': storage('OS disk with confidential encryption'),
  'data-disk': storage('Data disk'),
  snapshot: storage('Snapshot'),
  vmgs: storage('Guest state (VMGS) of a confidential VM'),
  'managed-hsm': {
    description: 'Managed HSM pool',
    category: 'Security',
    subcategory: 'Other (Security)',
    service: 'Managed HSM',
  },
}

function storage(description: string): (typeof names)[MeterKind] {
  return { description, category: 'Storage', subcategory: 'Block Storage', service: 'Managed Disks' }
}

export const meterDescription = (meter: MeterKind): string => names[meter].description
export const serviceOf = (meter: MeterKind): string => names[meter].service

/** FOCUS 1.2, attribute "unit format". */
const pricingUnits: Record<PriceUnit, string> = {
  '1 Hour': 'Hours',
  '1/Month': 'Months',
  '1 GiB/Month': 'GiB-Months',
  '1 GiB/Hour': 'GiB-Hours',
}

const types: Record<string, string> = {
  virtualmachines: 'Virtual machine',
  disks: 'Disk',
  snapshots: 'Snapshot',
  managedhsms: 'Managed HSM',
}

const seconds = (day: string): string => `${day}T00:00:00Z`

function monthAfter(day: string): string {
  const start = dayStart(`${day.slice(0, 7)}-01`)
  return new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1)).toISOString().slice(0, 10)
}

/**
 * Columns of FOCUS 1.2's cost and usage dataset, in order: the mandatory ones and the conditional ones whose condition
 * holds here (prices, resources, regions, SKUs, a sub-account, tags). There are no discounts, commitments, reservations
 * or second currencies. `x_` marks our own columns, as FOCUS requires.
 */
const columns: Record<string, (line: UsageLine, facts: Facts) => Cell> = {
  BilledCost: (line) => toText(line.cost),
  BillingAccountId: (_, facts) => `/subscriptions/${facts.subscriptionId}`,
  BillingAccountName: () => 'Strongroom',
  BillingAccountType: () => 'Subscription',
  BillingCurrency: (_, facts) => facts.currency,
  BillingPeriodEnd: (line) => seconds(monthAfter(line.day)),
  BillingPeriodStart: (line) => seconds(`${line.day.slice(0, 7)}-01`),
  ChargeCategory: () => 'Usage',
  ChargeClass: () => null,
  ChargeDescription: (line) => `${names[line.meter].description}, ${line.sku}`,
  ChargeFrequency: () => 'Usage-Based',
  ChargePeriodEnd: (line) => seconds(nextDay(line.day)),
  ChargePeriodStart: (line) => seconds(line.day),
  ConsumedQuantity: (line) => toText(line.hours),
  ConsumedUnit: (line) => (countsGiB(line.meter) ? 'GiB-Hours' : 'Hours'),
  ContractedCost: (line) => toText(line.cost),
  ContractedUnitPrice: (line) => (line.price ? toText(line.price.perUnit) : '0'),
  EffectiveCost: (line) => toText(line.cost),
  InvoiceIssuerName: () => 'Strongroom operator',
  ListCost: (line) => toText(line.cost),
  ListUnitPrice: (line) => (line.price ? toText(line.price.perUnit) : '0'),
  PricingCategory: (line) => (line.price ? 'Standard' : 'Other'),
  PricingQuantity: (line) => toText(unitsOf(line) ?? line.hours),
  PricingUnit: (line) => (line.price ? pricingUnits[line.price.unit] : countsGiB(line.meter) ? 'GiB-Hours' : 'Hours'),
  ProviderName: () => 'Strongroom',
  PublisherName: () => 'Strongroom',
  RegionId: (line) => line.region,
  RegionName: (line) => findRegion(line.region)?.displayName ?? line.region,
  ResourceId: (line) => line.resourceId,
  ResourceName: (line) => line.resourceId.split('/').at(-1) ?? '',
  ResourceType: (line) => types[(line.resourceId.split('/').at(-2) ?? '').toLowerCase()] ?? 'Resource',
  ServiceCategory: (line) => names[line.meter].category,
  ServiceName: (line) => names[line.meter].service,
  ServiceSubcategory: (line) => names[line.meter].subcategory,
  SkuId: (line) => `${line.meter}/${line.sku}`,
  SkuMeter: (line) => names[line.meter].description,
  SkuPriceId: (line) =>
    line.price
      ? [line.meter, line.price.item.armSkuName ?? '*', line.price.item.armRegionName ?? '*', line.price.item.effectiveStartDate ?? 'always'].join('/') // prettier-ignore
      : `${line.meter}/no-price`,
  SubAccountId: (_, facts) => facts.subscriptionId,
  SubAccountName: () => 'Strongroom',
  SubAccountType: () => 'Subscription',
  Tags: (line) => (Object.keys(line.tags).length === 0 ? null : JSON.stringify(line.tags)),
  /** A meter without a price costs 0, and is marked so. */
  x_HasPrice: (line) => String(line.price !== undefined),
  x_Meter: (line) => line.meter,
  x_ResourceGroupName: (line) => line.resourceId.split('/')[4] ?? '',
  x_VirtualMachineId: (line) => (line.vmId === '' ? null : line.vmId),
  x_Milliseconds: (line) => String(line.milliseconds),
}

export const focusColumns: string[] = Object.keys(columns)

export const focusRow = (line: UsageLine, facts: Facts): Cell[] =>
  Object.values(columns).map((cell) => cell(line, facts))
