import { SettableClock } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { group, makeNetwork, openTestPlane, subscriptionId, vmPath, vmRequest, type Loose, type TestPlane } from '../../../testing/test-plane.ts' // prettier-ignore

const hour = 3600_000
const sub = `/subscriptions/${subscriptionId}`
const budgetPath = (name: string, scope = sub): string => `${scope}/providers/Microsoft.Consumption/budgets/${name}`
const alertsPath = `${sub}/providers/Microsoft.CostManagement/alerts`
const prices = { currency: 'EUR', items: [{ meter: 'compute', unitPrice: 0.1, unitOfMeasure: '1 Hour' }] }

const budget = (more: object = {}): { properties: Loose } => ({
  properties: {
    category: 'Cost',
    amount: 10,
    timeGrain: 'Monthly',
    timePeriod: { startDate: '2026-03-01T00:00:00Z', endDate: '2027-01-01T00:00:00Z' },
    notifications: {
      half: { enabled: true, operator: 'GreaterThan', threshold: 50, contactEmails: ['a@b.example'] },
      most: { enabled: true, operator: 'GreaterThanOrEqualTo', threshold: 90, contactEmails: [] },
      off: { enabled: false, operator: 'GreaterThan', threshold: 1, contactEmails: [] },
    },
    ...more,
  },
})

/** One VM that costs 0.1 EUR an hour from 10 March on. */
async function open(store: Parameters<typeof openTestPlane>[0]): Promise<{ plane: TestPlane; clock: SettableClock }> {
  const clock = new SettableClock({ now: () => new Date('2026-03-10T10:00:00.000Z'), elapsed: () => ({ era: 'test', milliseconds: 0 }) }) // prettier-ignore
  const plane = await openTestPlane(store, undefined, { compute: 'simulated', clock })
  await makeNetwork(plane, 'vm1')
  await plane.send('PUT', `${sub}/providers/Strongroom.Billing/priceSheet`, prices)
  await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
  return { plane, clock }
}

const triggered = async (plane: TestPlane, path = alertsPath): Promise<string[]> =>
  (await plane.send('GET', path)).body.value.map(({ properties }: Loose) => `${properties.costEntityId} ${properties.details.triggeredBy} ${properties.details.periodStartDate}`) // prettier-ignore
const events = async (plane: TestPlane): Promise<number> => {
  const { body } = await plane.send('GET', `${sub}/providers/Microsoft.Insights/eventtypes/management/values`)
  return body.value.filter((each: Loose) => each.operationName.value === 'Microsoft.Consumption/budgets/thresholdReached/event').length // prettier-ignore
}

