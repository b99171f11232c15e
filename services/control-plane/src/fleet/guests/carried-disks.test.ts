import type { AttachedDisk } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { migrations } from '../../store/migrations.ts'
import { CarriedDisks, diskOf } from './carried-disks.ts'

const [one, two] = ['A', 'B'].map((letter) => `ABCDEF01-2345-6789-ABCD-EF012345678${letter}`) as [string, string]
const idOf = (which: number): string => `5A1E0000-0000-4000-8000-0000000D15C${which}`
const attached = (lun: number, which: number, sizeGiB = 1): AttachedDisk => ({
  lun,
  disk: idOf(which),
  sizeGiB,
  shown: { id: `/disks/${which}`, name: String(which), caching: 'None', storageAccountType: 'Premium_LRS' },
})
const inUse = expect.objectContaining({ code: 'DataDiskInUse' })

describeStores('the data disks of carried guests', (open) => {
  const setUp = async (): Promise<CarriedDisks> => {
    const store = await open()
    await store.migrate('control-plane', migrations)
    return new CarriedDisks(store)
  }

  it('are as they were set last, by LUN; one that leaves is no longer opened, and free only when it is said so', async () => {
    const disks = await setUp()
    expect(await disks.set(one, [attached(5, 0), attached(2, 1)])).toEqual([])
    expect((await disks.of(one)).map(({ lun }) => lun)).toEqual([2, 5])
    expect(await disks.set(one, [attached(2, 0, 3)])).toEqual([idOf(1)])
    expect(await disks.of(one)).toEqual([attached(2, 0, 3)])
    const vms = { diskGiB: async () => await Promise.resolve(4) }
    expect(await diskOf({ vms, disks }, one, idOf(0))).toEqual({ id: idOf(0), sizeGiB: 3 })
    expect(await diskOf({ vms, disks }, one, undefined)).toEqual({ sizeGiB: 4 })
    for (const [vm, id] of [
      [one, idOf(1)],
      [two, idOf(0)],
      [one, idOf(7)],
    ] as const)
      expect(await diskOf({ vms, disks }, vm, id)).toBeUndefined()
    await expect(disks.set(two, [attached(0, 1)])).rejects.toEqual(inUse)
    expect(await disks.holderOf(idOf(1))).toBe(one)
    // Neither one that stays nor another VM's is freed by it.
    await disks.free(one, idOf(0))
    await disks.free(two, idOf(1))
    expect(await disks.holderOf(idOf(0))).toBe(one)
    expect(await disks.holderOf(idOf(1))).toBe(one)
    await disks.free(one, idOf(1))
    await disks.set(two, [attached(0, 1)])
    expect(await disks.holderOf(idOf(1))).toBe(two)
  })

  it('have one VM, whoever asks at once, and a refused request changes nothing', async () => {
    const disks = await setUp()
    await disks.set(two, [attached(0, 2)])
    await expect(disks.set(one, [attached(1, 3), attached(0, 2)])).rejects.toEqual(inUse)
    expect(await disks.holderOf(idOf(3))).toBeUndefined()
    const both = await Promise.allSettled([
      disks.set(one, [attached(0, 4)]),
      disks.set(two, [attached(0, 2), attached(1, 4)]),
    ])
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'DataDiskInUse' } })
  })

  it('that are to be detached come back where they are asked for again, and are free once the VM is gone', async () => {
    const disks = await setUp()
    await disks.set(one, [attached(0, 0)])
    expect(await disks.set(one, [])).toEqual([idOf(0)])
    expect(await disks.set(one, [])).toEqual([idOf(0)])
    expect(await disks.set(one, [attached(0, 0)])).toEqual([])
    await disks.free(one, idOf(0))
    expect(await disks.of(one)).toHaveLength(1)
    await disks.freeAll(one)
    await disks.set(two, [attached(0, 0)])
  })
})
