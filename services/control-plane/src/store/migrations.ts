import type { Migration } from '@strongroom/platform'
import { sql } from 'kysely'
import { billingMigrations } from './billing-migrations.ts'
import { fleetMigrations } from './fleet-migrations.ts'
import { restorePointMigration } from './restore-point-migration.ts'

export const migrations: Record<string, Migration> = {
  '0001-resources': {
    async up(db) {
      await sql`create table resource (
        key text primary key, id text not null, type text not null, resource_group text not null,
        name text not null, location text not null, body text not null, internal text not null,
        etag text not null, created_at text not null, updated_at text not null
      )`.execute(db)
      await db.schema.createIndex('resource_by_type').on('resource').columns(['type', 'resource_group']).execute()
      await sql`create table quota_limit (
        region text not null, name text not null, limit_value integer not null,
        constraint quota_limit_key primary key (region, name)
      )`.execute(db)
      await sql`create table quota_counter (
        region text not null, name text not null, used integer not null,
        constraint quota_counter_key primary key (region, name)
      )`.execute(db)
      await sql`create table quota_reservation (
        owner text primary key, region text not null, family text not null, cores integer not null
      )`.execute(db)
      await sql`create table address (
        pool text not null, address text not null, owner text not null,
        constraint address_key primary key (pool, address)
      )`.execute(db)
      await db.schema.createIndex('address_by_owner').on('address').columns(['owner']).execute()
      await sql`create table role_assignment (
        scope text not null, name text not null, display_scope text not null, principal_id text not null,
        principal_type text not null, role_id text not null, created_at text not null,
        created_by text not null, constraint role_assignment_key primary key (scope, name),
        constraint role_assignment_once unique (scope, principal_id, role_id)
      )`.execute(db)
      await sql`create table activity (
        id text primary key, at text not null, caller text not null, action text not null,
        resource_id text not null, resource_key text not null, status integer not null,
        correlation_id text not null
      )`.execute(db)
      await db.schema.createIndex('activity_by_time').on('activity').columns(['at']).execute()
      await sql`create table operation_note (
        operation_id text primary key, steps text not null, kept integer not null, created_at text not null
      )`.execute(db)
    },
  },
  '0002-simulated-instances': {
    async up(db) {
      await sql`create table simulated_instance (vm_id text primary key, status text not null)`.execute(db)
    },
  },
  '0002-simulated-disks': {
    async up(db) {
      await sql`create table simulated_disk (id text primary key, spec text not null, status text not null)`.execute(db)
    },
  },
  '0003-locks-and-roles': {
    async up(db) {
      await sql`create table management_lock (
        scope text not null, name text not null, display_scope text not null, display_name text not null,
        level text not null, notes text not null, created_at text not null,
        constraint management_lock_key primary key (scope, name)
      )`.execute(db)
      await sql`create table subscription_tag (
        name text not null, value text not null, constraint subscription_tag_key primary key (name, value)
      )`.execute(db)
      await sql`create table tag_name (
        name text not null, value text not null, constraint tag_name_key primary key (name, value)
      )`.execute(db)
      await sql`create table role_definition (
        id text primary key, role_name text not null unique, description text not null,
        permissions text not null, assignable_scopes text not null, created_at text not null,
        updated_at text not null
      )`.execute(db)
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
  // Models older than ordinary VMs have no type: they are confidential, whereas a request without one means Standard.
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
  '0022-assignment-conditions': {
    async up(db) {
      for (const column of ['condition', 'description'])
        await db.schema.alterTable('role_assignment').addColumn(column, 'text').execute()
    },
  },
  '0023-refusals-left-out': {
    async up(db) {
      await db.schema
        .alterTable('activity')
        .addColumn('left_out', 'integer', (c) => c.notNull().defaultTo(0))
        .execute()
    },
  },
  '0024-restore-points': restorePointMigration,
}
