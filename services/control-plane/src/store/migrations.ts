import type { Migration } from '@strongroom/platform'
import { billingMigrations } from './billing-migrations.ts'
import { fleetMigrations } from './fleet-migrations.ts'

export const migrations: Record<string, Migration> = {
  '0001-resources': {
    async up(db) {
      await db.schema
        .createTable('resource')
        .addColumn('key', 'text', (c) => c.primaryKey())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('resource_group', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('location', 'text', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .addColumn('internal', 'text', (c) => c.notNull())
        .addColumn('etag', 'text', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .addColumn('updated_at', 'text', (c) => c.notNull())
        .execute()
      await db.schema.createIndex('resource_by_type').on('resource').columns(['type', 'resource_group']).execute()
      await db.schema
        .createTable('quota_limit')
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('limit_value', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('quota_limit_key', ['region', 'name'])
        .execute()
      await db.schema
        .createTable('quota_counter')
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('used', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('quota_counter_key', ['region', 'name'])
        .execute()
      await db.schema
        .createTable('quota_reservation')
        .addColumn('owner', 'text', (c) => c.primaryKey())
        .addColumn('region', 'text', (c) => c.notNull())
        .addColumn('family', 'text', (c) => c.notNull())
        .addColumn('cores', 'integer', (c) => c.notNull())
        .execute()
      await db.schema
        .createTable('address')
        .addColumn('pool', 'text', (c) => c.notNull())
        .addColumn('address', 'text', (c) => c.notNull())
        .addColumn('owner', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('address_key', ['pool', 'address'])
        .execute()
      await db.schema.createIndex('address_by_owner').on('address').columns(['owner']).execute()
      await db.schema
        .createTable('role_assignment')
        .addColumn('scope', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('display_scope', 'text', (c) => c.notNull())
        .addColumn('principal_id', 'text', (c) => c.notNull())
        .addColumn('principal_type', 'text', (c) => c.notNull())
        .addColumn('role_id', 'text', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('role_assignment_key', ['scope', 'name'])
        .addUniqueConstraint('role_assignment_once', ['scope', 'principal_id', 'role_id'])
        .execute()
      await db.schema
        .createTable('activity')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('at', 'text', (c) => c.notNull())
        .addColumn('caller', 'text', (c) => c.notNull())
        .addColumn('action', 'text', (c) => c.notNull())
        .addColumn('resource_id', 'text', (c) => c.notNull())
        .addColumn('resource_key', 'text', (c) => c.notNull())
        .addColumn('status', 'integer', (c) => c.notNull())
        .addColumn('correlation_id', 'text', (c) => c.notNull())
        .execute()
      await db.schema.createIndex('activity_by_time').on('activity').columns(['at']).execute()
      await db.schema
        .createTable('operation_note')
        .addColumn('operation_id', 'text', (c) => c.primaryKey())
        .addColumn('steps', 'text', (c) => c.notNull())
        .addColumn('kept', 'integer', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .execute()
    },
  },
  '0002-simulated-instances': {
    async up(db) {
      await db.schema
        .createTable('simulated_instance')
        .addColumn('vm_id', 'text', (c) => c.primaryKey())
        .addColumn('status', 'text', (c) => c.notNull())
        .execute()
    },
  },
  '0002-simulated-disks': {
    async up(db) {
      await db.schema
        .createTable('simulated_disk')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .execute()
    },
  },
  '0003-locks-and-roles': {
    async up(db) {
      await db.schema
        .createTable('management_lock')
        .addColumn('scope', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('display_scope', 'text', (c) => c.notNull())
        .addColumn('display_name', 'text', (c) => c.notNull())
        .addColumn('level', 'text', (c) => c.notNull())
        .addColumn('notes', 'text', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('management_lock_key', ['scope', 'name'])
        .execute()
      for (const table of ['subscription_tag', 'tag_name']) {
        await db.schema
          .createTable(table)
          .addColumn('name', 'text', (c) => c.notNull())
          .addColumn('value', 'text', (c) => c.notNull())
          .addPrimaryKeyConstraint(`${table}_key`, ['name', 'value'])
          .execute()
      }
      await db.schema
        .createTable('role_definition')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('role_name', 'text', (c) => c.notNull().unique())
        .addColumn('description', 'text', (c) => c.notNull())
        .addColumn('permissions', 'text', (c) => c.notNull())
        .addColumn('assignable_scopes', 'text', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .addColumn('updated_at', 'text', (c) => c.notNull())
        .execute()
    },
  },
  ...billingMigrations,
  ...fleetMigrations,
  // A page of a list is a range of one of these.
  '0011-pages': {
    async up(db) {
      await db.schema.dropIndex('resource_by_type').execute()
      await db.schema.createIndex('resource_by_type').on('resource').columns(['type', 'key']).execute()
      await db.schema
        .createIndex('resource_by_group')
        .on('resource')
        .columns(['resource_group', 'type', 'key'])
        .execute()
    },
  },
  // Models of before there were ordinary VMs say no type: confidential ones, where a request that says none means Standard.
  '0012-security-type': {
    async up(db) {
      const vms = db.selectFrom('resource').selectAll().where('type', '=', 'microsoft.compute/virtualmachines')
      for (const row of await vms.execute()) {
        const internal = JSON.parse(String(row['internal'])) as { model?: { securityType?: string } }
        if (internal.model === undefined || internal.model.securityType !== undefined) continue
        internal.model.securityType = 'ConfidentialVM'
        const set = { internal: JSON.stringify(internal) }
        await db.updateTable('resource').set(set).where('key', '=', row['key']).execute()
      }
    },
  },
  '0013-activity-operations': {
    async up(db) {
      await db.schema
        .alterTable('activity')
        .addColumn('operation_id', 'text', (c) => c.notNull().defaultTo(''))
        .execute()
    },
  },
}
