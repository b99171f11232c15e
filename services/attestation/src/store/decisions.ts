import type { Clock, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Tables } from './tables.ts'

export type Decision = Tables['decision']

/** How many rows may be kept: attest calls are anonymous, so their number is not ours to choose. */
const defaultKept = 100_000
/** Rows are counted once in so many decisions. */
const pruneEvery = 1_000

/** The record of what was decided, on which evidence, under which policy (attack K9). */
export class Decisions {
  readonly #db: Kysely<Tables>
  readonly #clock: Clock
  readonly #newId: () => string
  readonly #kept: number
  #sincePrune = 0

  constructor(o: { store: Store; clock: Clock; newId: () => string; kept?: number }) {
    this.#db = o.store.db as Kysely<Tables>
    this.#clock = o.clock
    this.#newId = o.newId
    this.#kept = o.kept ?? defaultKept
  }

  async record(decision: Omit<Decision, 'id' | 'at'>): Promise<void> {
    const row: Decision = { ...decision, id: this.#newId(), at: this.#clock.now().toISOString() }
    await this.#db.insertInto('decision').values(row).execute()
    this.#sincePrune += 1
    if (this.#sincePrune >= Math.min(pruneEvery, this.#kept)) await this.#prune()
  }

  /** Newest first. */
  async list(limit: number): Promise<Decision[]> {
    return this.#db.selectFrom('decision').selectAll().orderBy('at', 'desc').limit(limit).execute()
  }

  async #prune(): Promise<void> {
    this.#sincePrune = 0
    const oldest = await this.#db
      .selectFrom('decision')
      .select('at')
      .orderBy('at', 'desc')
      .offset(this.#kept)
      .limit(1)
      .executeTakeFirst()
    if (oldest) await this.#db.deleteFrom('decision').where('at', '<=', oldest.at).execute()
  }
}
