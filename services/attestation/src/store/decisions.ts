import type { DecidedClaims } from '@strongroom/contract'
import type { Clock, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { timeOrdered } from './time-ordered.ts'
import type { Decision, DecisionEntry } from './decision-entry.ts'
import { DecisionWriter } from './decision-writer.ts'
import { Retention, type RetentionLimits } from './retention.ts'
import type { Tables } from './tables.ts'

/** Evidence is larger than its findings. */
const defaultKept: RetentionLimits = { decisions: 100_000, refusals: 20_000, decided: 5_000, refused: 500 }

/** Whose decisions: an earlier provider of the same name was another tenant's, and so are its decisions. */
interface Recorded {
  host: string
  createdAt?: string
}
const since = ({ createdAt }: Recorded): string => createdAt ?? ''

/** The record of decisions with their evidence and policy (attack K9). */
export class Decisions {
  readonly #db: Kysely<Tables>
  readonly #clock: Clock
  readonly #newId: () => string
  readonly #retention: Retention
  readonly #writer: DecisionWriter

  constructor(o: { store: Store; clock: Clock; newId: () => string; kept?: RetentionLimits }) {
    this.#db = o.store.db as Kysely<Tables>
    this.#clock = o.clock
    this.#newId = o.newId
    this.#retention = new Retention({ clock: o.clock, limits: o.kept ?? defaultKept })
    this.#writer = new DecisionWriter({ store: o.store, clock: o.clock, retention: this.#retention })
  }

  async record(decision: Omit<Decision, 'id' | 'at'>, bundle?: DecisionEntry['bundle']): Promise<void> {
    const now = this.#clock.now()
    const row: Decision = { ...decision, id: timeOrdered(this.#newId(), now), at: now.toISOString() }
    await this.#writer.write({ row, ...(bundle === undefined ? {} : { bundle }) })
    await this.#retention.trimTexts(this.#db)
  }

  /** Newest first. @param o.before only decisions older than this one, of the same provider */
  async list(o: { limit: number; provider?: Recorded; before?: Pick<Decision, 'at' | 'id'> }): Promise<Decision[]> {
    const { limit, provider, before } = o
    let query = this.#db.selectFrom('decision').selectAll().orderBy('at', 'desc').orderBy('id', 'desc').limit(limit)
    if (provider !== undefined) query = query.where('provider', '=', provider.host).where('at', '>=', since(provider))
    if (before !== undefined) {
      query = query.where((where) =>
        where.or([where('at', '<', before.at), where.and([where('at', '=', before.at), where('id', '<', before.id)])]),
      )
    }
    return await query.execute()
  }

  async get(provider: Recorded, id: string): Promise<Decision | undefined> {
    return await this.#db
      .selectFrom('decision')
      .selectAll()
      .where('provider', '=', provider.host)
      .where('at', '>=', since(provider))
      .where('id', '=', id)
      .executeTakeFirst()
  }

  /** The claims that the policies of these decisions evaluated, by id; omitted if the evidence is no longer stored. */
  async claimsOf(ids: readonly string[]): Promise<Map<string, DecidedClaims>> {
    if (ids.length === 0) return new Map()
    const rows = await this.#db.selectFrom('decision_bundle').select(['id', 'content']).where('id', 'in', ids).execute()
    return new Map(
      rows.map(({ id, content }) => {
        const { claims, policyClaims } = JSON.parse(content) as DecidedClaims
        return [id, { ...(claims !== undefined && { claims }), ...(policyClaims !== undefined && { policyClaims }) }]
      }),
    )
  }

  /** Evidence with its shared texts, reassembled; undefined if none is stored. */
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
}
