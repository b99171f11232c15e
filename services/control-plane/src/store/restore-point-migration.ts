import type { Migration } from '@strongroom/platform'
import { keyOf } from '../arm/ids/resource-id.ts'

const collections = 'microsoft.compute/restorepointcollections'

/**
 * Earlier releases had restore points, each with copies of a VM's disks. The copies become snapshots, named as they were and
 * in their group, so that their owner can use and delete them; collections and points hold nothing else.
 */
export const restorePointMigration: Migration = {
  async up(db) {
    const rows = await db.selectFrom('resource').selectAll().where('type', 'like', `${collections}%`).execute()
    for (const row of rows) {
      const key = String(row['key'])
      if (!String(row['type']).endsWith('/diskrestorepoints')) {
        await db.deleteFrom('resource').where('key', '=', key).execute()
        continue
      }
      const group = String(row['id']).split('/providers/')[0]!
      const id = `${group}/providers/Microsoft.Compute/snapshots/${String(row['name'])}`
      const set = { key: keyOf(id), id, type: 'microsoft.compute/snapshots', body: asSnapshot(String(row['body'])) }
      await db.updateTable('resource').set(set).where('key', '=', key).execute()
      await db
        .updateTable('usage_interval')
        .set({ owner: keyOf(id), resource_id: id })
        .where('owner', '=', key)
        .execute()
    }
    for (const table of ['role_assignment', 'management_lock'])
      await db.deleteFrom(table).where('scope', 'like', `%/providers/${collections}/%`).execute()
  },
}

interface Body {
  properties: Record<string, unknown>
}

/** A copy that was being made or deleted is a failed one: it can be deleted. */
function asSnapshot(text: string): string {
  const body = JSON.parse(text) as Body
  const { sourceResourceId, sourceUniqueId, sourceResourceLocation: _, familyId: __, ...properties } = body.properties
  const provisioningState = properties['provisioningState'] === 'Succeeded' ? 'Succeeded' : 'Failed'
  const creationData = { createOption: 'Copy', sourceResourceId, sourceUniqueId }
  return JSON.stringify({
    ...body,
    properties: { ...properties, creationData, incremental: false, provisioningState },
  })
}