describeStores('a budget', (store) => {
  it('tells what is spent and raises each alert once a period, with an event in the activity log', async () => {
    const { plane, clock } = await open(await store())
    try {
      const made = await plane.send('PUT', budgetPath('team'), budget())
      expect([made.status, made.body.properties.currentSpend]).toEqual([201, { amount: 0, unit: 'EUR' }])
      clock.advance(50 * hour)
      // 5 EUR are 50 %, which is not above it.
      expect(await triggered(plane)).toEqual([])
      clock.advance(hour)
      expect(await triggered(plane)).toEqual(['team half 2026-03-01'])
      const [alert] = (await plane.send('GET', alertsPath)).body.value
      expect(alert.properties).toMatchObject({
        status: 'Active',
        details: { amount: 10, threshold: 50, currentSpend: 5.1, unit: 'EUR' },
        description: 'team: 5.1 of 10 EUR is spent; the notification threshold is 50 %.',
      })
      expect(await events(plane)).toBe(1)
      clock.advance(39 * hour)
      expect(await triggered(plane)).toEqual(['team most 2026-03-01', 'team half 2026-03-01'])
      expect((await plane.send('GET', budgetPath('TEAM'))).body.properties.currentSpend.amount).toBe(9)
      expect(await events(plane)).toBe(2)
      // The next month starts from zero.
      clock.set(new Date('2026-04-01T01:00:00Z'))
      expect(await triggered(plane)).toHaveLength(2)
      clock.advance(60 * hour)
      expect(await triggered(plane)).toContain('team half 2026-04-01')
      // A changed budget alerts again; a deleted one removes its alerts.
      await plane.send('PUT', budgetPath('team'), budget({ amount: 1000 }))
      expect(await triggered(plane)).toEqual([])
      await plane.send('PUT', budgetPath('team'), budget({ amount: 1 }))
      expect(await triggered(plane)).toHaveLength(2)
      expect((await plane.send('DELETE', budgetPath('team'))).status).toBe(200)
      expect((await plane.send('DELETE', budgetPath('team'))).status).toBe(204)
      expect([await triggered(plane), (await plane.send('GET', budgetPath('team'))).status]).toEqual([[], 404])
    } finally {
      await plane.service.close()
    }
  })

  it('counts what its scope and filter leave, speaks without notifications when all is spent, and goes with its group', async () => {
    const { plane, clock } = await open(await store())
    try {
      const other = group.replace('rg1', 'rg2')
      await plane.send('PUT', other, { location: 'westeurope' })
      // As az consumption writes it.
      const az = { category: 'cost', timeGrain: 'monthly', notifications: undefined, amount: 1, timePeriod: { startDate: '2026-03-01 00:00:00', endDate: '2027-01-01 00:00:00' } } // prettier-ignore
      await plane.send('PUT', budgetPath('here', group), budget(az))
      await plane.send('PUT', budgetPath('there', other), budget(az))
      await plane.send('PUT', budgetPath('disks'), budget({ ...az, filters: { meters: ['vmgs'] } }))
      await plane.send('PUT', budgetPath('usage'), budget({ ...az, category: 'usage', amount: 20, filters: { meters: ['compute'] } })) // prettier-ignore
      const tagged = { tags: { name: 'team', operator: 'In', values: ['red'] } }
      await plane.send('PUT', budgetPath('red'), budget({ ...az, filter: tagged }))
      clock.advance(20 * hour)
      expect((await triggered(plane)).toSorted()).toEqual(['here Spent 2026-03-01', 'usage Spent 2026-03-01'])
      expect(await triggered(plane, alertsPath.replace(sub, other))).toEqual([])
      expect((await plane.send('GET', budgetPath('usage'))).body.properties.currentSpend).toEqual({ amount: 20, unit: 'Hours' }) // prettier-ignore
      const { value } = (await plane.send('GET', budgetPath('').replace(/\/$/, ''))).body
      expect(value.map(({ name }: Loose) => name)).toEqual(['disks', 'red', 'usage'])
      await plane.run('DELETE', group)
      await plane.send('PUT', group, { location: 'westeurope' })
      expect((await plane.send('GET', budgetPath('here', group))).status).toBe(404)
      expect(await triggered(plane)).toEqual(['usage Spent 2026-03-01'])
    } finally {
      await plane.service.close()
    }
  })

  it('is refused with every problem, changed by whoever has its eTag, and read by a reader who does not write it', async () => {
    const { plane } = await open(await store())
    try {
      const wrong = await plane.send('PUT', budgetPath('a b'), {
        properties: { amount: -1, timeGrain: 'Daily', timePeriod: { startDate: '2026-03-02' }, category: 'Usage', filter: { x: 1 }, notifications: { n: { threshold: 2000 } } }, // prettier-ignore
      })
      expect(wrong.status).toBe(400)
      expect(wrong.body.error.details.map(({ target }: Loose) => target)).toEqual(
        expect.arrayContaining(['name', 'properties.amount', 'properties.timeGrain', 'properties.timePeriod.startDate', 'properties.filters.meters', 'properties.filter', 'properties.notifications.n.operator', 'properties.notifications.n.threshold']), // prettier-ignore
      )
      const forecast = budget({ notifications: { n: { operator: 'GreaterThan', threshold: 1, thresholdType: 'Forecasted' } } }) // prettier-ignore
      expect((await plane.send('PUT', budgetPath('team'), forecast)).body.error.code).toBe('NotSupported')

      const { eTag } = (await plane.send('PUT', budgetPath('team'), budget())).body
      const changed = await plane.send('PUT', budgetPath('team'), { ...budget({ amount: 11 }), eTag })
      expect([changed.status, changed.body.properties.amount]).toEqual([200, 11])
      const stale = await plane.send('PUT', budgetPath('team'), { ...budget({ amount: 12 }), eTag })
      expect([stale.status, stale.body.error.code]).toEqual([412, 'PreconditionFailed'])

      const reader = '0f2a9f3e-0000-4000-8000-00000000dddd'
      const role = `${sub}/providers/Microsoft.Authorization/roleDefinitions/72fafb9e-0641-4937-9268-a91bfd8191a3`
      await plane.send('PUT', `${sub}/providers/Microsoft.Authorization/roleAssignments/0f2a9f3e-0000-4000-8000-00000000eeee`, { properties: { roleDefinitionId: role, principalId: reader, principalType: 'ServicePrincipal' } }) // prettier-ignore
      expect((await plane.send('GET', budgetPath('team'), undefined, { as: reader })).status).toBe(200)
      expect((await plane.send('PUT', budgetPath('team'), budget(), { as: reader })).status).toBe(403)
      const lock = `${sub}/providers/Microsoft.Authorization/locks/keep`
      await plane.send('PUT', lock, { properties: { level: 'CanNotDelete' } })
      expect((await plane.send('DELETE', budgetPath('team'))).body.error.code).toBe('ScopeLocked')
    } finally {
      await plane.service.close()
    }
  })
})
