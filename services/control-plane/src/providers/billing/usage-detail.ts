import { createHash } from 'node:crypto'
import type { MeterKind } from '@strongroom/contract'
import { findRegion } from '../../arm/regions.ts'
import { toNumber, type Fraction } from './decimal.ts'
import { countsGiB } from '../../types/meter.ts'
import { nextDay, unitsOf, type UsageLine } from './usage-lines.ts'

const names: Record<MeterKind, { description: string; service: string }> = {
  compute: { description: 'Allocated virtual machine', service: 'Virtual Machines' },
  'os-disk': { description: 'OS disk', service: 'Managed Disks' },
  'os-disk-encrypted': { description: 'OS disk with confidential encryption', service: 'Managed Disks' },
  'data-disk': { description: 'Data disk', service: 'Managed Disks' },
  snapshot: { description: 'Snapshot', service: 'Managed Disks' },
  vmgs: { description: 'Guest state (VMGS) of a confidential VM', service: 'Managed Disks' },
  'managed-hsm': { description: 'Managed HSM pool', service: 'Managed HSM' },
}

/** A GUID derived from text: stable for the same meter or line. */
function guidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}

/** A line as Microsoft.Consumption shows it, with the members that stock clients read. */
export function usageDetail(
  line: UsageLine,
  o: { subscriptionId: string; currency: string; expand: string },
): Record<string, unknown> {
  const { resourceId, day } = line
  const { description, service } = names[line.meter]
  const id = guidOf(JSON.stringify([day, resourceId, line.meter, line.sku, line.quantity, line.tags]))
  const quantity: Fraction = unitsOf(line) ?? line.hours
  const base = `/subscriptions/${o.subscriptionId}/providers`
  const unit = line.price?.unit ?? (countsGiB(line.meter) ? '1 GiB/Hour' : '1 Hour')
  return {
    id: `${base}/Microsoft.Billing/billingPeriods/${day.slice(0, 7).replace('-', '')}/providers/Microsoft.Consumption/usageDetails/${id}`,
    name: id,
    type: 'Microsoft.Consumption/usageDetails',
    kind: 'legacy',
    ...(Object.keys(line.tags).length > 0 && { tags: line.tags }),
    properties: {
      billingPeriodId: `${base}/Microsoft.Billing/billingPeriods/${day.slice(0, 7).replace('-', '')}`,
      usageStart: `${day}T00:00:00.0000000Z`,
      usageEnd: `${nextDay(day)}T00:00:00.0000000Z`,
      instanceId: resourceId,
      instanceName: resourceId.split('/').at(-1),
      instanceLocation: findRegion(line.region)?.displayName ?? line.region,
      meterId: guidOf(`${line.meter}/${line.sku}/${line.region}`),
      usageQuantity: toNumber(quantity),
      billableQuantity: toNumber(quantity),
      pretaxCost: toNumber(line.cost),
      currency: o.currency,
      isEstimated: false,
      subscriptionGuid: o.subscriptionId,
      subscriptionName: 'Strongroom',
      product: line.price?.item.productName ?? `${description} - ${line.sku}`,
      consumedService: resourceId.split('/')[6] ?? '',
      ...(o.expand.includes('meterdetails') && {
        meterDetails: {
          meterName: line.price?.item.meterName ?? line.sku,
          meterCategory: service,
          meterSubCategory: description,
          unit,
          meterLocation: findRegion(line.region)?.displayName ?? line.region,
          totalIncludedQuantity: 0,
          pretaxStandardRate: line.price ? toNumber(line.price.perUnit) : 0,
        },
      }),
      ...(o.expand.includes('additionalproperties') && {
        additionalProperties: JSON.stringify({ Meter: line.meter, Milliseconds: line.milliseconds, Vm: line.vmId }),
      }),
    },
  }
}
