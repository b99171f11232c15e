import type { Migration } from '@strongroom/platform'
import { sql } from 'kysely'

/** Usage and prices. Times are ISO text in milliseconds, so that their order is the text's. */
export const billingMigrations: Record<string, Migration> = {
  '0010-usage': {
    async up(db) {
      await sql`create table usage_interval (
        id text primary key, owner text not null, resource_id text not null, vm_id text not null,
        region text not null, meter text not null, sku text not null, quantity integer not null,
        tags text not null, started_at text not null, ended_at text
      )`.execute(db)
      await db.schema.createIndex('usage_by_owner').on('usage_interval').columns(['owner', 'ended_at']).execute()
      await db.schema.createIndex('usage_by_end').on('usage_interval').columns(['ended_at', 'started_at']).execute()
      await sql`create table meter_anchor (era text primary key, at text not null, elapsed text not null)`.execute(db)
      await sql`create table setting (name text primary key, value text not null)`.execute(db)
      await sql`create table quota_request (
        id text primary key, region text not null, name text not null, limit_value integer not null,
        state text not null, message text not null, asked_by text not null, asked_at text not null,
        decided_by text, decided_at text
      )`.execute(db)
    },
  },
  '0016-budgets': {
    async up(db) {
      await sql`create table budget (
        scope text not null, name text not null, display_scope text not null, display_name text not null,
        definition text not null, etag text not null, created_at text not null,
        constraint budget_key primary key (scope, name)
      )`.execute(db)
      await sql`create table budget_alert (
        id text primary key, scope text not null, budget text not null, notification text not null,
        period text not null, details text not null, raised_at text not null,
        constraint budget_alert_once unique (scope, budget, notification, period)
      )`.execute(db)
    },
  },
}
