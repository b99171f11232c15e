import { forUpdate, repeatedQuery, RowCache, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Kysely, Transaction } from 'kysely'
import type { Tables } from '../store/migrations.ts'
import type { VaultRow } from '../store/tables.ts'
import { fromVaultRow, type StoredVault } from './vault.ts'

/** Contents of a vault, versions before the objects they refer to. */
const objectTables = [
  'key_version',
  'key_object',
  'secret_version',
  'secret_object',
  'certificate_version',
  'certificate_object',
  'certificate_pending',
] as const

/** Records the keys of a vault that a token holds, in the transaction that removes their rows. */
interface RemovedKeys {
  note(tx: DatabaseTransaction, o: { vault: string }): Promise<void>
}

/** Most recently read vaults kept in memory. */
const foundVaults = 256

/** Rows of tenants' vaults. */
export class VaultRepository {
  readonly #store: Store
  readonly #removed: RemovedKeys | undefined

  readonly #find: (name: string) => Promise<VaultRow | undefined>

  readonly #found: RowCache<StoredVault>

  constructor(store: Store, removed?: RemovedKeys) {
    this.#store = store
    this.#find = repeatedQuery(this.#db, this.#db.selectFrom('vault').selectAll().where('name', '=', ''))
    this.#found = new RowCache({ store, tables: ['vault'], limit: foundVaults })
    this.#removed = removed
  }

  get #db(): Kysely<Tables> {
    return this.#store.db as Kysely<Tables>
  }

  /** Includes deleted ones. */
  async find(name: string): Promise<StoredVault | undefined> {
    return this.#found.get(name, async () => {
      const row = await this.#find(name)
      return row && fromVaultRow(row)
    })
  }

  async lock(transaction: DatabaseTransaction, name: string): Promise<StoredVault | undefined> {
    const tx = transaction as Transaction<Tables>
    const row = await forUpdate(
      this.#store,
      tx.selectFrom('vault').selectAll().where('name', '=', name),
    ).executeTakeFirst()
    return row && fromVaultRow(row)
  }

  async deleted(): Promise<StoredVault[]> {
    const rows = await this.#db.selectFrom('vault').selectAll().where('deleted_at', 'is not', null).execute()
    return rows.toSorted((a, b) => a.name.localeCompare(b.name)).map(fromVaultRow)
  }

  async due(now: number): Promise<string[]> {
    const rows = await this.#db.selectFrom('vault').select('name').where('purge_at', '<=', now).execute()
    return rows.map((row) => row.name)
  }

  /** False if another request created a vault of this name first. */
  async insert(transaction: DatabaseTransaction, row: VaultRow): Promise<boolean> {
    const written = await (transaction as Transaction<Tables>)
      .insertInto('vault')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doNothing())
      .executeTakeFirst()
    return Number(written.numInsertedOrUpdatedRows ?? 0) === 1
  }

  async change(
    transaction: DatabaseTransaction,
    name: string,
    values: Partial<Pick<VaultRow, 'resource_id' | 'definition' | 'deleted_at' | 'purge_at'>>,
  ): Promise<void> {
    await (transaction as Transaction<Tables>).updateTable('vault').set(values).where('name', '=', name).execute()
  }

  /** With everything that the vault contains. */
  async remove(transaction: DatabaseTransaction, name: string): Promise<void> {
    const tx = transaction as Transaction<Tables>
    await this.#removed?.note(tx, { vault: name })
    for (const table of objectTables) {
      await tx.deleteFrom(table).where('vault', '=', name).execute()
    }
    await tx.deleteFrom('vault').where('name', '=', name).execute()
  }
}
