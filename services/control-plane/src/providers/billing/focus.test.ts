import type { FocusPage } from '@strongroom/contract'
import { SettableClock } from '@strongroom/platform'
import { expect, it } from 'vitest'
import { openSqlitePlane } from '../../testing/sqlite-plane.ts'
import { makeNetwork, subscriptionId, vmPath, vmRequest } from '../../testing/test-plane.ts'

type Rule = (text: string) => boolean
const decimal: Rule = (text) => /^-?\d+(\.\d+)?$/.test(text)
const time: Rule = (text) => /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text) && !Number.isNaN(Date.parse(text))
const string: Rule = (text) => text !== ''
const oneOf =
  (...values: string[]): Rule =>
  (text) =>
    values.includes(text)
const unit: Rule = (text) => /^(\d+ )?((GiB|GB|MiB|MB)-)?(Hours|Months|Days|Seconds)$/.test(text)
const keyValue: Rule = (text) => Object.values(JSON.parse(text) as object).every((value) => typeof value === 'string')

/**
 * Columns of FOCUS 1.2 (specification, "Columns"): whether the column is required, whether a charge of category Usage
 * may leave it null, and its content. Written from the specification, independently of the code that creates the rows.
 */
const rules: Record<string, [mandatory: boolean, nullable: boolean, rule: Rule]> = {
  BilledCost: [true, false, decimal],
  BillingAccountId: [true, false, string],
  BillingAccountName: [true, true, string],
  BillingAccountType: [false, false, string],
  BillingCurrency: [true, false, (text) => /^[A-Z]{3}$/.test(text)],
  BillingPeriodEnd: [true, false, time],
  BillingPeriodStart: [true, false, time],
  ChargeCategory: [true, false, oneOf('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')],
  ChargeClass: [true, true, oneOf('Correction')],
  ChargeDescription: [true, true, string],
  ChargeFrequency: [false, false, oneOf('One-Time', 'Recurring', 'Usage-Based')],
  ChargePeriodEnd: [true, false, time],
  ChargePeriodStart: [true, false, time],
  ConsumedQuantity: [false, false, decimal],
  ConsumedUnit: [false, false, unit],
  ContractedCost: [true, false, decimal],
  ContractedUnitPrice: [false, false, decimal],
  EffectiveCost: [true, false, decimal],
  InvoiceIssuerName: [true, false, string],
  ListCost: [true, false, decimal],
  ListUnitPrice: [false, false, decimal],
  PricingCategory: [false, false, oneOf('Standard', 'Dynamic', 'Committed', 'Other')],
  PricingQuantity: [true, false, decimal],
  PricingUnit: [true, false, unit],
  ProviderName: [true, false, string],
  PublisherName: [true, false, string],
  RegionId: [false, true, string],
  RegionName: [false, true, string],
  ResourceId: [false, true, string],
  ResourceName: [false, true, string],
  ResourceType: [false, true, string],
  ServiceCategory: [true, false, oneOf('Compute', 'Storage', 'Security')],
  ServiceName: [true, false, string],
  ServiceSubcategory: [false, false, oneOf('Virtual Machines', 'Block Storage', 'Other (Security)')],
  SkuId: [false, false, string],
  SkuMeter: [false, true, string],
  SkuPriceId: [false, false, string],
  SubAccountId: [false, true, string],
  SubAccountName: [false, true, string],
  SubAccountType: [false, true, string],
  Tags: [false, true, keyValue],
}

/** Every violation of the rules, by row and column. */
function breaches(page: FocusPage): string[] {
  const found: string[] = []
  for (const [name, [mandatory]] of Object.entries(rules))
    if (mandatory && !page.columns.includes(name)) found.push(`${name} is missing`)
  for (const name of page.columns)
    if (rules[name] === undefined && !name.startsWith('x_')) found.push(`${name} is unknown`)
  for (const [index, row] of page.rows.entries()) {
    if (row.length !== page.columns.length) found.push(`row ${index} has ${row.length} cells`)
    const cell = Object.fromEntries(page.columns.map((name, column) => [name, row[column] ?? null]))
    for (const [name, [, nullable, rule]] of Object.entries(rules)) {
      const value = cell[name] ?? null
      if (value === null ? !nullable : !rule(value)) found.push(`row ${index}: ${name} is ${value}`)
    }
    const [start, end] = [cell['ChargePeriodStart'] ?? '', cell['ChargePeriodEnd'] ?? '']
    if (!(start < end && start >= (cell['BillingPeriodStart'] ?? '') && end <= (cell['BillingPeriodEnd'] ?? '')))
      found.push(`row ${index}: the charge period is not within the billing period`)
    const product = Number(cell['ListUnitPrice']) * Number(cell['PricingQuantity'])
    if (Math.abs(product - Number(cell['ListCost'])) > 1e-9)
      found.push(`row ${index}: ListCost is not price × quantity`)
  }
  return found
}

it('every row of the export keeps the rules of FOCUS 1.2, with a price list and without', async () => {
  const clock = new SettableClock({
    now: () => new Date('2026-02-27T10:00:00.000Z'),
    elapsed: () => ({ era: 'test', milliseconds: 0 }),
  })
  const plane = await openSqlitePlane({ compute: 'simulated', clock })
  try {
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), { ...vmRequest('vm1'), tags: { 'a,"b': 'c\nd' } })
    clock.advance(4 * 24 * 3600_000 + 12_345)
    const path = `/subscriptions/${subscriptionId}/providers/Strongroom.Billing`
    const read = async (): Promise<FocusPage> =>
      (await plane.send('GET', `${path}/focusExport?from=2026-02-01&to=2026-03-31`)).body
    const unpriced = await read()
    // Three meters on five days and a fraction.
    expect([unpriced.rows.length, breaches(unpriced)]).toEqual([15, []])
    const items = [
      { meter: 'compute', unitPrice: 0.0965, unitOfMeasure: '1 Hour' },
      { meter: 'os-disk-encrypted', unitPrice: 0.07, unitOfMeasure: '1 GiB/Month' },
    ]
    await plane.send('PUT', `${path}/priceSheet`, { currency: 'EUR', items })
    const priced = await read()
    expect(breaches(priced)).toEqual([])
    const cost = priced.rows.reduce((total, row) => total + Number(row[priced.columns.indexOf('BilledCost')]), 0)
    // (96 h + 12.345 s) × 0.0965, and 4 GiB × the same time × 0.07 / 730.
    expect(cost).toBeCloseTo((96 + 12.345 / 3600) * (0.0965 + (4 * 0.07) / 730), 9)
    const broken = { ...priced, rows: priced.rows.map((row) => row.map((cell) => (cell === 'Usage' ? 'usage' : cell))) }
    expect(breaches(broken)).not.toEqual([])
  } finally {
    await plane.close()
  }
})
