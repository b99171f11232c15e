import { GroupCommit, type Clock, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { DecisionEntry } from './decision-entry.ts'
import { textKnownMs, type Retention } from './retention.ts'
import type { Tables } from './tables.ts'

/** Maximum decisions in one transaction. */
const groupLimit = 200

/** Writes decisions in order; several waiting ones are written together. A decision counts once it is on disk. */
export class DecisionWriter {
  readonly #store: Store
  readonly #clock: Clock
  readonly #retention: Retention
  readonly #commit: GroupCommit<DecisionEntry>
  /** Texts known to be in the store, by digest, with an expiry. */
  readonly #knownTexts = new Map<string, number>()

  constructor(o: { store: Store; clock: Clock; retention: Retention }) {
    this.#store = o.store
    this.#clock = o.clock
    this.#retention = o.retention
    this.#commit = new GroupCommit({ limit: groupLimit, write: (entries) => this.#insert(entries) })
  }

  write(entry: DecisionEntry): Promise<void> {
    return this.#commit.add(entry)
  }

  async #insert(entries: DecisionEntry[]): Promise<void> {
    const now = this.#clock.now().getTime()
    const texts = new Map<string, string>()
    const bundles = entries.flatMap(({ row, bundle }) => {
      if (bundle === undefined) return []
      const shared = Object.entries(bundle.evidence.shared).map(([name, { digest, text }]) => {
        if (!((this.#knownTexts.get(digest) ?? 0) > now)) texts.set(digest, text())
        return [name, digest] as const
      })
      const content = JSON.stringify({ ...bundle.content, evidence: bundle.evidence.own })
      return [
        { id: row.id, at: row.at, outcome: row.outcome, content, shared: JSON.stringify(Object.fromEntries(shared)) },
      ]
    })
    const written = this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      await tx
        .insertInto('decision')
        .values(entries.map(({ row }) => row))
        .execute()
      if (bundles.length > 0) await tx.insertInto('decision_bundle').values(bundles).execute()
      if (texts.size > 0) {
        await tx
          .insertInto('evidence_text')
          .values([...texts].map(([digest, text]) => ({ digest, text, used_at: new Date(now).toISOString() })))
          .onConflict((conflict) => conflict.column('digest').doUpdateSet({ used_at: new Date(now).toISOString() }))
          .execute()
      }
      await this.#retention.trim(tx, entries)
    })
    await written.catch((error: unknown) => {
      this.#retention.forget()
      throw error
    })
    if (this.#knownTexts.size > 10_000) this.#knownTexts.clear()
    for (const digest of texts.keys()) this.#knownTexts.set(digest, now + textKnownMs)
  }
}
