import type { Migration } from '@strongroom/platform'

export const providerMigration: Migration = {
  up: async (db) => {
    await db.schema
      .createTable('provider')
      .addColumn('host', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('region_code', 'text', (column) => column.notNull())
      .addColumn('resource_id', 'text', (column) => column.notNull())
      .addColumn('trust_model', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('policy_certificate')
      .addColumn('provider', 'text', (column) => column.notNull())
      .addColumn('thumbprint', 'text', (column) => column.notNull())
      .addColumn('jwk', 'text', (column) => column.notNull())
      .addColumn('added_at', 'text', (column) => column.notNull())
      .addColumn('added_by', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('policy_certificate_key', ['provider', 'thumbprint'])
      .execute()
  },
}

export const elsewhereMigration: Migration = {
  up: async (db) => {
    await db.schema
      .createTable('provider_elsewhere')
      .addColumn('host', 'text', (column) => column.primaryKey())
      .addColumn('named_at', 'text', (column) => column.notNull())
      .execute()
  },
}
