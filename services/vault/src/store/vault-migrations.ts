import type { Migration } from '@strongroom/platform'

/** Vaults beside the platform's, secrets, rotation. */
export const vaultMigrations: Record<string, Migration> = {
  '0010-vaults': {
    up: async (db) => {
      await db.schema
        .createTable('vault')
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('resource_id', 'text', (column) => column.notNull())
        .addColumn('definition', 'text', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .addColumn('deleted_at', 'bigint')
        .addColumn('purge_at', 'bigint')
        .execute()
    },
  },
  '0011-rotation': {
    up: async (db) => {
      await db.schema.alterTable('key_object').addColumn('rotation_policy', 'text').execute()
      await db.schema.alterTable('key_object').addColumn('rotate_at', 'bigint').execute()
      await db.schema.createIndex('key_object_rotation').on('key_object').columns(['rotate_at']).execute()
    },
  },
  '0012-tenant-secrets': {
    up: async (db) => {
      await db.schema
        .createTable('secret_object')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('shown_name', 'text', (column) => column.notNull())
        .addColumn('deleted_at', 'bigint')
        .addColumn('purge_at', 'bigint')
        .addPrimaryKeyConstraint('secret_object_key', ['vault', 'name'])
        .execute()
      await db.schema
        .createTable('secret_version')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('version', 'text', (column) => column.notNull())
        .addColumn('ordinal', 'integer', (column) => column.notNull())
        .addColumn('content_type', 'text')
        .addColumn('sealed', 'text', (column) => column.notNull())
        .addColumn('enabled', 'integer', (column) => column.notNull())
        .addColumn('nbf', 'bigint')
        .addColumn('exp', 'bigint')
        .addColumn('created', 'bigint', (column) => column.notNull())
        .addColumn('updated', 'bigint', (column) => column.notNull())
        .addColumn('tags', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('secret_version_key', ['vault', 'name', 'version'])
        .addUniqueConstraint('secret_version_ordinal', ['vault', 'name', 'ordinal'])
        .addForeignKeyConstraint('secret_version_object', ['vault', 'name'], 'secret_object', ['vault', 'name'])
        .execute()
    },
  },
  '0013-key-placement': {
    up: async (db) => {
      await db.schema
        .createTable('key_placement')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('version', 'text', (column) => column.notNull())
        .addColumn('epoch', 'bigint', (column) => column.notNull())
        .addColumn('ticket_hash', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('key_placement_key', ['vault', 'name', 'version'])
        .execute()
    },
  },
  '0014-certificates': {
    up: async (db) => {
      await db.schema.alterTable('key_object').addColumn('managed', 'integer').execute()
      await db.schema.alterTable('secret_object').addColumn('managed', 'integer').execute()
      await db.schema
        .createTable('certificate_object')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('shown_name', 'text', (column) => column.notNull())
        .addColumn('deleted_at', 'bigint')
        .addColumn('purge_at', 'bigint')
        .addColumn('policy', 'text')
        .addColumn('renew_at', 'bigint')
        .addPrimaryKeyConstraint('certificate_object_key', ['vault', 'name'])
        .execute()
      await db.schema.createIndex('certificate_object_renewal').on('certificate_object').columns(['renew_at']).execute()
      await db.schema
        .createTable('certificate_version')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('version', 'text', (column) => column.notNull())
        .addColumn('ordinal', 'integer', (column) => column.notNull())
        .addColumn('cer', 'text', (column) => column.notNull())
        .addColumn('enabled', 'integer', (column) => column.notNull())
        .addColumn('nbf', 'bigint')
        .addColumn('exp', 'bigint')
        .addColumn('created', 'bigint', (column) => column.notNull())
        .addColumn('updated', 'bigint', (column) => column.notNull())
        .addColumn('tags', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('certificate_version_key', ['vault', 'name', 'version'])
        .addUniqueConstraint('certificate_version_ordinal', ['vault', 'name', 'ordinal'])
        .addForeignKeyConstraint('certificate_version_object', ['vault', 'name'], 'certificate_object', [
          'vault',
          'name',
        ])
        .execute()
    },
  },
  '0015-certificate-issuers': {
    up: async (db) => {
      await db.schema
        .createTable('certificate_issuer')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('shown_name', 'text', (column) => column.notNull())
        .addColumn('settings', 'text', (column) => column.notNull())
        .addColumn('created', 'bigint', (column) => column.notNull())
        .addColumn('updated', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('certificate_issuer_key', ['vault', 'name'])
        .execute()
      await db.schema
        .createTable('certificate_contacts')
        .addColumn('vault', 'text', (column) => column.primaryKey())
        .addColumn('contacts', 'text', (column) => column.notNull())
        .execute()
    },
  },
  '0016-certificate-requests': {
    up: async (db) => {
      await db.schema
        .createTable('certificate_pending')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('shown_name', 'text', (column) => column.notNull())
        .addColumn('version', 'text', (column) => column.notNull())
        .addColumn('policy', 'text', (column) => column.notNull())
        .addColumn('key', 'text', (column) => column.notNull())
        .addColumn('csr', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('certificate_pending_key', ['vault', 'name'])
        .execute()
    },
  },
  '0017-vm-firmware': {
    up: async (db) => {
      await db.schema
        .createTable('vm_firmware')
        .addColumn('vm_id', 'text', (column) => column.primaryKey())
        .addColumn('updates', 'text', (column) => column.notNull())
        .addColumn('sha256', 'text')
        .addColumn('version', 'text')
        .addColumn('security_version', 'integer')
        .execute()
      await db.schema
        .createTable('firmware_list')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('signed_at', 'text', (column) => column.notNull())
        .addColumn('digest', 'text', (column) => column.notNull())
        .execute()
    },
  },
  '0018-vm-settings': {
    up: async (db) => {
      await db.schema
        .createTable('vm_settings')
        .addColumn('vm_id', 'text', (column) => column.primaryKey())
        .addColumn('sha256', 'text', (column) => column.notNull())
        .execute()
    },
  },
  '0019-guest-state-launch': {
    up: async (db) => {
      await db.schema.alterTable('key_version').addColumn('guest_state_launch', 'text').execute()
    },
  },
  // Earlier releases stored both, which had no effect.
  '0020-no-certificate-issuers': {
    up: async (db) => {
      for (const table of ['certificate_issuer', 'certificate_contacts']) await db.deleteFrom(table).execute()
    },
  },
}
