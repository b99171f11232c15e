import type { Migration } from '@strongroom/platform'
import { sql } from 'kysely'

/** Hosts and their leases. Times are ISO text in milliseconds, so that their order is the text's. */
export const fleetMigrations: Record<string, Migration> = {
  '0013-fleet': {
    async up(db) {
      await sql`create table fleet_host (
        name text primary key, id text not null, region text not null, zone text, tees text not null,
        labels text not null, vcpus integer not null, memory_mib integer not null, state text not null,
        key text, code_hash text not null, code_until text not null, created_at text not null, joined_at text
      )`.execute(db)
      await db.schema.createIndex('fleet_host_by_key').on('fleet_host').columns(['key']).unique().execute()
      await sql`create table fleet_lease (host text primary key, until text not null)`.execute(db)
    },
  },
  '0014-placements': {
    async up(db) {
      await sql`create table fleet_use (
        host text primary key, vcpus integer not null, memory_mib integer not null, revision integer not null
      )`.execute(db)
      const hosts = await db.selectFrom('fleet_host').select('id').execute()
      for (const { id } of hosts)
        await db.insertInto('fleet_use').values({ host: id, vcpus: 0, memory_mib: 0, revision: 0 }).execute()
      await sql`create table placement (
        vm_id text primary key, resource_id text not null, host text, epoch integer not null,
        vcpus integer not null, memory_mib integer not null, wanted text not null, run integer not null,
        why text not null, placed_at text
      )`.execute(db)
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
      await sql`create table carried_vm (
        vm_id text primary key, spec text not null, password text, status text not null, record text,
        evidence text
      )`.execute(db)
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
  // VMs that have a host already count from their next placement.
  '0018-spread-sets': {
    async up(db) {
      await db.schema.alterTable('placement').addColumn('spread_set', 'text').execute()
      for (const column of ['fault_domain', 'update_domain'])
        await db.schema.alterTable('placement').addColumn(column, 'integer').execute()
      await db.schema.createIndex('placement_by_set').on('placement').columns(['spread_set']).execute()
    },
  },
  '0019-vms-of-hosts': {
    async up(db) {
      await db.schema
        .alterTable('fleet_use')
        .addColumn('vms', 'integer', (c) => c.notNull().defaultTo(0))
        .execute()
      for (const { host } of await db.selectFrom('fleet_use').select('host').execute()) {
        const placed = await db.selectFrom('placement').select('vm_id').where('host', '=', host).execute()
        await db.updateTable('fleet_use').set({ vms: placed.length }).where('host', '=', host).execute()
      }
    },
  },
  '0020-planned-moves': {
    async up(db) {
      await sql`create table planned_move (
        vm_id text primary key, event_id text not null, host text not null, created_at text not null,
        not_before text not null, approved_at text, started_at text
      )`.execute(db)
      await db.schema
        .alterTable('fleet_host')
        .addColumn('notice_seconds', 'integer', (c) => c.notNull().defaultTo(0))
        .execute()
    },
  },
  '0021-carried-disks': {
    async up(db) {
      await sql`create table carried_disk (
        disk text primary key, vm_id text not null, attached text not null, leaving integer not null
      )`.execute(db)
      await db.schema.createIndex('carried_disk_by_vm').on('carried_disk').columns(['vm_id']).execute()
    },
  },
}
