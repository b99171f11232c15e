import { randomUUID } from 'node:crypto'
import type { Clock } from '@strongroom/platform'
import { sql } from 'kysely'
import type { Db, ResourceStore } from '../store/resources.ts'
import type { Tables } from '../store/tables.ts'

export type ActivityRow = Tables['activity']

/** One row per request that changed something or was refused: who, what, where, with which result. */
export class ActivityLog {
  readonly #resources: ResourceStore
  readonly #clock: Clock

  constructor(resources: ResourceStore, clock: Clock) {
    this.#resources = resources
    this.#clock = clock
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
    await (o.tx ?? this.#resources.db)
      .insertInto('activity')
      .values({
        id: randomUUID(),
        at: this.#clock.now().toISOString(),
        caller: o.caller,
        action: o.action,
        resource_id: o.resourceId,
        resource_key: o.resourceId.toLowerCase(),
        status: o.status,
        correlation_id: o.correlationId,
        operation_id: o.operationId ?? '',
      })
      .execute()
  }

  async removeBefore(day: Date): Promise<void> {
    await this.#resources.db.deleteFrom('activity').where('at', '<', day.toISOString()).execute()
  }

  /** Newest first, at most 200. @param o.below a resource and everything below it */
  async list(o: { since?: string; below?: string; correlationId?: string }): Promise<ActivityRow[]> {
    let query = this.#resources.db.selectFrom('activity').selectAll()
    if (o.since !== undefined) query = query.where('at', '>=', o.since)
    if (o.correlationId !== undefined) query = query.where('correlation_id', '=', o.correlationId)
    if (o.below !== undefined) {
      // Whole segments: vm1 is not above vm10.
      const own = o.below.toLowerCase()
      const prefix = own.endsWith('/') ? own : `${own}/`
      const key = sql<string>`resource_key || '/'`
      query = query.where((eb) => eb(eb.fn('substr', [key, eb.lit(1), eb.lit(prefix.length)]), '=', prefix))
    }
    return await query.orderBy('at', 'desc').limit(200).execute()
  }
}
