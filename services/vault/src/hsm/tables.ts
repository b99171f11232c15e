import type { Migration } from '@strongroom/platform'

export interface ManagedHsmRow {
  /** Lower case. */
  name: string
  /** ManagedHsmDefinition as JSON. */
  definition: string
  /** ISO time. */
  created_at: string
  /** Seconds since 1970; both or neither. */
  deleted_at: number | null
  purge_at: number | null
  /** Base64 of the sealed domain key; null before the HSM is activated. */
  domain_key: string | null
  /** Base64 of the sealed PKCS#8 of the exchange key, and its certificate; null until requested. */
  transfer_key: string | null
  transfer_certificate: string | null
}

export interface RoleAssignmentRow {
  hsm: string
  id: string
  /** `/`, `/keys` or `/keys/{name}`, in lower case. */
  scope: string
  role_id: string
  principal_id: string
}

interface RoleDefinitionRow {
  hsm: string
  id: string
  /** RoleDefinition as JSON. */
  definition: string
}

export interface HsmJobRow {
  hsm: string
  id: string
  kind: 'backup' | 'restore'
  /** The status shown on the wire, as JSON. */
  status: string
}

export interface HsmTables {
  managed_hsm: ManagedHsmRow
  hsm_role_assignment: RoleAssignmentRow
  hsm_role_definition: RoleDefinitionRow
  hsm_job: HsmJobRow
}

export const hsmMigrations: Record<string, Migration> = {
  '0001-managed-hsm': {
    up: async (db) => {
      await db.schema
        .createTable('managed_hsm')
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('definition', 'text', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .addColumn('deleted_at', 'bigint')
        .addColumn('purge_at', 'bigint')
        .addColumn('domain_key', 'text')
        .addColumn('transfer_key', 'text')
        .addColumn('transfer_certificate', 'text')
        .execute()
      await db.schema
        .createTable('hsm_role_assignment')
        .addColumn('hsm', 'text', (column) => column.notNull())
        .addColumn('id', 'text', (column) => column.notNull())
        .addColumn('scope', 'text', (column) => column.notNull())
        .addColumn('role_id', 'text', (column) => column.notNull())
        .addColumn('principal_id', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('hsm_role_assignment_key', ['hsm', 'id'])
        .addUniqueConstraint('hsm_role_assignment_once', ['hsm', 'scope', 'role_id', 'principal_id'])
        .execute()
      await db.schema
        .createTable('hsm_role_definition')
        .addColumn('hsm', 'text', (column) => column.notNull())
        .addColumn('id', 'text', (column) => column.notNull())
        .addColumn('definition', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('hsm_role_definition_key', ['hsm', 'id'])
        .execute()
      await db.schema
        .createTable('hsm_job')
        .addColumn('hsm', 'text', (column) => column.notNull())
        .addColumn('id', 'text', (column) => column.notNull())
        .addColumn('kind', 'text', (column) => column.notNull())
        .addColumn('status', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('hsm_job_key', ['hsm', 'id'])
        .execute()
    },
  },
}
