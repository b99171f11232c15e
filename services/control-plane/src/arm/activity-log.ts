import { randomUUID } from 'node:crypto'
import type { Clock } from '@strongroom/platform'
import { sql } from 'kysely'
import type { Db, ResourceStore } from '../store/resources.ts'
import type { Tables } from '../store/tables.ts'
import { FailedRequests } from './failed-requests.ts'

export type ActivityRow = Tables['activity']

/** Whoever is signed in may send requests that fail: they add no more than this. */
const longestResourceId = 2_048

/** The place of a row in the log. */
export type ActivityPlace = Pick<ActivityRow, 'at' | 'id'>

/**
 * One row per request that changed something or should have: who, what, where, with which result. Requests that fail
 * have a limited number of rows for each caller, and the last of these counts the others.
 */
export class ActivityLog {
  readonly #resources: ResourceStore
  readonly #clock: Clock
  readonly #failed: FailedRequests

  constructor(resources: ResourceStore, clock: Clock) {
    this.#resources = resources
    this.#clock = clock
    this.#failed = new FailedRequests(clock, async (id, leftOut) => await this.#leaveOut(id, leftOut))
  }

  async write(o: {
    caller: string
    action: string
    resourceId: string
    status: number
    correlationId: string
    /** For work that continues after the answer. */
    operationId?: string | undefined
    /** The transaction of the change it records. */
    tx?: Db
  }): Promise<void> {
    const id = randomUUID()
    if (o.status >= 400 && !(await this.#failed.take(o.caller, id))) return
    const resourceId = o.resourceId.slice(0, longestResourceId)
    await (o.tx ?? this.#resources.db)
      .insertInto('activity')
      .values({
        id,
        at: this.#clock.now().toISOString(),
        caller: o.caller,
        action: o.action,
        resource_id: resourceId,
        resource_key: resourceId.toLowerCase(),
        status: o.status,
        correlation_id: o.correlationId,
        operation_id: o.operationId ?? '',
        left_out: 0,
      })
      .execute()
  }

  async removeBefore(day: Date): Promise<void> {
    await this.#resources.db.deleteFrom('activity').where('at', '<', day.toISOString()).execute()
  }

  /**
   * Newest first.
   * @param o.below a resource and everything below it
   * @param o.after the last row of the page before
   */
  async list(o: {
    since?: string
    until?: string
    below?: string
    correlationId?: string
    after?: ActivityPlace
    most?: number
  }): Promise<ActivityRow[]> {
    await this.#failed.settle()
    let query = this.#resources.db.selectFrom('activity').selectAll()
    if (o.since !== undefined) query = query.where('at', '>=', o.since)
    if (o.until !== undefined) query = query.where('at', '<=', o.until)
    if (o.correlationId !== undefined) query = query.where('correlation_id', '=', o.correlationId)
    if (o.below !== undefined) {
      // Whole segments: vm1 is not above vm10.
      const own = o.below.toLowerCase()
      const prefix = own.endsWith('/') ? own : `${own}/`
      const key = sql<string>`resource_key || '/'`
      query = query.where((eb) => eb(eb.fn('substr', [key, eb.lit(1), eb.lit(prefix.length)]), '=', prefix))
    }
    const { after } = o
    if (after !== undefined)
      query = query.where((eb) =>
        eb.or([eb('at', '<', after.at), eb.and([eb('at', '=', after.at), eb('id', '<', after.id)])]),
      )
    return await query
      .orderBy('at', 'desc')
      .orderBy('id', 'desc')
      .limit(o.most ?? 200)
      .execute()
  }

  /** @returns whether there is such a row */
  async #leaveOut(id: string, leftOut: number): Promise<boolean> {
    const updated = await this.#resources.db
      .updateTable('activity')
      .set({ left_out: leftOut })
      .where('id', '=', id)
      .executeTakeFirst()
    return updated.numUpdatedRows > 0n
  }
}
