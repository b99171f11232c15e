import { forUpdate, type DatabaseTransaction, type Store } from '@strongroom/platform'
import { sql, type Kysely, type SelectQueryBuilder, type Transaction } from 'kysely'
import type { KeyObjectRow, Tables } from '../store/migrations.ts'
import { changeableColumns, fromRow, toRow, type KeyVersion } from './key-version.ts'

export interface DeletedAt {
  deletedAt: number
  purgeAt: number
}

type Reader = Kysely<Tables>

/** Rows of keys and their versions. `deleted` picks the soft-deleted ones or the others, never both. */
export class KeyRepository {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get #db(): Reader {
    return this.#store.db as Reader
  }

  object(vault: string, name: string, tx?: DatabaseTransaction): Promise<KeyObjectRow | undefined> {
    return (tx ? (tx as Transaction<Tables>) : this.#db)
      .selectFrom('key_object')
      .selectAll()
      .where('vault', '=', vault)
      .where('name', '=', name)
      .executeTakeFirst()
  }

  /** Makes the key's own row where it is missing, and locks it until the transaction ends. */
  async lockObject(
    transaction: DatabaseTransaction,
    vault: string,
    name: string,
    shownName?: string,
  ): Promise<KeyObjectRow | undefined> {
    const tx = transaction as Transaction<Tables>
    if (shownName !== undefined) {
      await tx
        .insertInto('key_object')
        .values({ vault, name, shown_name: shownName, deleted_at: null, purge_at: null })
        .onConflict((conflict) => conflict.columns(['vault', 'name']).doNothing())
        .execute()
    }
    return forUpdate(
      this.#store,
      tx.selectFrom('key_object').selectAll().where('vault', '=', vault).where('name', '=', name),
    ).executeTakeFirst()
  }

  async insertVersion(transaction: DatabaseTransaction, key: KeyVersion): Promise<void> {
    const tx = transaction as Transaction<Tables>
    const last = await tx
      .selectFrom('key_version')
      .select('ordinal')
      .where('vault', '=', key.vault)
      .where('name', '=', key.name)
      .orderBy('ordinal', 'desc')
      .limit(1)
      .executeTakeFirst()
    await tx
      .insertInto('key_version')
      .values(toRow(key, (last?.ordinal ?? 0) + 1))
      .execute()
  }

  async updateVersion(transaction: DatabaseTransaction, key: KeyVersion): Promise<void> {
    await (transaction as Transaction<Tables>)
      .updateTable('key_version')
      .set({ ...changeableColumns(key), material: Buffer.from(key.material).toString('base64') })
      .where('vault', '=', key.vault)
      .where('name', '=', key.name)
      .where('version', '=', key.version)
      .execute()
  }

  /** Without `version` the current one. */
  async version(
    o: { vault: string; name: string; version?: string; deleted?: boolean },
    tx?: DatabaseTransaction,
  ): Promise<KeyVersion | undefined> {
    let query = joined((tx as Reader | undefined) ?? this.#db, o.deleted ?? false)
      .where('key_version.vault', '=', o.vault)
      .where('key_version.name', '=', o.name)
    if (o.version !== undefined) query = query.where('key_version.version', '=', o.version)
    const row = await query.orderBy('key_version.ordinal', 'desc').limit(1).executeTakeFirst()
    return row && fromRow(row)
  }

  /** Versions of one key in the order they were made. */
  async versions(o: {
    vault: string
    name: string
    after: number
    limit: number
  }): Promise<{ key: KeyVersion; ordinal: number }[]> {
    const rows = await joined(this.#db, false)
      .where('key_version.vault', '=', o.vault)
      .where('key_version.name', '=', o.name)
      .where('key_version.ordinal', '>', o.after)
      .orderBy('key_version.ordinal')
      .limit(o.limit)
      .execute()
    return rows.map((row) => ({ key: fromRow(row), ordinal: row.ordinal }))
  }

  /** Current versions in the order of the names. */
  async current(o: {
    vault: string
    after: string
    limit: number
    deleted: boolean
  }): Promise<(KeyVersion & Partial<DeletedAt>)[]> {
    const rows = await joined(this.#db, o.deleted)
      .where('key_version.vault', '=', o.vault)
      .where('key_version.name', '>', o.after)
      .where('key_version.ordinal', '=', (eb) =>
        eb
          .selectFrom('key_version as other')
          .select((inner) => inner.fn.max('other.ordinal').as('highest'))
          .whereRef('other.vault', '=', 'key_version.vault')
          .whereRef('other.name', '=', 'key_version.name'),
      )
      .orderBy('key_version.name')
      .limit(o.limit)
      .execute()
    return rows.map((row) => ({ ...fromRow(row), ...deletedOf(row) }))
  }

  async setDeleted(
    transaction: DatabaseTransaction,
    vault: string,
    name: string,
    deleted: DeletedAt | undefined,
  ): Promise<void> {
    await (transaction as Transaction<Tables>)
      .updateTable('key_object')
      .set({ deleted_at: deleted?.deletedAt ?? null, purge_at: deleted?.purgeAt ?? null })
      .where('vault', '=', vault)
      .where('name', '=', name)
      .execute()
  }

  async remove(transaction: DatabaseTransaction, vault: string, name: string): Promise<void> {
    const tx = transaction as Transaction<Tables>
    await tx.deleteFrom('key_version').where('vault', '=', vault).where('name', '=', name).execute()
    await tx.deleteFrom('key_object').where('vault', '=', vault).where('name', '=', name).execute()
  }

  /**
   * Drives removed rows out of SQLite's file and log: deleted pages are overwritten (secure_delete, set when the store
   * was opened), and the log that still holds them is emptied. On Postgres this is up to vacuum and the server's log.
   */
  async forgetRemoved(): Promise<void> {
    if (this.#store.engine === 'sqlite') await sql`pragma wal_checkpoint(truncate)`.execute(this.#db)
  }

  async eraseOnRemoval(): Promise<void> {
    if (this.#store.engine === 'sqlite') await sql`pragma secure_delete = on`.execute(this.#db)
  }

  /** Soft-deleted keys whose time is over. */
  async due(now: number, limit: number): Promise<{ vault: string; name: string }[]> {
    return this.#db
      .selectFrom('key_object')
      .select(['vault', 'name'])
      .where('purge_at', '<=', now)
      .orderBy('purge_at')
      .limit(limit)
      .execute()
  }

  async lockGeneration(
    transaction: DatabaseTransaction,
    o: { vault: string; name: string; version: string },
  ): Promise<number | undefined> {
    const tx = transaction as Transaction<Tables>
    const row = await forUpdate(
      this.#store,
      tx
        .selectFrom('key_version')
        .select('guest_state_generation')
        .where('vault', '=', o.vault)
        .where('name', '=', o.name)
        .where('version', '=', o.version),
    ).executeTakeFirst()
    return row?.guest_state_generation
  }

  async setGeneration(
    transaction: DatabaseTransaction,
    o: { vault: string; name: string; version: string; generation: number },
  ): Promise<void> {
    await (transaction as Transaction<Tables>)
      .updateTable('key_version')
      .set({ guest_state_generation: o.generation })
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .where('version', '=', o.version)
      .execute()
  }
}

type JoinedRow = Tables['key_version'] & Pick<KeyObjectRow, 'shown_name' | 'deleted_at' | 'purge_at'>

function joined(db: Reader, deleted: boolean): SelectQueryBuilder<Tables, 'key_version' | 'key_object', JoinedRow> {
  return db
    .selectFrom('key_version')
    .innerJoin('key_object', (join) =>
      join.onRef('key_object.vault', '=', 'key_version.vault').onRef('key_object.name', '=', 'key_version.name'),
    )
    .selectAll('key_version')
    .select(['key_object.shown_name', 'key_object.deleted_at', 'key_object.purge_at'])
    .where('key_object.deleted_at', deleted ? 'is not' : 'is', null)
}

function deletedOf(row: { deleted_at: number | null; purge_at: number | null }): Partial<DeletedAt> {
  return row.deleted_at === null ? {} : { deletedAt: row.deleted_at, purgeAt: row.purge_at ?? row.deleted_at }
}
