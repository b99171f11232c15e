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
  '0014-placements': {
    async up(db) {
      await db.schema
        .createTable('fleet_use')
        .addColumn('host', 'text', (c) => c.primaryKey())
        .addColumn('vcpus', 'integer', (c) => c.notNull())
        .addColumn('memory_mib', 'integer', (c) => c.notNull())
        .addColumn('revision', 'integer', (c) => c.notNull())
        .execute()
      const hosts = await db.selectFrom('fleet_host').select('id').execute()
      for (const { id } of hosts)
        await db.insertInto('fleet_use').values({ host: id, vcpus: 0, memory_mib: 0, revision: 0 }).execute()
      await db.schema
        .createTable('placement')
        .addColumn('vm_id', 'text', (c) => c.primaryKey())
        .addColumn('resource_id', 'text', (c) => c.notNull())
        .addColumn('host', 'text')
        .addColumn('epoch', 'integer', (c) => c.notNull())
        .addColumn('vcpus', 'integer', (c) => c.notNull())
        .addColumn('memory_mib', 'integer', (c) => c.notNull())
        .addColumn('wanted', 'text', (c) => c.notNull())
        .addColumn('run', 'integer', (c) => c.notNull())
        .addColumn('why', 'text', (c) => c.notNull())
        .addColumn('placed_at', 'text')
        .execute()
      await db.schema.createIndex('placement_by_host').on('placement').columns(['host', 'wanted']).execute()
    },
  },
  '0015-fenced-epoch': {
    async up(db) {
      await db.schema
        .alterTable('placement')
        .addColumn('fenced_epoch', 'integer', (c) => c.notNull().defaultTo(0))
        .execute()
    },
  },
  '0016-carried-vms': {
    async up(db) {
      await db.schema
        .createTable('carried_vm')
        .addColumn('vm_id', 'text', (c) => c.primaryKey())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('password', 'text')
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('record', 'text')
        .addColumn('evidence', 'text')
        .execute()
    },
  },
  '0017-moving-vms': {
    async up(db) {
      await db.schema
        .alterTable('placement')
        .addColumn('moving', 'integer', (c) => c.notNull().defaultTo(0))
        .execute()
    },
  },
}
