import type { DatabaseTransaction, Logger, Migration, Store } from '@strongroom/platform'
import type { Kysely, Transaction } from 'kysely'
import { bindingOf, keyRows } from './key-version.ts'
import type { CertificatePendingRow, KeyVersionRow } from '../store/tables.ts'
import type { Keystore } from '../keystore/keystore.ts'

interface Row {
  vault: string
  name: string
  version: string
  /** The row of the key as it was when it was purged, as JSON. */
  key: string
}

interface Tables {
  key_version: KeyVersionRow
  certificate_pending: CertificatePendingRow
  removed_key: Row
}

export const removedKeysMigrations: Record<string, Migration> = {
  '0001-removed-keys': {
    up: async (db) => {
      await db.schema
        .createTable('removed_key')
        .addColumn('vault', 'text', (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('version', 'text', (column) => column.notNull())
        .addColumn('key', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('removed_key_key', ['vault', 'name', 'version'])
        .execute()
    },
  },
}

const atOnce = 100

/**
 * Purged keys that a token still holds. They are recorded in the transaction that removes their rows, so that no crash
 * leaves one behind, and destroyed afterwards; an absent token is retried. A keystore that stores nothing itself has
 * nothing to destroy.
 */
export class RemovedKeys {
  readonly #o: { store: Store; keystore: Keystore; logger: Logger }

  constructor(o: { store: Store; keystore: Keystore; logger: Logger }) {
    this.#o = o
  }

  /** Call before deleting the rows of a key, or of all keys of a vault. */
  async note(transaction: DatabaseTransaction, o: { vault: string; name?: string }): Promise<void> {
    if (!this.#o.keystore.keepsKeys) return
    const tx = transaction as Transaction<Tables>
    let query = tx.selectFrom('key_version').selectAll().where('vault', '=', o.vault)
    if (o.name !== undefined) query = query.where('name', '=', o.name)
    const rows = (await query.execute()).map((key) => {
      const { vault, name, version } = key
      return { vault, name, version, key: JSON.stringify(key) }
    })
    // Keys of unsigned certificates go with their vault.
    if (o.name === undefined)
      rows.push(
        ...(await tx
          .selectFrom('certificate_pending')
          .select(['vault', 'name', 'version', 'key'])
          .where('vault', '=', o.vault)
          .execute()),
      )
    for (let start = 0; start < rows.length; start += atOnce) {
      await tx
        .insertInto('removed_key')
        .values(rows.slice(start, start + atOnce))
        .execute()
    }
  }

  /** Destroys the recorded keys. Failures stay recorded, and are logged. */
  async destroy(): Promise<void> {
    const { store, keystore, logger } = this.#o
    if (!keystore.keepsKeys) return
    const db = store.db as Kysely<Tables>
    for (;;) {
      const rows = await db.selectFrom('removed_key').selectAll().limit(atOnce).execute()
      for (const { vault, name, version, key: text } of rows) {
        const key = keyRows.fromRow({ ...(JSON.parse(text) as KeyVersionRow), shown_name: name })
        try {
          await keystore.destroy(key.material, bindingOf(key))
        } catch (error) {
          logger.error({ err: error, vault, name, version }, 'a purged key is still in its token; retrying')
          return
        }
        await db
          .deleteFrom('removed_key')
          .where('vault', '=', vault)
          .where('name', '=', name)
          .where('version', '=', version)
          .execute()
      }
      if (rows.length < atOnce) return
    }
  }
}
