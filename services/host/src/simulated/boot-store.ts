import type { AnyBootEvidence } from '@strongroom/contract'
import type { Migration, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { InstanceRecord } from '../records/record.ts'

interface Tables {
  simulated_boot: { vm_id: string; identity: string; evidence: string | null }
}

const migrations: Record<string, Migration> = {
  '0001-simulated-boots': {
    up: async (db) => {
      await db.schema
        .createTable('simulated_boot')
        .addColumn('vm_id', 'text', (column) => column.primaryKey())
        .addColumn('identity', 'text', (column) => column.notNull())
        .addColumn('evidence', 'text')
        .execute()
    },
  },
}

export type Identity = NonNullable<InstanceRecord['identity']>

/** For each VM whose evidence was requested: its vTPM's public keys and its last boot's evidence. */
export class SimulatedBootStore {
  readonly #db: Kysely<Tables>

  private constructor(store: Store) {
    this.#db = store.db as Kysely<Tables>
  }

  static async open(store: Store): Promise<SimulatedBootStore> {
    await store.migrate('host-simulated', migrations)
    return new SimulatedBootStore(store)
  }

  async find(vmId: string): Promise<{ identity: Identity; evidence?: AnyBootEvidence } | undefined> {
    const row = await this.#db.selectFrom('simulated_boot').selectAll().where('vm_id', '=', vmId).executeTakeFirst()
    if (row === undefined) return undefined
    return {
      identity: JSON.parse(row.identity) as Identity,
      ...(row.evidence !== null && { evidence: JSON.parse(row.evidence) as AnyBootEvidence }),
    }
  }

  /** A recreated vTPM has no evidence yet. */
  async saveIdentity(vmId: string, identity: Identity): Promise<void> {
    const row = { identity: JSON.stringify(identity), evidence: null }
    await this.#db
      .insertInto('simulated_boot')
      .values({ vm_id: vmId, ...row })
      .onConflict((conflict) => conflict.column('vm_id').doUpdateSet(row))
      .execute()
  }

  async saveEvidence(vmId: string, evidence: AnyBootEvidence): Promise<void> {
    const text = JSON.stringify(evidence)
    await this.#db.updateTable('simulated_boot').set({ evidence: text }).where('vm_id', '=', vmId).execute()
  }

  async remove(vmId: string): Promise<void> {
    await this.#db.deleteFrom('simulated_boot').where('vm_id', '=', vmId).execute()
  }
}
