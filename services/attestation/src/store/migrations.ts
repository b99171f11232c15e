import type { Migration } from '@strongroom/platform'
import { collateralUseMigration } from './collateral-migration.ts'
import { decisionMigration } from './decision-migration.ts'
import { elsewhereMigration, providerMigration } from './provider-migration.ts'

export const migrations: Record<string, Migration> = {
  '0001-first': {
    up: async (db) => {
      await db.schema
        .createTable('signing_key')
        .addColumn('provider', 'text', (column) => column.notNull())
        .addColumn('kid', 'text', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .addColumn('retired_at', 'text')
        .addColumn('sealed', 'text', (column) => column.notNull())
        .addColumn('certificate', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('signing_key_key', ['provider', 'kid'])
        .execute()
      await db.schema
        .createTable('signing_key_current')
        .addColumn('provider', 'text', (column) => column.primaryKey())
        .addColumn('kid', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('policy')
        .addColumn('provider', 'text', (column) => column.notNull())
        .addColumn('type', 'text', (column) => column.notNull())
        .addColumn('jws', 'text', (column) => column.notNull())
        .addColumn('text', 'text', (column) => column.notNull())
        .addColumn('signer', 'text')
        .addColumn('updated_at', 'text', (column) => column.notNull())
        .addColumn('updated_by', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('policy_key', ['provider', 'type'])
        .execute()
      await db.schema
        .createTable('collateral')
        .addColumn('path', 'text', (column) => column.primaryKey())
        .addColumn('body', 'text', (column) => column.notNull())
        .addColumn('headers', 'text', (column) => column.notNull())
        .addColumn('fetched_at', 'text', (column) => column.notNull())
        .addColumn('expires_at', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('decision')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('at', 'text', (column) => column.notNull())
        .addColumn('provider', 'text', (column) => column.notNull())
        .addColumn('type', 'text', (column) => column.notNull())
        .addColumn('evidence_digest', 'text', (column) => column.notNull())
        .addColumn('policy_hash', 'text', (column) => column.notNull())
        .addColumn('outcome', 'text', (column) => column.notNull())
        .addColumn('code', 'text')
        .addColumn('message', 'text')
        .addColumn('token_id', 'text')
        .addColumn('simulated', 'integer', (column) => column.notNull())
        .execute()
      await db.schema.createIndex('decision_at').on('decision').column('at').execute()
    },
  },
  '0002-guest': {
    up: async (db) => {
      await db.schema
        .createTable('tpm_boot')
        .addColumn('fingerprint', 'text', (column) => column.primaryKey())
        .addColumn('boot', 'text', (column) => column.notNull())
        .addColumn('floor', 'text', (column) => column.notNull())
        .addColumn('updated_at', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('tpm_statement')
        .addColumn('fingerprint', 'text', (column) => column.notNull())
        .addColumn('digest', 'text', (column) => column.notNull())
        .addColumn('clock', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('tpm_statement_key', ['fingerprint', 'digest'])
        .execute()
    },
  },
  '0003-providers': providerMigration,
  '0004-decisions': decisionMigration,
  '0005-elsewhere': elsewhereMigration,
  '0006-collateral-use': collateralUseMigration,
  // Refusals and the other decisions are kept in separate numbers.
  '0007-decision-outcome': {
    up: async (db) => {
      await db.schema.createIndex('decision_outcome').on('decision').columns(['outcome', 'at']).execute()
    },
  },
}
