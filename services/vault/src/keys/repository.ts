import { countOf, forUpdate, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Transaction } from 'kysely'
import { ObjectRepository, type Name } from '../objects/repository.ts'
import type { RemovedKeys } from './removed-keys.ts'
import type { Tables } from '../store/migrations.ts'
import type { KeyVersionRow } from '../store/tables.ts'
import { keyRows, type KeyVersion } from './key-version.ts'

/** Rows of keys and their versions, with what only keys have. */
export class KeyRepository extends ObjectRepository<KeyVersion, KeyVersionRow> {
  readonly #removed: RemovedKeys | undefined

  constructor(store: Store, removed?: RemovedKeys) {
    super(store, keyRows)
    this.#removed = removed
  }

  override async remove(tx: DatabaseTransaction, o: Name): Promise<void> {
    await this.#removed?.note(tx, o)
    await (tx as Transaction<Tables>)
      .deleteFrom('key_placement')
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .execute()
    await super.remove(tx, o)
  }

  async lockGeneration(
    transaction: DatabaseTransaction,
    o: Name & { version: string },
  ): Promise<Pick<KeyVersionRow, 'guest_state_generation' | 'guest_state_launch'> | undefined> {
    const tx = transaction as Transaction<Tables>
    return await forUpdate(
      this.store,
      tx
        .selectFrom('key_version')
        .select(['guest_state_generation', 'guest_state_launch'])
        .where('vault', '=', o.vault)
        .where('name', '=', o.name)
        .where('version', '=', o.version),
    ).executeTakeFirst()
  }

  async setGeneration(
    transaction: DatabaseTransaction,
    o: Name & { version: string; generation: number; launch: string | undefined },
  ): Promise<void> {
    await (transaction as Transaction<Tables>)
      .updateTable('key_version')
      .set({ guest_state_generation: o.generation, guest_state_launch: o.launch ?? null })
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .where('version', '=', o.version)
      .execute()
  }

  /** How many keys a vault has, including deleted ones, and how many versions this one has. */
  async counts(o: Name, transaction?: DatabaseTransaction): Promise<{ keys: number; versions: number }> {
    const tx = (transaction as Transaction<Tables> | undefined) ?? this.db
    const versions = tx.selectFrom('key_version').where('vault', '=', o.vault).where('name', '=', o.name)
    return {
      keys: await countOf(tx, tx.selectFrom('key_object').where('vault', '=', o.vault)),
      versions: await countOf(tx, versions),
    }
  }

  /** JSON as set; undefined if the key has none. */
  async rotationPolicy(o: Name): Promise<string | undefined> {
    const row = await this.db
      .selectFrom('key_object')
      .select('rotation_policy')
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .executeTakeFirst()
    return row?.rotation_policy ?? undefined
  }

  /** @param rotateAt when the next version is due, seconds since 1970 */
  async setRotation(
    transaction: DatabaseTransaction,
    o: Name & { policy?: string; rotateAt: number | undefined },
  ): Promise<void> {
    await (transaction as Transaction<Tables>)
      .updateTable('key_object')
      .set({ rotate_at: o.rotateAt ?? null, ...(o.policy !== undefined && { rotation_policy: o.policy }) })
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .execute()
  }

  /** Keys whose next version is due. */
  async rotationDue(now: number, limit: number): Promise<Name[]> {
    return this.db
      .selectFrom('key_object')
      .select(['vault', 'name'])
      .where('rotate_at', '<=', now)
      .where('deleted_at', 'is', null)
      .orderBy('rotate_at')
      .limit(limit)
      .execute()
  }
}
