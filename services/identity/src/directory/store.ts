import type { Migration, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'

export interface PrincipalRow {
  app_id: string
  object_id: string
  display_name: string
  kind: 'Application' | 'ManagedIdentity'
  /** ARM id in lower case; of managed identities only. */
  resource_id: string | null
  created_at: string
}

interface SecretRow {
  id: string
  app_id: string
  /** scrypt with its parameters, see secret.ts. */
  hash: string
  created_at: string
}

interface SettingRow {
  name: string
  /** base64 of sealed bytes, or plain text. */
  value: string
}

export interface CertificateRow {
  id: string
  app_id: string
  /** base64url, as in x5t and x5t#S256 of RFC 7515. */
  sha1: string
  sha256: string
  /** base64 of the DER. */
  der: string
  display_name: string
  not_before: string
  not_after: string
  created_at: string
}

export interface FederatedCredentialRow {
  id: string
  app_id: string
  name: string
  issuer: string
  subject: string
  audience: string
  created_at: string
}

export interface DeviceCodeRow {
  /** SHA-256 of the device code, hex. */
  hash: string
  user_code: string
  client_id: string
  scope: string
  state: 'pending' | 'approved' | 'denied'
  expires_at: string
  /** Address of the program that asked. */
  asked_from: string | null
}

export interface RefreshTokenRow {
  /** SHA-256 of the token, hex. */
  hash: string
  client_id: string
  app_id: string
  expires_at: string
  /** JSON list of the audiences that it serves; absent if it was issued by the release before. */
  audiences: string | null
}

/** A user-assigned identity of a resource. */
interface AssignmentRow {
  /** ARM id of the resource in lower case. */
  resource_id: string
  /** The identity's application id: a later identity of the same name is another. */
  app_id: string
}

/** A person in the directory, for role assignments. Nobody signs in as one: there is no password. */
export interface UserRow {
  id: string
  /** Lower case. */
  user_principal_name: string
  display_name: string
  mail_nickname: string
  /** 0 or 1. */
  enabled: number
  created_at: string
}

export interface GroupRow {
  id: string
  display_name: string
  mail_nickname: string
  description: string | null
  created_at: string
}

interface GroupMemberRow {
  group_id: string
  /** Object id of a person, a service principal or another group. */
  member_id: string
}

export interface Tables {
  principal: PrincipalRow
  secret: SecretRow
  setting: SettingRow
  certificate: CertificateRow
  federated_credential: FederatedCredentialRow
  device_code: DeviceCodeRow
  refresh_token: RefreshTokenRow
  assignment: AssignmentRow
  directory_user: UserRow
  directory_group: GroupRow
  group_member: GroupMemberRow
}

export const migrations: Record<string, Migration> = {
  '001': {
    up: async (db) => {
      await db.schema
        .createTable('principal')
        .addColumn('app_id', 'text', (column) => column.primaryKey())
        .addColumn('object_id', 'text', (column) => column.notNull().unique())
        .addColumn('display_name', 'text', (column) => column.notNull())
        .addColumn('kind', 'text', (column) => column.notNull())
        .addColumn('resource_id', 'text', (column) => column.unique())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('secret')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('app_id', 'text', (column) => column.notNull().references('principal.app_id').onDelete('cascade'))
        .addColumn('hash', 'text', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('setting')
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('value', 'text', (column) => column.notNull())
        .execute()
    },
  },
  '002-sign-in': {
    up: async (db) => {
      await db.schema
        .createTable('certificate')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('app_id', 'text', (column) => column.notNull().references('principal.app_id').onDelete('cascade'))
        .addColumn('sha1', 'text', (column) => column.notNull())
        .addColumn('sha256', 'text', (column) => column.notNull())
        .addColumn('der', 'text', (column) => column.notNull())
        .addColumn('display_name', 'text', (column) => column.notNull())
        .addColumn('not_before', 'text', (column) => column.notNull())
        .addColumn('not_after', 'text', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('federated_credential')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('app_id', 'text', (column) => column.notNull().references('principal.app_id').onDelete('cascade'))
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('issuer', 'text', (column) => column.notNull())
        .addColumn('subject', 'text', (column) => column.notNull())
        .addColumn('audience', 'text', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .addUniqueConstraint('federated_credential_name', ['app_id', 'name'])
        .execute()
      await db.schema
        .createTable('device_code')
        .addColumn('hash', 'text', (column) => column.primaryKey())
        .addColumn('user_code', 'text', (column) => column.notNull().unique())
        .addColumn('client_id', 'text', (column) => column.notNull())
        .addColumn('scope', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('expires_at', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('refresh_token')
        .addColumn('hash', 'text', (column) => column.primaryKey())
        .addColumn('client_id', 'text', (column) => column.notNull())
        .addColumn('app_id', 'text', (column) => column.notNull().references('principal.app_id').onDelete('cascade'))
        .addColumn('expires_at', 'text', (column) => column.notNull())
        .execute()
    },
  },
  '003-assignments': {
    up: async (db) => {
      await db.schema
        .createTable('assignment')
        .addColumn('resource_id', 'text', (column) => column.notNull())
        .addColumn('app_id', 'text', (column) => column.notNull().references('principal.app_id').onDelete('cascade'))
        .addPrimaryKeyConstraint('assignment_key', ['resource_id', 'app_id'])
        .execute()
    },
  },
  '004-people': {
    up: async (db) => {
      await db.schema
        .createTable('directory_user')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('user_principal_name', 'text', (column) => column.notNull().unique())
        .addColumn('display_name', 'text', (column) => column.notNull())
        .addColumn('mail_nickname', 'text', (column) => column.notNull())
        .addColumn('enabled', 'integer', (column) => column.notNull())
        .addColumn('created_at', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('directory_group')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('display_name', 'text', (column) => column.notNull())
        .addColumn('mail_nickname', 'text', (column) => column.notNull())
        .addColumn('description', 'text')
        .addColumn('created_at', 'text', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('group_member')
        .addColumn('group_id', 'text', (column) =>
          column.notNull().references('directory_group.id').onDelete('cascade'),
        )
        .addColumn('member_id', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('group_member_key', ['group_id', 'member_id'])
        .execute()
      await db.schema.createIndex('group_member_member').on('group_member').column('member_id').execute()
    },
  },
  '005-granted': {
    up: async (db) => {
      await db.schema.alterTable('device_code').addColumn('asked_from', 'text').execute()
      await db.schema.alterTable('refresh_token').addColumn('audiences', 'text').execute()
    },
  },
}

/** The typed view of the service's database. */
export function tables(store: Store): Kysely<Tables> {
  return store.db as Kysely<Tables>
}

/** Writes a setting unless present; returns the stored one. */
export async function settingOnce(store: Store, name: string, make: () => Promise<string>): Promise<string> {
  const read = async (): Promise<string | undefined> =>
    (await tables(store).selectFrom('setting').select('value').where('name', '=', name).executeTakeFirst())?.value
  const kept = await read()
  if (kept !== undefined) return kept
  const value = await make()
  // Another process may have been first; its value is then used.
  await tables(store)
    .insertInto('setting')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  return (await read()) ?? value
}
