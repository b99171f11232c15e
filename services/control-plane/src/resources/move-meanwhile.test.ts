import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import {
  group,
  makeNetwork,
  networkPath,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type TestPlane,
  type TestReply,
} from '../testing/test-plane.ts'
import { interrupted } from '../testing/interrupted.ts'
import { idInGroup } from './move-rules.ts'

const target = `/subscriptions/${subscriptionId}/resourceGroups/rg2`
const location = 'westeurope'
const there = (path: string): string => idInGroup(path, target)
const compute = (type: string, name: string): string => `${group}/providers/Microsoft.Compute/${type}/${name}`
const emptyDisk = { location, properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 4 } }
/** More than any request below has. */
const transactions = [1, 2, 3, 4, 5]

describeStores('a move between two steps of another request', (open) => {
  let plane: TestPlane
  let store: Store
  let moved: number
  let during: ReturnType<typeof interrupted>['during']
  afterEach(async () => await plane.service.close())

  /** A deallocated VM in rg1, and rg2. */
  const setUp = async (): Promise<void> => {
    store = await open()
    const wrapped = interrupted(store)
    during = wrapped.during
    moved = 0
    plane = await openTestPlane(store, undefined, { compute: 'simulated', store: wrapped.store })
    await makeNetwork(plane, 'vm1')
    await plane.send('PUT', target, { location })
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
  }
  /** The request, and a move of `path` before its n-th transaction. */
  const withMove = async (n: number, path: string, request: () => Promise<TestReply>): Promise<TestReply> => {
    const work = async (): Promise<void> => {
      const body = { resources: [path], targetResourceGroup: target }
      if ((await plane.send('POST', `${group}/moveResources`, body)).status === 204) moved += 1
    }
    return await during({ n, work }, request)
  }
  const wellEnded = async (reply: TestReply): Promise<boolean> => {
    if (reply.headers['azure-asyncoperation'] !== undefined) return (await plane.follow(reply)).status === 'Succeeded'
    return reply.status < 300
  }
  const exists = async (path: string): Promise<boolean> => (await plane.send('GET', path)).status === 200

  it('leaves a snapshot its content where a delete found it gone', async () => {
    await setUp()
    const all = (await plane.send('GET', `${group}/providers/Microsoft.Compute/disks`)).body
    for (const at of transactions) {
      const path = compute('snapshots', `s${at}`)
      const creationData = { createOption: 'Copy', sourceResourceId: all.value[0].id }
      await plane.run('PUT', path, { location, properties: { creationData } })
      const deleted = await wellEnded(await withMove(at, path, async () => await plane.send('DELETE', path)))
      const left = (await exists(path)) || (await exists(there(path)))
      expect(left, `${at}`).toBe(!deleted)
      const rows = await store.db.selectFrom('resource').select('internal').where('name', '=', `s${at}`).execute()
      for (const { internal } of rows) {
        const { kept } = JSON.parse(String(internal)) as { kept: { id: string } }
        const disks = store.db.selectFrom('simulated_disk').select('id').where('id', '=', kept.id)
        expect(await disks.execute(), `the content of ${path} after a move before transaction ${at}`).toHaveLength(1)
      }
    }
    expect(moved).toBeGreaterThan(0)
  })

  it('lets a delete succeed where another one was faster, and names a move a conflict', async () => {
    await setUp()
    const all = (await plane.send('GET', `${group}/providers/Microsoft.Compute/disks`)).body
    const creationData = { createOption: 'Copy', sourceResourceId: all.value[0].id }
    const kinds: Record<string, [(name: string) => string, object]> = {
      snapshot: [(name) => compute('snapshots', name), { location, properties: { creationData } }],
      disk: [(name) => compute('disks', name), emptyDisk],
      address: [(name) => networkPath('publicIPAddresses', name), { location, properties: {} }],
    }
    for (const [kind, [pathOf, body]] of Object.entries(kinds)) {
      const replies: Record<'deleted' | 'moved', number[]> = { deleted: [], moved: [] }
      for (const at of transactions) {
        const [gone, away] = [pathOf(`gone${kind}${at}`), pathOf(`away${kind}${at}`)]
        for (const path of [gone, away]) expect(await wellEnded(await plane.send('PUT', path, body))).toBe(true)
        const work = async (): Promise<void> => void (await wellEnded(await plane.send('DELETE', gone)))
        const deleted = await during({ n: at, work }, async () => await plane.send('DELETE', gone))
        replies.deleted.push(deleted.status)
        expect(await wellEnded(deleted), `${kind} ${at}`).toBe(true)
        expect(await exists(gone), `${kind} ${at}`).toBe(false)
        replies.moved.push((await withMove(at, away, async () => await plane.send('DELETE', away))).status)
        // A resource moved just before its operation begins is deleted at its new place.
        const isThere = await exists(there(away))
        if (replies.moved.at(-1) === 409) expect(isThere, `${kind} ${at}`).toBe(true)
      }
      expect(replies.deleted, kind).toContain(204)
      expect(
        replies.deleted.filter((status) => status >= 300),
        kind,
      ).toEqual([])
      expect(replies.moved, kind).toContain(409)
    }
  })

  it.each(['disk', 'interface'])('gives a VM no %s that is not where it says', async (kind) => {
    await setUp()
    const subnet = { id: `${networkPath('virtualNetworks', 'vnet')}/subnets/default` }
    const ipConfigurations = [{ name: 'ipconfig1', properties: { subnet } }]
    for (const at of transactions) {
      const path = kind === 'disk' ? compute('disks', `d${at}`) : networkPath('networkInterfaces', `n${at}`)
      const body = kind === 'disk' ? emptyDisk : { location, properties: { ipConfigurations } }
      expect((await plane.send('PUT', path, body)).status).toBeLessThan(300)
      const dataDisks = [{ lun: 0, createOption: 'Attach', managedDisk: { id: path } }]
      const networkInterfaces = [{ id: path, properties: { primary: true } }]
      const properties = kind === 'disk' ? { storageProfile: { dataDisks } } : { networkProfile: { networkInterfaces } }
      await wellEnded(await withMove(at, path, async () => await plane.send('PATCH', vmPath('vm1'), { properties })))
      const vm = (await plane.send('GET', vmPath('vm1'))).body.properties
      const used = [
        ...vm.storageProfile.dataDisks.map((each: { managedDisk: { id: string } }) => each.managedDisk.id),
        ...vm.networkProfile.networkInterfaces.map((each: { id: string }) => each.id),
      ] as string[]
      for (const id of used) expect(await exists(id), `${id} after a move before transaction ${at}`).toBe(true)
    }
    expect(moved).toBeGreaterThan(0)
  })

  it('takes no interface along with another request’s change of its VM', async () => {
    await setUp()
    const nic = networkPath('networkInterfaces', 'vm1VMNic')
    for (const at of transactions) {
      await wellEnded(
        await withMove(at, nic, async () => await plane.send('PATCH', vmPath('vm1'), { tags: { at: String(at) } })),
      )
      const [{ id }] = (await plane.send('GET', vmPath('vm1'))).body.properties.networkProfile.networkInterfaces
      expect(await exists(id as string), `${id} after a move before transaction ${at}`).toBe(true)
    }
    expect(moved).toBe(1)
  })
})
