import { randomUUID } from 'node:crypto'
import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { migrations } from '../store/migrations.ts'
import type { Need } from './choose.ts'
import { Placements } from './placements.ts'
import { HostRegistry } from './registry.ts'

const need: Need = { region: 'westeurope', tee: 'SNP', vCPUs: 4, memoryMiB: 16_384 }
const past = '2026-01-01T00:00:00.000Z'

interface Opened {
  store: Store
  registry: HostRegistry
  placements: Placements
}

async function open(store: Store): Promise<Opened> {
  await store.migrate('control-plane', migrations)
  // Leases end where a test ends them, however slow the machine is.
  const registry = new HostRegistry(store, { leaseSeconds: 3600 })
  return { store, registry, placements: new Placements(store, registry) }
}

/** A host that has just called. @returns its id */
async function host({ registry }: Opened, name: string, vCPUs = 16, zone = '1'): Promise<string> {
  const { secret } = await registry.add({
    name,
    region: 'westeurope',
    zone,
    tees: ['SNP'],
    labels: {},
    vCPUs,
    memoryMiB: vCPUs * 4096,
  })
  const joined = await registry.redeem({ name, secret, key: randomUUID().replaceAll('-', '').repeat(2) })
  await registry.renew(joined)
  return joined.id
}

const place = async ({ placements }: Opened, vmId: string, o: Partial<Need> = {}) =>
  await placements.transaction(
    async (tx) => await placements.place(tx, { vmId, resourceId: `/vms/${vmId}`, need: { ...need, ...o } }),
  )
const reserved = async ({ registry }: Opened): Promise<Record<string, number>> =>
  Object.fromEntries((await registry.list()).map(({ name, usedVCPUs }) => [name, usedVCPUs]))

