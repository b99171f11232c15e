import { systemClock } from '@strongroom/platform'
import { describeStores, type OpenTestStore } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { migrations } from '../../../store/migrations.ts'
import { ResourceStore } from '../../../store/resources.ts'
import { Quotas } from './quotas.ts'
import { findSize } from './sizes.ts'

const region = 'westeurope'
const size = (name: string): NonNullable<ReturnType<typeof findSize>> => findSize(name)!

describeStores('quotas', (open) => {
  it('never let more through than the limit, however many ask at once', async () => {
    const { quotas, reserve } = await openQuotas(open)
    const asked = await Promise.allSettled(
      Array.from({ length: 30 }, async (_, index) => await reserve(`vm${index}`, 'Standard_DC8as_v5')),
    )
    expect(asked.filter((one) => one.status === 'fulfilled')).toHaveLength(12)
    const refused = asked.find((one) => one.status === 'rejected')?.reason as {
      code: string
      status: number
      message: string
    }
    expect([refused.code, refused.status]).toEqual(['OperationNotAllowed', 409])
    expect(refused.message).toMatch(
      new RegExp(
        '^Operation could not be completed as it results in exceeding approved standardDCASv5Family Cores quota\\. ' +
          'Additional details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: 100, ' +
          'Current Usage: 96, Additional Required: 8, \\(Minimum\\) New Limit Required: 104\\. ',
      ),
    )
    const usage = (await quotas.usages(region, 0)).find((one) => one.name.value === 'standardDCASv5Family')
    expect(usage).toMatchObject({
      currentValue: 96,
      limit: 100,
      name: { localizedValue: 'Standard DCASv5 Family vCPUs' },
    })
  })

  it('count over all families of a region too', async () => {
    const { reserve } = await openQuotas(open)
    await reserve('a', 'Standard_DC64as_v5')
    await reserve('b', 'Standard_EC32as_v5')
    await expect(reserve('c', 'Standard_DC8es_v5')).rejects.toThrow(/exceeding approved Total Regional Cores quota/)
  })

  it('hold one reservation a VM, and give it back once', async () => {
    const { quotas, reserve, release } = await openQuotas(open)
    const cores = async (): Promise<number> => (await quotas.usages(region, 0))[0]!.currentValue
    await reserve('a', 'Standard_DC4as_v5')
    await reserve('a', 'Standard_DC4as_v5')
    expect(await cores()).toBe(4)
    await reserve('a', 'Standard_DC8as_v5')
    expect(await cores()).toBe(8)
    await release('a')
    await release('a')
    expect(await cores()).toBe(0)
  })

  it('follow a limit that was set', async () => {
    const { quotas, resources, reserve } = await openQuotas(open)
    await resources.transaction(
      async (tx) => await quotas.setLimit(tx, { region, name: 'standardDCASv5Family', limit: 0 }),
    )
    await expect(reserve('a', 'Standard_DC2as_v5')).rejects.toThrow(
      /Current Limit: 0, Current Usage: 0, Additional Required: 2/,
    )
  })
})

async function openQuotas(open: OpenTestStore): Promise<{
  quotas: Quotas
  resources: ResourceStore
  reserve: (owner: string, name: string) => Promise<void>
  release: (owner: string) => Promise<void>
}> {
  const store = await open()
  await store.migrate('control-plane', migrations)
  const resources = new ResourceStore(store, systemClock)
  const quotas = new Quotas({ resources, store, subscriptionId: 'sub' })
  return {
    quotas,
    resources,
    reserve: async (owner, name) =>
      await resources.transaction(async (tx) => await quotas.reserve(tx, { owner, region, size: size(name) })),
    release: async (owner) => await resources.transaction(async (tx) => await quotas.release(tx, owner)),
  }
}
