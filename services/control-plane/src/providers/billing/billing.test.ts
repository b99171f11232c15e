import { SettableClock } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../testing/sqlite-plane.ts'
import { group, makeNetwork, subscriptionId, vmPath, vmRequest, type TestPlane } from '../../testing/test-plane.ts'

const hour = 3600_000
const sub = `/subscriptions/${subscriptionId}`
const sheet = `${sub}/providers/Strongroom.Billing/priceSheet`
const prices = {
  currency: 'EUR',
  items: [
    { meter: 'compute', armSkuName: 'Standard_DC2as_v5', unitPrice: 0.1, unitOfMeasure: '1 Hour' },
    {
      meter: 'compute',
      armSkuName: 'Standard_DC4as_v5',
      armRegionName: 'westeurope',
      unitPrice: 0.2,
      unitOfMeasure: '1 Hour',
    },
    { meter: 'os-disk', unitPrice: 0.073, unitOfMeasure: '1 GiB/Month' },
    { meter: 'os-disk-encrypted', unitPrice: 0.146, unitOfMeasure: '1 GiB/Month' },
    { meter: 'vmgs', unitPrice: 7.3, unitOfMeasure: '1/Month' },
    { meter: 'managed-hsm', unitPrice: 3.2, unitOfMeasure: '1 Hour' },
  ],
}

let clock: SettableClock
let plane: TestPlane & { close(): Promise<void> }
beforeEach(async () => {
  clock = new SettableClock({
    now: () => new Date('2026-03-10T10:00:00.000Z'),
    elapsed: () => ({ era: 'test', milliseconds: 0 }),
  })
  plane = await openSqlitePlane({ compute: 'simulated', clock })
  await makeNetwork(plane, 'vm1')
  expect((await plane.send('PUT', sheet, prices)).status).toBe(200)
})
afterEach(async () => await plane.close())

const query = async (grouping: object[], scope = sub, extra: object = {}): Promise<(string | number)[][]> => {
  const body = {
    type: 'ActualCost',
    timeframe: 'MonthToDate',
    dataset: { granularity: 'None', aggregation: { totalCost: { name: 'Cost', function: 'Sum' } }, grouping, ...extra },
  }
  const reply = await plane.send('POST', `${scope}/providers/Microsoft.CostManagement/query`, body)
  expect(reply.status, JSON.stringify(reply.body)).toBe(200)
  return reply.body.properties.rows
}
const byMeter = async (): Promise<Record<string, number>> =>
  Object.fromEntries((await query([{ type: 'Dimension', name: 'Meter' }])).map(([cost, meter]) => [meter, cost]))