describeStores('placements', (openStore) => {
  it('reserve cores and memory on the host, spread by zone, and say which host and why', async () => {
    const opened = await open(await openStore())
    await host(opened, 'a')
    await host(opened, 'b', 16, '2')
    const first = await place(opened, 'VM-1')
    expect(first).toMatchObject({ epoch: 1, vcpus: 4, memory_mib: 16_384, wanted: 'Stopped', run: 0 })
    expect(JSON.parse(first.why)).toMatchObject({ considered: 2, fitting: 2, chosen: { host: 'a', zone: '1' } })
    await place(opened, 'VM-2')
    expect(await reserved(opened)).toEqual({ a: 4, b: 4 })
    // Placing it again changes nothing.
    expect(await place(opened, 'VM-1')).toEqual(first)
    expect(await reserved(opened)).toEqual({ a: 4, b: 4 })
  })

  it('are refused where nothing fits, with the hosts that were ruled out and why', async () => {
    const opened = await open(await openStore())
    await host(opened, 'full', 4)
    await host(opened, 'drained')
    await opened.registry.setDraining('drained', true)
    await place(opened, 'VM-1', { zone: '1' })
    const refused = await place(opened, 'VM-2').then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(refused).toMatchObject({ code: 'AllocationFailed', status: 409, found: 'none of 2 hosts' })
    expect((refused as { details: { message: string }[] }).details.map(({ message }) => message)).toEqual([
      '1 host: is being drained (drained)',
      '1 host: has no room for its cores (full)',
    ])
    await expect(place(opened, 'VM-2', { zone: '3' })).rejects.toMatchObject({ code: 'ZonalAllocationFailed' })
    expect(await opened.placements.find('VM-2')).toBeUndefined()
  })

  it('that come at once from two processes never reserve more than there is, and leave nothing free', async () => {
    const store = await openStore()
    const processes = [await open(store), await open(await openStore({ sameAs: store }))]
    for (const name of ['a', 'b']) await host(processes[0]!, name, 8)
    // Four fit: two hosts of two.
    const placing = Array.from({ length: 6 }, async (_, index) => {
      for (;;) {
        try {
          await place(processes[index % 2]!, `VM-${index}`)
          return 'placed'
        } catch (error) {
          const { code, message } = error as { code?: string; message: string }
          if (code !== 'ServerBusy') return code ?? message
        }
      }
    })
    const outcomes = (await Promise.all(placing)).toSorted()
    expect(outcomes).toEqual([...Array(2).fill('AllocationFailed'), ...Array(4).fill('placed')])
    expect(await reserved(processes[0]!)).toEqual({ a: 8, b: 8 })
  })

  it('spread a set’s VMs that come at once from two processes over the hosts', async () => {
    const store = await openStore()
    const processes = [await open(store), await open(await openStore({ sameAs: store }))]
    for (const name of ['a', 'b', 'c', 'd']) await host(processes[0]!, name)
    const spread = { id: '/sets/Web', faultDomains: 2, updateDomains: 5 }
    const at = '2026-01-01T00:00:00.000Z'
    await store.db
      .insertInto('resource')
      .values({
        key: '/sets/web',
        id: spread.id,
        type: 't',
        resource_group: '',
        name: 'web',
        location: '',
        body: '{}',
        internal: '{}',
        etag: '',
        created_at: at,
        updated_at: at,
      })
      .execute()
    const placing = Array.from({ length: 4 }, async (_, index) => {
      for (;;) {
        try {
          return await place(processes[index % 2]!, `VM-${index}`, { spread })
        } catch (error) {
          if ((error as { code?: string }).code !== 'ServerBusy') throw error
        }
      }
    })
    const placed = await Promise.all(placing)
    expect(new Set(placed.map((each) => each.host)).size).toBe(4)
    const sorted = (domains: (number | null)[]): number[] => domains.map(Number).toSorted((a, b) => a - b)
    expect(sorted(placed.map((each) => each.fault_domain))).toEqual([0, 0, 1, 1])
    expect(sorted(placed.map((each) => each.update_domain))).toEqual([0, 1, 2, 3])
    // Those that have left their hosts do not count.
    const { placements } = processes[0]!
    for (const { vm_id } of placed.slice(1))
      await placements.transaction(async (tx) => await placements.release(tx, vm_id))
    const again = await place(processes[0]!, 'VM-1', { spread })
    expect(again.host).not.toBe(placed[0]!.host)
    expect(sorted([placed[0]!.fault_domain, again.fault_domain])).toEqual([0, 1])
  })

  it('keep a VM’s epoch when it is taken from its host, and give it the next with another one', async () => {
    const opened = await open(await openStore())
    const a = await host(opened, 'a')
    await place(opened, 'VM-1')
    const before = await opened.placements.revision(a)
    await opened.placements.transaction(async (tx) => await opened.placements.release(tx, 'VM-1'))
    expect(await opened.placements.find('VM-1')).toMatchObject({ host: null, epoch: 1, wanted: 'Stopped' })
    expect(await opened.placements.revision(a)).toBe(before + 1)
    expect(await opened.placements.on(a)).toEqual([])
    expect(await reserved(opened)).toEqual({ a: 0 })
    expect(await place(opened, 'VM-1')).toMatchObject({ host: a, epoch: 2 })
    await expect(opened.registry.remove('a')).rejects.toMatchObject({ code: 'HostInUse' })
    expect(await opened.placements.forget('VM-1')).toBe(a)
    await opened.registry.remove('a')
  })

  it('are taken from a host whose lease is over alone, and its VMs wait under what was wanted of them', async () => {
    const opened = await open(await openStore())
    const { store, placements } = opened
    const a = await host(opened, 'a')
    const placed = await place(opened, 'VM-1')
    await placements.transaction(async (tx) => await placements.want(tx, placed, 'Running', { again: true }))
    const abandon = async () =>
      await placements.transaction(async (tx) => await placements.abandon(tx, { host: a, vmIds: ['VM-1'] }))
    expect(await placements.lostHosts()).toEqual([])
    expect(await abandon()).toEqual([])
    await store.db.updateTable('fleet_lease').set({ until: past }).execute()
    expect(await placements.lostHosts()).toEqual([a])
    expect(await abandon()).toMatchObject([{ host: a, epoch: 1 }])
    expect(await placements.lostHosts()).toEqual([])
    expect(await placements.waiting(10)).toMatchObject([
      { vm_id: 'VM-1', host: null, epoch: 1, wanted: 'Running', run: 1 },
    ])
    // A lost host cannot take it; another one can.
    await expect(place(opened, 'VM-1')).rejects.toMatchObject({
      details: [{ message: expect.stringContaining('(a)') }],
    })
    const b = await host(opened, 'b')
    expect(await place(opened, 'VM-1')).toMatchObject({ host: b, epoch: 2, run: 1 })
    expect(await reserved(opened)).toEqual({ a: 0, b: 4 })
  })
})
