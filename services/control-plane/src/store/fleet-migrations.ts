import type { Migration } from '@strongroom/platform'

/** Hosts and their leases. Times are ISO text in milliseconds, so that their order is the text's. */
export const fleetMigrations: Record<string, Migration> = {
  '0013-fleet': {
    async up(db) {
      await db.schema
        .createTable('fleet_host')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('zone', 'text')
        .addColumn('tees', 'text', (c) => c.notNull())
        .addColumn('labels', 'text', (c) => c.notNull())
        .addColumn('vcpus', 'integer', (c) => c.notNull())
        .addColumn('memory_mib', 'integer', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('key', 'text')
        .addColumn('code_hash', 'text', (c) => c.notNull())
        .addColumn('code_until', 'text', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .addColumn('joined_at', 'text')
        .execute()
      await db.schema.createIndex('fleet_host_by_key').on('fleet_host').columns(['key']).unique().execute()
      await db.schema
        .createTable('fleet_lease')
        .addColumn('host', 'text', (c) => c.primaryKey())
        .addColumn('until', 'text', (c) => c.notNull())
        .execute()
    },
  },
}
