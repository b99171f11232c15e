import { randomUUID } from 'node:crypto'
import { SettableClock, type Clock, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { migrations } from '../../store/migrations.ts'
import { ResourceStore } from '../../store/resources.ts'
import { Prices } from './price-list.ts'
import { linesOf } from './usage-lines.ts'
import { resourceTypes } from '../../resource-types.ts'
import { UsageLog } from './usage-log.ts'

const from = new Date('2026-01-01T00:00:00Z')
const to = new Date('2030-01-01T00:00:00Z')

/** A clock that stands still until it is moved. */
const standing = (era = 'boot 1', at = '2026-03-01T10:00:00.000Z'): SettableClock =>
  new SettableClock({ now: () => new Date(at), elapsed: () => ({ era, milliseconds: 5_000 }) })

async function begin(store: Store, clock: Clock): Promise<{ resources: ResourceStore; usage: UsageLog }> {
  const resources = new ResourceStore(store, clock)
  const usage = new UsageLog(resources, clock, resourceTypes)
  resources.watch(usage)
  await usage.open()
  return { resources, usage }
}

const internalOf = (size: string, deallocated: boolean): object => ({
  provisioned: true,
  deallocated,
  model: {
    vmSize: size,
    encryption: 'DiskWithVMGuestState',
    vTpm: true,
    osDisk: { name: 'os', sizeGiB: 30, storageAccountType: 'Premium_LRS' },
  },
})

const sizes = ['Standard_DC2as_v5', 'Standard_DC4as_v5'] as const
const week = 7 * 24 * 3600_000

/** Random steps: let time pass, correct the wall clock, restart the process, change the VM. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: week }) }),
  fc.record({ kind: fc.constant('step' as const), ms: fc.integer({ min: -week, max: week }) }),
  fc.record({ kind: fc.constant('die' as const) }),
  fc.record({ kind: fc.constant('allocate' as const), size: fc.constantFrom(...sizes) }),
  fc.record({ kind: fc.constant('deallocate' as const) }),
  fc.record({ kind: fc.constant('tag' as const), value: fc.constantFrom('a', 'b') }),
)

describeStores('usage', (open) => {
  it('is to the millisecond what passed, through deaths of the process and steps of the clock', async () => {
    const store = await open()
    await store.migrate('control-plane', migrations)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const clock = standing(randomUUID())
        let { resources, usage } = await begin(store, clock)
        const id = `/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/${randomUUID()}`
        await resources.transaction(
          async (tx) =>
            await resources.insert(tx, {
              id,
              location: 'westeurope',
              body: { properties: {} },
              internal: internalOf(sizes[0], true),
            }),
        )
        let size: string = sizes[0]
        let allocated = false
        const expected: Record<string, number> = { [sizes[0]]: 0, [sizes[1]]: 0 }
        let disk = 0
        for (const each of steps) {
          if (each.kind === 'pass') {
            clock.advance(each.ms)
            disk += each.ms
            if (allocated) expected[size]! += each.ms
          } else if (each.kind === 'step') clock.step(each.ms)
          else if (each.kind === 'die') ({ resources, usage } = await begin(store, clock))
          else
            await resources.transaction(
              async (tx) =>
                await resources.change(tx, id, (vm) => {
                  if (each.kind === 'tag') {
                    vm.body.tags = { team: each.value }
                    return
                  }
                  allocated = each.kind === 'allocate'
                  if (each.kind === 'allocate') size = each.size
                  vm.internal = internalOf(size, !allocated) as never
                }),
            )
        }
        await resources.transaction(async (tx) => await resources.remove(tx, id))
        clock.advance(week)
        const now = usage.now()
        const lines = linesOf(await usage.list({ from: new Date(0), to }), {
          from: new Date(0),
          to,
          now,
          prices: new Prices(),
        })
        const sum = (meter: string, sku?: string): number =>
          lines
            .filter((line) => line.meter === meter && (sku === undefined || line.sku === sku))
            .filter((line) => line.vmId === id)
            .reduce((total, line) => total + line.milliseconds, 0)
        expect([sum('compute', sizes[0]), sum('compute', sizes[1])]).toEqual(Object.values(expected))
        expect([sum('os-disk-encrypted'), sum('vmgs')]).toEqual([disk, disk])
      }),
      { numRuns: 25 },
    )
  })

  it('goes on by the wall clock where the machine was off, and never backwards', async () => {
    const store = await open()
    await store.migrate('control-plane', migrations)
    const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d'
    const before = await begin(store, standing('boot 1'))
    await before.resources.transaction(
      async (tx) =>
        await before.resources.insert(tx, {
          id,
          location: 'westeurope',
          body: { properties: { diskSizeGB: 4 }, sku: { name: 'Premium_LRS' } },
          internal: { managedBy: '' },
        }),
    )
    const hourLater = await begin(store, standing('boot 2', '2026-03-01T11:00:00.000Z'))
    expect(hourLater.usage.now().toISOString()).toBe('2026-03-01T11:00:00.000Z')
    // A machine with an empty battery starts in another century.
    const wrong = standing('boot 3', '1999-01-01T00:00:00.000Z')
    const after = await begin(store, wrong)
    wrong.advance(1_000)
    await after.resources.transaction(async (tx) => await after.resources.remove(tx, id))
    const [interval] = await after.usage.list({ from, to })
    expect([interval?.startedAt.toISOString(), interval?.endedAt?.toISOString()]).toEqual([
      '2026-03-01T10:00:00.000Z',
      '2026-03-01T10:00:01.000Z',
    ])
  })

  it('is written with the change, or not at all', async () => {
    const store = await open()
    await store.migrate('control-plane', migrations)
    const { resources, usage } = await begin(store, standing())
    const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d'
    const failing = resources.transaction(async (tx) => {
      await resources.insert(tx, { id, location: 'westeurope', body: { properties: { diskSizeGB: 4 } } })
      throw new Error('the rest of the work fails')
    })
    await expect(failing).rejects.toThrow('the rest')
    expect(await usage.list({ from, to })).toEqual([])
  })
})
