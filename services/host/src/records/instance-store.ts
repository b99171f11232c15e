import type { AnyBootEvidence } from '@strongroom/contract'
import type { Migration, Sealer, Store } from '@strongroom/platform'
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

/** As a row has it. */
interface KeptRecord extends InstanceRecord {
  /** Base64. */
  sealedPasswordHash?: string
}

/** The host's VMs, one row each. */
export class InstanceStore {
  readonly #store: Store
  readonly #db: Kysely<Tables>
  readonly #sealer: Sealer

  private constructor(store: Store, sealer: Sealer) {
    this.#sealer = sealer.derive('vm-passwords')
    this.#store = store
    this.#db = store.db as Kysely<Tables>
  }

  static async open(store: Store, sealer: Sealer): Promise<InstanceStore> {
    await store.migrate('host', migrations)
    return new InstanceStore(store, sealer)
  }

  async list(): Promise<InstanceRecord[]> {
    const rows = await this.#db.selectFrom('instance').select('record').orderBy('vm_id').execute()
    return await Promise.all(rows.map(async (row) => await this.#opened(JSON.parse(row.record) as KeptRecord)))
  }

  async save(record: InstanceRecord): Promise<void> {
    const row = { vm_id: record.spec.vmId, record: JSON.stringify(await this.#sealed(record)) }
    await this.#db
      .insertInto('instance')
      .values({ ...row, evidence: null })
      .onConflict((conflict) => conflict.column('vm_id').doUpdateSet({ record: row.record }))
      .execute()
  }

  /** A password hash is never stored in clear on the host's disk. */
  async #sealed(record: InstanceRecord): Promise<KeptRecord> {
    const { passwordHash, ...osProfile } = record.spec.osProfile
    if (passwordHash === undefined) return record
    const sealed = await this.#sealer.seal(Buffer.from(passwordHash), record.spec.vmId)
    const sealedPasswordHash = Buffer.from(sealed).toString('base64')
    return { ...record, spec: { ...record.spec, osProfile }, sealedPasswordHash }
  }

  async #opened({ sealedPasswordHash, ...record }: KeptRecord): Promise<InstanceRecord> {
    if (sealedPasswordHash === undefined) return record
    const hash = await this.#sealer.open(Buffer.from(sealedPasswordHash, 'base64'), record.spec.vmId)
    record.spec.osProfile.passwordHash = Buffer.from(hash).toString()
    return record
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
