import type { Migration } from '@strongroom/platform'

/** Each decision's caller, findings, and the evidence it was based on. */
export const decisionMigration: Migration = {
  up: async (db) => {
    await db.schema.alterTable('decision').addColumn('caller', 'text').execute()
    await db.schema.alterTable('decision').addColumn('findings', 'text').execute()
    await db.schema.createIndex('decision_provider').on('decision').columns(['provider', 'at']).execute()
    await db.schema
      .createTable('decision_bundle')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('at', 'text', (column) => column.notNull())
      .addColumn('outcome', 'text', (column) => column.notNull())
      .addColumn('content', 'text', (column) => column.notNull())
      .addColumn('shared', 'text', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('decision_bundle_at').on('decision_bundle').columns(['outcome', 'at']).execute()
    await db.schema
      .createTable('evidence_text')
      .addColumn('digest', 'text', (column) => column.primaryKey())
      .addColumn('text', 'text', (column) => column.notNull())
      .addColumn('used_at', 'text', (column) => column.notNull())
      .execute()
  },
}