describe('metering over the wire', () => {
  it('counts cores while they are allocated, disks and guest state while they exist, each at its price', async () => {
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    clock.advance(10 * hour)
    await plane.run('POST', `${vmPath('vm1')}/powerOff`)
    clock.advance(10 * hour)
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    clock.advance(10 * hour)
    // 20 hours at 0.1; 4 GiB for 30 of 730 hours at 0.146; guest state for 30 of 730 hours at 7.3.
    expect(await byMeter()).toEqual({ compute: 2, 'os-disk-encrypted': 0.024, vmgs: 0.3 })
    await plane
      .run('PATCH', vmPath('vm1'), { properties: { hardwareProfile: { vmSize: 'Standard_DC4as_v5' } } })
      .catch(() => undefined)
    await plane.run('POST', `${vmPath('vm1')}/start`)
    clock.advance(5 * hour)
    expect((await byMeter())['compute']).toBe(3)
    await plane.run('DELETE', vmPath('vm1'))
    clock.advance(100 * hour)
    expect(await byMeter()).toEqual({ compute: 3, 'os-disk-encrypted': 0.028, vmgs: 0.35 })
  })

  it('asks nothing for a creation that failed', async () => {
    const other = await openSqlitePlane({ clock })
    try {
      await makeNetwork(other, 'vm1')
      other.wire.provisioningError = { code: 'StorageFull', message: 'The disk is full.' }
      expect((await other.run('PUT', vmPath('vm1'), vmRequest('vm1'))).operation.status).toBe('Failed')
      clock.advance(10 * hour)
      expect((await other.send('GET', `${sub}/providers/Microsoft.Consumption/usageDetails`)).body.value).toEqual([])
    } finally {
      await other.close()
    }
  })

  it('tells cost by VM, group and tag, as the tags were at the time', async () => {
    await plane.run('PUT', vmPath('vm1'), { ...vmRequest('vm1'), tags: { Team: 'blue' } })
    clock.advance(10 * hour)
    await plane.send('PATCH', vmPath('vm1'), { tags: { Team: 'red' } })
    clock.advance(20 * hour)
    const byTag = await query([{ type: 'TagKey', name: 'team' }])
    expect(byTag.toSorted((a, b) => Number(a[0]) - Number(b[0]))).toEqual([
      [1.108, 'team', 'blue', 'EUR'],
      [2.216, 'team', 'red', 'EUR'],
    ])
    const byVm = await query([{ type: 'Dimension', name: 'VirtualMachineId' }], group)
    expect(byVm).toEqual([[3.324, vmPath('vm1').toLowerCase(), 'EUR']])
    expect(await query([{ type: 'Dimension', name: 'ResourceGroupName' }])).toEqual([[3.324, 'rg1', 'EUR']])
    const red = {
      filter: {
        and: [
          { tags: { name: 'TEAM', operator: 'In', values: ['red'] } },
          { dimensions: { name: 'Meter', operator: 'In', values: ['compute'] } },
        ],
      },
    }
    const { status, body } = await plane.send('POST', `${sub}/providers/Microsoft.CostManagement/query`, {
      type: 'ActualCost',
      dataset: red,
    })
    expect([status, body.error.code, body.error.target]).toEqual([400, 'NotSupported', 'dataset.filter'])
    expect(
      (await plane.send('POST', `${sub}/resourceGroups/none/providers/Microsoft.CostManagement/query`, {})).body.error
        .code,
    ).toBe('ResourceGroupNotFound')
  })

  it('shows usage details by day, in pages, within the days that were asked for', async () => {
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    clock.advance(48 * hour)
    const path =
      `${sub}/providers/Microsoft.Consumption/usageDetails?$expand=properties/meterDetails&$filter=properties/usageEnd ` +
      "ge '2026-03-11T00:00:00Z' and properties/usageEnd le '2026-03-11T00:00:00Z'"
    const { body } = await plane.send('GET', encodeURI(path))
    const compute = body.value.find(
      (one: { properties: { instanceName: string } }) => one.properties.instanceName === 'vm1',
    )
    expect(body.value).toHaveLength(3)
    expect(compute.properties).toMatchObject({
      usageStart: '2026-03-11T00:00:00.0000000Z',
      usageQuantity: 24,
      pretaxCost: 2.4,
      currency: 'EUR',
      instanceLocation: 'West Europe',
      meterDetails: { unit: '1 Hour', pretaxStandardRate: 0.1, meterName: 'Standard_DC2as_v5' },
    })
    const first = await plane.send('GET', `${sub}/providers/Microsoft.Consumption/usageDetails?$top=5`)
    expect(first.body.value).toHaveLength(5)
    const second = await plane.send('GET', first.body.nextLink.replace('https://management.strongroom.internal', ''))
    expect([second.body.value.length, second.body.nextLink]).toEqual([4, undefined])
    const period = `${sub}/providers/Microsoft.Billing/billingPeriods/202602/providers/Microsoft.Consumption/usageDetails`
    expect((await plane.send('GET', period)).body.value).toEqual([])
    const wrong = await plane.send('GET', `${sub}/providers/Microsoft.Consumption/usageDetails?$filter=cost gt 1`)
    expect([wrong.status, wrong.body.error.code]).toEqual([400, 'BadRequest'])
  })

  it('counts a managed HSM pool, and a data disk apart from its VM', async () => {
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    const disk = { location: 'westeurope', properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 8 } }
    await plane.send('PUT', `${group}/providers/Microsoft.Compute/disks/data`, disk)
    const hsm = {
      location: 'westeurope',
      properties: {
        tenantId: '0f2a9f3e-0000-4000-8000-00000000bbbb',
        initialAdminObjectIds: ['0f2a9f3e-0000-4000-8000-00000000cccc'],
      },
    }
    expect((await plane.send('PUT', `${group}/providers/Microsoft.KeyVault/managedHSMs/pool1`, hsm)).status).toBe(200)
    clock.advance(hour)
    expect(await byMeter()).toMatchObject({ 'managed-hsm': 3.2, compute: 0.1, 'data-disk': 0 })
  })

  it('takes a price list whole or names all that is wrong with it', async () => {
    const wrong = {
      currency: 'euro',
      items: [
        { meter: 'compute', unitPrice: -1, unitOfMeasure: '1 Hour' },
        { meter: 'os-disk', unitPrice: 1, unitOfMeasure: '1 Hour' },
        { meter: 'vmgs', unitPrice: 1, unitOfMeasure: '1/Month', armRegionName: 'atlantis', retailprice: 3 },
        { meter: 'vmgs', unitPrice: 1, unitOfMeasure: '1/Month', effectiveStartDate: '2026-02-30' },
      ],
    }
    const reply = await plane.send('PUT', sheet, wrong)
    expect(reply.status).toBe(400)
    const targets = reply.body.error.details.map((one: { target: string }) => one.target)
    expect(targets.toSorted()).toEqual([
      'currency',
      'items[0].unitPrice',
      'items[1].unitOfMeasure',
      'items[2].armRegionName',
      'items[2].retailprice',
      'items[3].effectiveStartDate',
    ])
    expect((await plane.send('GET', sheet)).body.currency).toBe('EUR')
  })

  it('looks at no entry of a list that is longer than any (attack W22)', async () => {
    const reply = await plane.send('PUT', sheet, { currency: 'EUR', items: Array.from({ length: 50_001 }, () => 0) })
    expect([reply.status, reply.body.error.target, reply.body.error.details]).toEqual([400, 'items', undefined])
  })

  it('prices a day by the price that held on it', async () => {
    const changed = {
      ...prices,
      items: [...prices.items, { ...prices.items[0], unitPrice: 1, effectiveStartDate: '2026-03-11' }],
    }
    expect((await plane.send('PUT', sheet, changed)).status).toBe(200)
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    clock.advance(15 * hour)
    // 14 hours of the 10th at 0.1, 1 hour of the 11th at 1.
    expect((await byMeter())['compute']).toBe(2.4)
  })
})
