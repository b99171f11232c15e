import type { Migration } from '@strongroom/platform'
import type {
  CertificateObjectRow,
  CertificatePendingRow,
  FirmwareListRow,
  CertificateVersionRow,
  KeyObjectRow,
  KeyPlacementRow,
  KeyVersionRow,
  ObjectRow,
  SecretVersionRow,
  VaultRow,
  VaultSecretRow,
  VmFirmwareRow,
  VmSettingsRow,
} from './tables.ts'
import { vaultMigrations } from './vault-migrations.ts'

export interface Tables {
  key_object: KeyObjectRow
  key_version: KeyVersionRow
  key_placement: KeyPlacementRow
  vm_firmware: VmFirmwareRow
  vm_settings: VmSettingsRow
  firmware_list: FirmwareListRow
  secret_object: ObjectRow
  secret_version: SecretVersionRow
  certificate_object: CertificateObjectRow
  certificate_version: CertificateVersionRow
  certificate_pending: CertificatePendingRow
  vault: VaultRow
  vault_secret: VaultSecretRow
}

export const migrations: Record<string, Migration> = {
  '0001-keys': {
    up: async (db) => {
      await db.schema
        .createTable('key_object')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('shown_name', 'text', (column) => column.notNull())
        .addColumn('deleted_at', 'bigint')
        .addColumn('purge_at', 'bigint')
        .addPrimaryKeyConstraint('key_object_key', ['vault', 'name'])
        .execute()
      await db.schema
        .createTable('key_version')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('version', 'text', (column) => column.notNull())
        .addColumn('ordinal', 'integer', (column) => column.notNull())
        .addColumn('kty', 'text', (column) => column.notNull())
        .addColumn('key_ops', 'text', (column) => column.notNull())
        .addColumn('public_jwk', 'text', (column) => column.notNull())
        .addColumn('material', 'text', (column) => column.notNull())
        .addColumn('enabled', 'integer', (column) => column.notNull())
        .addColumn('nbf', 'bigint')
        .addColumn('exp', 'bigint')
        .addColumn('created', 'bigint', (column) => column.notNull())
        .addColumn('updated', 'bigint', (column) => column.notNull())
        .addColumn('exportable', 'integer', (column) => column.notNull())
        .addColumn('tags', 'text', (column) => column.notNull())
        .addColumn('release_policy', 'text')
        .addColumn('policy_content_type', 'text')
        .addColumn('policy_immutable', 'integer', (column) => column.notNull())
        .addColumn('guest_state_generation', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('key_version_key', ['vault', 'name', 'version'])
        .addUniqueConstraint('key_version_ordinal', ['vault', 'name', 'ordinal'])
        .addForeignKeyConstraint('key_version_object', ['vault', 'name'], 'key_object', ['vault', 'name'])
        .execute()
    },
  },
  '0002-operation-log': {
    up: async (db) => {
      await db.schema
        .createTable('operation_log')
        .addColumn('sequence', 'bigint', (column) => column.primaryKey())
        .addColumn('at', 'text', (column) => column.notNull())
        .addColumn('object_id', 'text', (column) => column.notNull())
        .addColumn('app_id', 'text', (column) => column.notNull())
        .addColumn('operation', 'text', (column) => column.notNull())
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('key_name', 'text', (column) => column.notNull())
        .addColumn('key_version', 'text', (column) => column.notNull())
        .addColumn('verdict', 'text', (column) => column.notNull())
        .addColumn('code', 'text', (column) => column.notNull())
        .addColumn('token_digest', 'text', (column) => column.notNull())
        .addColumn('policy_hash', 'text', (column) => column.notNull())
        .addColumn('mac', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('operation_log_head')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('sequence', 'bigint', (column) => column.notNull())
        .addColumn('last_mac', 'text', (column) => column.notNull())
        .addColumn('mac', 'text', (column) => column.notNull())
        .execute()
    },
  },
  '0003-secrets': {
    up: async (db) => {
      await db.schema
        .createTable('vault_secret')
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('sealed', 'text', (column) => column.notNull())
        .execute()
    },
  },
  ...vaultMigrations,
}
