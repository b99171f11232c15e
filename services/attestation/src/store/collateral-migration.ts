import type { Migration } from '@strongroom/platform'

/**
 * Who brought an item, and when a chip's certificate was last used. Of rows that do not say, it is not known that they can be
 * fetched again: they count as imported.
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
