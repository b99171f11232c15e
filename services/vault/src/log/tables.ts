import type { Migration } from '@strongroom/platform'

export interface LogHeadRow {
  vault: string
  size: number
  /** Hashes of the frontier, hexadecimal, separated by spaces. */
  frontier: string
  /** Signed checkpoint of this size; empty before the first entry. */
  checkpoint: string
}

export interface LogEntryRow {
  vault: string
  /** From 0. */
  position: number
  /** The hashed bytes, as UTF-8. */
  entry: string
  leaf_hash: string
}

/** Hashes of tile levels above the leaves: one for every 256 below. */
export interface LogNodeRow {
  vault: string
  level: number
  position: number
  hash: string
}

export interface LogTables {
  log_head: LogHeadRow
  log_entry: LogEntryRow
  log_node: LogNodeRow
}

export const logMigrations: Record<string, Migration> = {
  '0001-tree': {
    up: async (db) => {
      await db.schema
        .createTable('log_head')
        .addColumn('vault', 'text', (column) => column.primaryKey())
        .addColumn('size', 'bigint', (column) => column.notNull())
        .addColumn('frontier', 'text', (column) => column.notNull())
        .addColumn('checkpoint', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('log_entry')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('position', 'bigint', (column) => column.notNull())
        .addColumn('entry', 'text', (column) => column.notNull())
        .addColumn('leaf_hash', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('log_entry_key', ['vault', 'position'])
        .execute()
      await db.schema
        .createTable('log_node')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('level', 'integer', (column) => column.notNull())
        .addColumn('position', 'bigint', (column) => column.notNull())
        .addColumn('hash', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('log_node_key', ['vault', 'level', 'position'])
        .execute()
      // The chain of MACs that the tree replaces.
      await db.schema.dropTable('operation_log').ifExists().execute()
      await db.schema.dropTable('operation_log_head').ifExists().execute()
    },
  },
}
