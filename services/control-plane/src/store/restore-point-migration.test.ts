import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { group, openTestPlane, type TestPlane } from '../testing/test-plane.ts'
import { restorePointMigration } from './restore-point-migration.ts'

const location = 'westeurope'
const compute = `${group}/providers/Microsoft.Compute`
const collection = `${compute}/restorePointCollections/rpc`
const point = `${collection}/restorePoints/one`
const names = ['data_0001', 'late_0002'] as const
const copyOf = (name: string): string => `${point}/diskRestorePoints/${name}`
const snapshot = (name: string): string => `${compute}/snapshots/${name}`

const rowsAt = async (plane: TestPlane, scope: string): Promise<string[]> =>
  (await plane.store.db.selectFrom('resource').select('key').where('key', 'like', `${scope.toLowerCase()}%`).execute())
    .map((row) => String(row['key']))
    .toSorted()

/** As a release with restore points stored them: a collection, a point, and a copy of each disk below it. */
async function storeRestorePoint(plane: TestPlane): Promise<void> {
  await plane.send('PUT', group, { location })
  const disk = `${compute}/disks/data`
  const empty = { location, properties: { diskSizeGB: 4, creationData: { createOption: 'Empty' } } }
  expect((await plane.send('PUT', disk, empty)).status).toBe(200)
  for (const name of names) {
    const body = { location, properties: { creationData: { createOption: 'Copy', sourceResourceId: disk } } }
    expect((await plane.run('PUT', snapshot(name), body)).operation.status).toBe('Succeeded')
  }
  const { db } = plane.store
  const common = { resource_group: 'rg1', location, internal: '{}', etag: '', created_at: '', updated_at: '' }
  const above = { ...common, body: JSON.stringify({ properties: {} }) }
  const type = 'microsoft.compute/restorepointcollections'
  for (const [id, of] of [
    [collection, type],
    [point, `${type}/restorepoints`],
  ] as const)
    await db
      .insertInto('resource')
      .values({ ...above, key: id.toLowerCase(), id, type: of, name: id.split('/').at(-1)! })
      .execute()
  for (const name of names) {
    const [key, id] = [snapshot(name).toLowerCase(), copyOf(name)]
    const row = await db.selectFrom('resource').selectAll().where('key', '=', key).executeTakeFirstOrThrow()
    const { sku, properties } = JSON.parse(String(row['body']))
    const { creationData, incremental: _, ...rest } = properties
    const provisioningState = name === 'late_0002' ? 'Creating' : 'Succeeded'
    const body = { sku, properties: { ...rest, ...creationData, familyId: 'x', provisioningState } }
    const set = { key: id.toLowerCase(), id, type: `${type}/restorepoints/diskrestorepoints` }
    await db
      .updateTable('resource')
      .set({ ...set, body: JSON.stringify(body) })
      .where('key', '=', key)
      .execute()
    await db.updateTable('usage_interval').set({ owner: set.key, resource_id: id }).where('owner', '=', key).execute()
  }
}

describeStores('restore points of an earlier release', (store) => {
  it('become snapshots of the copies in them, which are used, metered and deleted as such', async () => {
    const plane = await openTestPlane(await store(), undefined, { compute: 'simulated' })
    try {
      await storeRestorePoint(plane)
      expect(await rowsAt(plane, collection)).toHaveLength(4)
      await plane.store.transaction(async (tx) => await restorePointMigration.up(tx))
      expect(await rowsAt(plane, collection)).toEqual([])

      const shown = (await plane.send('GET', snapshot('data_0001'))).body
      expect(shown).toMatchObject({
        type: 'Microsoft.Compute/snapshots',
        properties: { provisioningState: 'Succeeded' },
      })
      expect(shown.properties.creationData).toMatchObject({
        createOption: 'Copy',
        sourceResourceId: `${compute}/disks/data`,
      })
      expect((await plane.send('GET', snapshot('late_0002'))).body.properties.provisioningState).toBe('Failed')
      const creationData = { createOption: 'Copy', sourceResourceId: snapshot('data_0001') }
      const disk = await plane.run('PUT', `${compute}/disks/back`, { location, properties: { creationData } })
      expect(disk.operation.status).toBe('Succeeded')

      const open = async (): Promise<string[]> =>
        (await plane.store.db.selectFrom('usage_interval').selectAll().where('ended_at', 'is', null).execute())
          .map((row) => String(row['owner']))
          .filter((owner) => /snapshots|restore/.test(owner))
          .toSorted()
      expect(await open()).toEqual(names.map((name) => snapshot(name).toLowerCase()))
      for (const name of names) expect((await plane.run('DELETE', snapshot(name))).operation.status).toBe('Succeeded')
      expect(await open()).toEqual([])
    } finally {
      await plane.service.close()
    }
  })

  it.each(['create', 'remove'])('have their %s ended, which nothing else would', async (verb) => {
    const plane = await openTestPlane(await store(), undefined, { compute: 'simulated' })
    try {
      const row = { id: `op-${verb}`, kind: `restorePoint.${verb}`, resource_id: 'r', principal: '', sequence: 1 }
      const begun = { status: 'Running', params: '{}', data: '{}', steps: '[]', cancel_requested: 0 }
      const operations = plane.store.db
      await operations
        .insertInto('strongroom_operation')
        .values({ ...row, ...begun, started_at: new Date(0).toISOString() })
        .execute()
      const status = async (): Promise<unknown> =>
        (
          await operations
            .selectFrom('strongroom_operation')
            .select('status')
            .where('id', '=', row.id)
            .executeTakeFirst()
        )?.['status']
      await expect.poll(status).toBe('Succeeded')
    } finally {
      await plane.service.close()
    }
  })
})
