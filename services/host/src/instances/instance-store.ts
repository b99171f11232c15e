import type { AnyBootEvidence } from '@strongroom/contract'
import type { Migration, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { InstanceRecord } from './record.ts'

interface Tables {
  instance: { vm_id: string; record: string; evidence: string | null }
}

const migrations: Record<string, Migration> = {
  '0001-instances': {
    up: async (db) => {
      await db.schema
        .createTable('instance')
        .addColumn('vm_id', 'text', (column) => column.primaryKey())
        .addColumn('record', 'text', (column) => column.notNull())
        .addColumn('evidence', 'text')
        .execute()
    },
  },
}

/** The machine's VMs, one row each. */
export class InstanceStore {
  readonly #store: Store
  readonly #db: Kysely<Tables>

  private constructor(store: Store) {
    this.#store = store
    this.#db = store.db as Kysely<Tables>
  }

  static async open(store: Store): Promise<InstanceStore> {
    await store.migrate('host', migrations)
    return new InstanceStore(store)
  }

  async list(): Promise<InstanceRecord[]> {
    const rows = await this.#db.selectFrom('instance').select('record').orderBy('vm_id').execute()
    return rows.map((row) => JSON.parse(row.record) as InstanceRecord)
  }

  async save(record: InstanceRecord): Promise<void> {
    const row = { vm_id: record.spec.vmId, record: JSON.stringify(record) }
    await this.#db
      .insertInto('instance')
      .values({ ...row, evidence: null })
      .onConflict((conflict) => conflict.column('vm_id').doUpdateSet({ record: row.record }))
      .execute()
  }

  async saveEvidence(vmId: string, evidence: AnyBootEvidence): Promise<void> {
    const text = JSON.stringify(evidence)
    await this.#db.updateTable('instance').set({ evidence: text }).where('vm_id', '=', vmId).execute()
  }

  async evidence(vmId: string): Promise<AnyBootEvidence | undefined> {
    const row = await this.#db.selectFrom('instance').select('evidence').where('vm_id', '=', vmId).executeTakeFirst()
    return typeof row?.evidence === 'string' ? (JSON.parse(row.evidence) as AnyBootEvidence) : undefined
  }

  async remove(vmId: string): Promise<void> {
    await this.#db.deleteFrom('instance').where('vm_id', '=', vmId).execute()
  }

  async close(): Promise<void> {
    await this.#store.close()
  }
}
