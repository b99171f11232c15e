import type { Clock, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { timeOrdered } from './time-ordered.ts'
import { DecisionWriter, textKnownMs, type Decision, type DecisionEntry } from './decision-writer.ts'
import type { Tables } from './tables.ts'

export type { Decision } from './decision-writer.ts'

/** How many rows may be kept: attest calls are anonymous, so their number is not ours to choose. */
const defaultKept = 100_000
/** Evidence takes more room. What was refused has a share of its own, so that nobody can push out what was decided. */
const defaultKeptBundles: Record<'decided' | 'refused', number> = { decided: 5_000, refused: 500 }
/** Rows are counted once in so many decisions: what is too many then goes in one short statement. */
const pruneEvery = 100

/** The record of what was decided, on which evidence, under which policy (attack K9). */
export class Decisions {
  readonly #db: Kysely<Tables>
  readonly #clock: Clock
  readonly #newId: () => string
  readonly #kept: number
  readonly #keptBundles: Record<'decided' | 'refused', number>
  readonly #writer: DecisionWriter
  #sincePrune = 0
  #pruning: Promise<void> | undefined
  #textsPruned = 0

  constructor(o: {
    store: Store
    clock: Clock
    newId: () => string
    kept?: number
    keptBundles?: Record<'decided' | 'refused', number>
  }) {
    this.#db = o.store.db as Kysely<Tables>
    this.#clock = o.clock
    this.#newId = o.newId
    this.#kept = o.kept ?? defaultKept
    this.#keptBundles = o.keptBundles ?? defaultKeptBundles
    this.#writer = new DecisionWriter({ store: o.store, clock: o.clock })
  }

  async record(decision: Omit<Decision, 'id' | 'at'>, bundle?: DecisionEntry['bundle']): Promise<void> {
    const now = this.#clock.now()
    const row: Decision = { ...decision, id: timeOrdered(this.#newId(), now), at: now.toISOString() }
    await this.#writer.write({ row, ...(bundle === undefined ? {} : { bundle }) })
    this.#sincePrune += 1
    if (this.#sincePrune < Math.min(pruneEvery, this.#kept)) return
    this.#pruning ??= this.#prune().finally(() => (this.#pruning = undefined))
    await this.#pruning
  }

  /** Newest first. @param o.before only what is older than this decision of the same provider */
  async list(o: { limit: number; provider?: string; before?: Pick<Decision, 'at' | 'id'> }): Promise<Decision[]> {
    const { limit, provider, before } = o
    let query = this.#db.selectFrom('decision').selectAll().orderBy('at', 'desc').orderBy('id', 'desc').limit(limit)
    if (provider !== undefined) query = query.where('provider', '=', provider)
    if (before !== undefined) {
      query = query.where((where) =>
        where.or([where('at', '<', before.at), where.and([where('at', '=', before.at), where('id', '<', before.id)])]),
      )
    }
    return await query.execute()
  }

  async get(provider: string, id: string): Promise<Decision | undefined> {
    return await this.#db
      .selectFrom('decision')
      .selectAll()
      .where('provider', '=', provider)
      .where('id', '=', id)
      .executeTakeFirst()
  }

  /** Evidence and what goes with it, put together again; undefined where none was or is kept. */
  async bundle(id: string): Promise<Record<string, unknown> | undefined> {
    const row = await this.#db.selectFrom('decision_bundle').selectAll().where('id', '=', id).executeTakeFirst()
    if (row === undefined) return undefined
    const names = Object.entries(JSON.parse(row.shared) as Record<string, string>)
    const texts = await this.#db
      .selectFrom('evidence_text')
      .selectAll()
      .where('digest', 'in', ['', ...names.map(([, digest]) => digest)])
      .execute()
    const shared = names.map(([name, digest]) => [name, texts.find((text) => text.digest === digest)?.text])
    const { evidence, ...content } = JSON.parse(row.content) as Record<string, unknown> & { evidence: object }
    return { ...content, evidence: { ...evidence, ...(Object.fromEntries(shared) as object) } }
  }

  async #prune(): Promise<void> {
    this.#sincePrune = 0
    await this.#pruneDecisions()
    const removed = [
      await this.#pruneBundles(['Permitted', 'Denied'], this.#keptBundles.decided),
      await this.#pruneBundles(['Refused'], this.#keptBundles.refused),
    ]
    const now = this.#clock.now().getTime()
    if (!removed.includes(true) || now < this.#textsPruned + textKnownMs) return
    this.#textsPruned = now
    await this.#pruneTexts()
  }

  async #pruneDecisions(): Promise<void> {
    const { rows } = await this.#db
      .selectFrom('decision')
      .select((expression) => expression.fn.countAll<number | string>().as('rows'))
      .executeTakeFirstOrThrow()
    const surplus = Number(rows) - this.#kept
    if (surplus <= 0) return
    await this.#db
      .deleteFrom('decision')
      .where('id', 'in', (of) => of.selectFrom('decision').select('id').orderBy('at').orderBy('id').limit(surplus))
      .execute()
  }

  async #pruneBundles(outcomes: Decision['outcome'][], kept: number): Promise<boolean> {
    const { rows } = await this.#db
      .selectFrom('decision_bundle')
      .select((expression) => expression.fn.countAll<number | string>().as('rows'))
      .where('outcome', 'in', outcomes)
      .executeTakeFirstOrThrow()
    const surplus = Number(rows) - kept
    if (surplus <= 0) return false
    await this.#db
      .deleteFrom('decision_bundle')
      .where('id', 'in', (of) =>
        of
          .selectFrom('decision_bundle')
          .select('id')
          .where('outcome', 'in', outcomes)
          .orderBy('at')
          .orderBy('id')
          .limit(surplus),
      )
      .execute()
    return true
  }

  /** Texts to which no bundle refers any more, and which no process takes for written. */
  async #pruneTexts(): Promise<void> {
    const rows = await this.#db.selectFrom('decision_bundle').select('shared').distinct().execute()
    const used = rows.flatMap(({ shared }) => Object.values(JSON.parse(shared) as Record<string, string>))
    await this.#db
      .deleteFrom('evidence_text')
      .where('digest', 'not in', ['', ...new Set(used)])
      .where('used_at', '<', new Date(this.#clock.now().getTime() - 2 * textKnownMs).toISOString())
      .execute()
  }
}
