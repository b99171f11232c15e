import { managedHsmVaultName, type ManagedHsmDefinition } from '@strongroom/contract'
import { forUpdate, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Kysely, Transaction } from 'kysely'
import type { RemovedKeys } from '../keys/removed-keys.ts'
import type { Tables as VaultTables } from '../store/migrations.ts'
import { builtInRoles, type RoleDefinition } from './roles.ts'
import type { HsmJobRow, HsmTables, ManagedHsmRow, RoleAssignmentRow } from './tables.ts'

type Tables = HsmTables & VaultTables

export interface StoredHsm extends ManagedHsmDefinition {
  name: string
  createdAt: string
  activated: boolean
  /** Seconds since 1970; both or neither. */
  deletedAt: number | undefined
  purgeAt: number | undefined
}

export interface RoleAssignment {
  id: string
  scope: string
  roleId: string
  principalId: string
}

/** Rows of managed HSMs and their local roles. */
export class HsmRepository {
  readonly #store: Store
  readonly #removed: RemovedKeys

  constructor(store: Store, removed: RemovedKeys) {
    this.#store = store
    this.#removed = removed
  }

  /** Includes deleted ones. */
  async find(name: string, tx?: DatabaseTransaction): Promise<StoredHsm | undefined> {
    const row = await this.#row(name, tx)
    return row && fromRow(row)
  }

  async lock(tx: DatabaseTransaction, name: string): Promise<ManagedHsmRow | undefined> {
    const query = (tx as Transaction<Tables>).selectFrom('managed_hsm').selectAll().where('name', '=', name)
    return forUpdate(this.#store, query).executeTakeFirst()
  }

  async insert(tx: DatabaseTransaction, row: ManagedHsmRow): Promise<boolean> {
    const written = await (tx as Transaction<Tables>)
      .insertInto('managed_hsm')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doNothing())
      .executeTakeFirst()
    return Number(written.numInsertedOrUpdatedRows ?? 0) === 1
  }

  async change(tx: DatabaseTransaction, name: string, values: Partial<ManagedHsmRow>): Promise<void> {
    await (tx as Transaction<Tables>).updateTable('managed_hsm').set(values).where('name', '=', name).execute()
  }

  async listDeleted(): Promise<StoredHsm[]> {
    const rows = await this.#db
      .selectFrom('managed_hsm')
      .selectAll()
      .where('deleted_at', 'is not', null)
      .orderBy('name')
      .execute()
    return rows.map(fromRow)
  }

  async due(now: number): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('managed_hsm')
      .select('name')
      .where('purge_at', '<=', now)
      .limit(50)
      .execute()
    return rows.map(({ name }) => name)
  }

  /** With everything it contains. */
  async remove(transaction: DatabaseTransaction, name: string): Promise<void> {
    const tx = transaction as Transaction<Tables>
    await this.removeKeys(tx, name)
    for (const table of ['hsm_role_assignment', 'hsm_role_definition', 'hsm_job'] as const) {
      await tx.deleteFrom(table).where('hsm', '=', name).execute()
    }
    await tx.deleteFrom('managed_hsm').where('name', '=', name).execute()
  }

  async removeKeys(transaction: DatabaseTransaction, name: string): Promise<void> {
    const tx = transaction as Transaction<VaultTables>
    const vault = managedHsmVaultName(name)
    await this.#removed.note(transaction, { vault })
    for (const table of ['key_version', 'key_object'] as const) {
      await tx.deleteFrom(table).where('vault', '=', vault).execute()
    }
  }

  async assignments(hsm: string): Promise<RoleAssignment[]> {
    const rows = await this.#db
      .selectFrom('hsm_role_assignment')
      .selectAll()
      .where('hsm', '=', hsm)
      .orderBy('id')
      .execute()
    return rows.map((row) => ({ id: row.id, scope: row.scope, roleId: row.role_id, principalId: row.principal_id }))
  }

  /** False if an identical assignment exists, or one with this id. */
  async insertAssignment(tx: DatabaseTransaction, hsm: string, o: RoleAssignment): Promise<boolean> {
    const row: RoleAssignmentRow = { hsm, id: o.id, scope: o.scope, role_id: o.roleId, principal_id: o.principalId }
    const written = await (tx as Transaction<Tables>)
      .insertInto('hsm_role_assignment')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    return Number(written.numInsertedOrUpdatedRows ?? 0) === 1
  }

  async removeAssignment(tx: DatabaseTransaction, hsm: string, id: string): Promise<void> {
    await (tx as Transaction<Tables>)
      .deleteFrom('hsm_role_assignment')
      .where('hsm', '=', hsm)
      .where('id', '=', id)
      .execute()
  }

  /** Built-in ones first. */
  async definitions(hsm: string): Promise<RoleDefinition[]> {
    const rows = await this.#db
      .selectFrom('hsm_role_definition')
      .selectAll()
      .where('hsm', '=', hsm)
      .orderBy('id')
      .execute()
    return [...builtInRoles, ...rows.map((row) => JSON.parse(row.definition) as RoleDefinition)]
  }

  async putDefinition(tx: DatabaseTransaction, hsm: string, definition: RoleDefinition): Promise<void> {
    const text = JSON.stringify(definition)
    await (tx as Transaction<Tables>)
      .insertInto('hsm_role_definition')
      .values({ hsm, id: definition.id, definition: text })
      .onConflict((conflict) => conflict.columns(['hsm', 'id']).doUpdateSet({ definition: text }))
      .execute()
  }

  async removeDefinition(tx: DatabaseTransaction, hsm: string, id: string): Promise<void> {
    await (tx as Transaction<Tables>)
      .deleteFrom('hsm_role_definition')
      .where('hsm', '=', hsm)
      .where('id', '=', id)
      .execute()
  }

  async keepJob(row: HsmJobRow): Promise<void> {
    await this.#db
      .insertInto('hsm_job')
      .values(row)
      .onConflict((conflict) => conflict.columns(['hsm', 'id']).doUpdateSet({ status: row.status }))
      .execute()
  }

  async job(hsm: string, id: string): Promise<HsmJobRow | undefined> {
    return this.#db.selectFrom('hsm_job').selectAll().where('hsm', '=', hsm).where('id', '=', id).executeTakeFirst()
  }

  async #row(name: string, tx?: DatabaseTransaction): Promise<ManagedHsmRow | undefined> {
    return ((tx as Kysely<Tables> | undefined) ?? this.#db)
      .selectFrom('managed_hsm')
      .selectAll()
      .where('name', '=', name)
      .executeTakeFirst()
  }

  get #db(): Kysely<Tables> {
    return this.#store.db as Kysely<Tables>
  }
}

export function fromRow(row: ManagedHsmRow): StoredHsm {
  return {
    ...(JSON.parse(row.definition) as ManagedHsmDefinition),
    name: row.name,
    createdAt: row.created_at,
    activated: row.domain_key !== null,
    deletedAt: row.deleted_at ?? undefined,
    purgeAt: row.purge_at ?? undefined,
  }
}
