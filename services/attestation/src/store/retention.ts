import { countOf, type Clock } from '@strongroom/platform'
import { sql, type Kysely, type SelectQueryBuilder } from 'kysely'
import type { Decision, DecisionEntry } from './decision-entry.ts'
import type { Tables } from './tables.ts'

/**
 * How many rows are kept: of decisions, of refusals, and of the evidence of each. Refusals have separate shares, so that
 * nobody can push out granted decisions.
 */
export interface RetentionLimits {
  decisions: number
  refusals: number
  decided: number
  refused: number
}

type Kind = keyof RetentionLimits

/** Rows are removed in steps too short for callers to notice, in the transaction that exceeded the limit. */
const step = 16
/** Decisions after which rows are counted again, because other processes write too. Counting scans an index. */
const countEvery = 5_000
const kinds: readonly Kind[] = ['decisions', 'refusals', 'decided', 'refused']
const outcomesOf: Record<Kind, Decision['outcome'][]> = {
  decisions: ['Permitted', 'Denied'],
  refusals: ['Refused'],
  decided: ['Permitted', 'Denied'],
  refused: ['Refused'],
}
const evidenceKinds: readonly Kind[] = ['decided', 'refused']

/** How long a text is not written again. Unreferenced texts are kept for longer. */
export const textKnownMs: number = 3600_000

/** Enforces limits on the decision record: attest calls are anonymous, so their number is not ours to choose. */
export class Retention {
  readonly #clock: Clock
  readonly #limits: RetentionLimits
  /** As far as this process knows; undefined if unknown. */
  #rows: RetentionLimits | undefined
  #sinceCount = 0
  #bundlesRemoved = false
  #textsPruned = 0

  constructor(o: { clock: Clock; limits: RetentionLimits }) {
    this.#clock = o.clock
    this.#limits = o.limits
  }

  /** Within the transaction that wrote the entries. */
  async trim(tx: Kysely<Tables>, entries: readonly DecisionEntry[]): Promise<void> {
    const known = this.#rows
    // Unknown until the transaction commits: it may be rolled back.
    this.#rows = undefined
    this.#sinceCount += entries.length
    const rows = known === undefined || this.#sinceCount >= countEvery ? await this.#counted(tx) : sum(known, entries)
    for (const kind of kinds) {
      const surplus = rows[kind] - this.#limits[kind]
      if (surplus < Math.min(step, this.#limits[kind])) continue
      const table = evidenceKinds.includes(kind) ? 'decision_bundle' : 'decision'
      await dropOldest(tx, table, outcomesOf[kind], surplus)
      rows[kind] -= surplus
      this.#bundlesRemoved ||= table === 'decision_bundle'
    }
    this.#rows = rows
  }

  /** `trim`'s counts are invalid: its transaction was rolled back. */
  forget(): void {
    this.#rows = undefined
  }

  /** Removes texts that no bundle refers to and no process counts as written; once an hour. */
  async trimTexts(db: Kysely<Tables>): Promise<void> {
    const now = this.#clock.now().getTime()
    if (!this.#bundlesRemoved || now < this.#textsPruned + textKnownMs) return
    this.#textsPruned = now
    this.#bundlesRemoved = false
    // Within the statement, so that bundles are not read for it.
    await db
      .deleteFrom('evidence_text')
      .where('used_at', '<', new Date(now - 2 * textKnownMs).toISOString())
      .where((of) =>
        of.not(
          of.exists(
            of
              .selectFrom('decision_bundle')
              .select('decision_bundle.id')
              .where('decision_bundle.shared', 'like', sql<string>`'%' || ${of.ref('evidence_text.digest')} || '%'`),
          ),
        ),
      )
      .execute()
  }

  async #counted(tx: Kysely<Tables>): Promise<RetentionLimits> {
    this.#sinceCount = 0
    const rows = (kind: Kind): Promise<number> =>
      countOf(
        tx,
        evidenceKinds.includes(kind)
          ? tx.selectFrom('decision_bundle').where('outcome', 'in', outcomesOf[kind])
          : tx.selectFrom('decision').where('outcome', 'in', outcomesOf[kind]),
      )
    return {
      decisions: await rows('decisions'),
      refusals: await rows('refusals'),
      decided: await rows('decided'),
      refused: await rows('refused'),
    }
  }
}

function sum(known: RetentionLimits, entries: readonly DecisionEntry[]): RetentionLimits {
  const rows = { ...known }
  for (const { row, bundle } of entries) {
    const isRefused = row.outcome === 'Refused'
    rows[isRefused ? 'refusals' : 'decisions'] += 1
    if (bundle !== undefined) rows[isRefused ? 'refused' : 'decided'] += 1
  }
  return rows
}

async function dropOldest(
  tx: Kysely<Tables>,
  table: 'decision' | 'decision_bundle',
  outcomes: Decision['outcome'][],
  surplus: number,
): Promise<void> {
  // The oldest of each outcome come from the index; for several at once, the engines would sort all rows. Within the
  // statement, so that whole rows are read and verified only once, on removal.
  const oldestOf = (outcome: Decision['outcome']): SelectQueryBuilder<Oldest, 'oldest', Oldest['oldest']> =>
    tx
      .selectFrom(
        tx
          .selectFrom(table)
          .select(['id', 'at'])
          .where('outcome', '=', outcome)
          .orderBy('at')
          .limit(surplus)
          .as('oldest'),
      )
      .select(['id', 'at'])
  const [first, ...others] = outcomes.map(oldestOf)
  const all = others.reduce((left, right) => left.unionAll(right), first!)
  const oldest = tx.selectFrom(all.as('all_oldest')).select('id').orderBy('at').limit(surplus)
  await tx.deleteFrom(table).where('id', 'in', oldest).execute()
}

interface Oldest extends Tables {
  oldest: { id: string; at: string }
}
