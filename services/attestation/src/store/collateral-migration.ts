import type { Migration } from '@strongroom/platform'

/**
 * Who supplied an item, and when a chip's certificate was last used. Older rows do not show whether they can be fetched
 * again: they count as imported.
 */
export const collateralUseMigration: Migration = {
  up: async (db) => {
    await db.schema
      .alterTable('collateral')
      .addColumn('imported', 'integer', (column) => column.notNull().defaultTo(1))
      .execute()
    await db.schema.alterTable('collateral').addColumn('used_at', 'text').execute()
    await db
      .updateTable('collateral')
      .set((row) => ({ used_at: row.ref('fetched_at') }))
      .where('path', 'like', '%:/vcek/v1/%?%')
      .execute()
    await db.schema.createIndex('collateral_used').on('collateral').columns(['imported', 'used_at', 'path']).execute()
  },
}
