import { randomUUID } from 'node:crypto'
import type { Clock } from '@strongroom/platform'
import type { ResourceStore } from '../store/resources.ts'
import type { Tables } from '../store/tables.ts'

export type ActivityRow = Tables['activity']

/** One row for every request that changed something or was refused: who, what, where, with which result. */
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
  }): Promise<void> {
    await this.#resources.db
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
      })
      .execute()
  }

  async removeBefore(day: Date): Promise<void> {
    await this.#resources.db.deleteFrom('activity').where('at', '<', day.toISOString()).execute()
  }

  /** Newest first, at most 200. */
  async list(o: { since?: string; resourcePrefix?: string; correlationId?: string }): Promise<ActivityRow[]> {
    let query = this.#resources.db.selectFrom('activity').selectAll()
    if (o.since !== undefined) query = query.where('at', '>=', o.since)
    if (o.correlationId !== undefined) query = query.where('correlation_id', '=', o.correlationId)
    const prefix = o.resourcePrefix?.toLowerCase()
    if (prefix !== undefined) {
      query = query.where((eb) => eb(eb.fn('substr', ['resource_key', eb.lit(1), eb.lit(prefix.length)]), '=', prefix))
    }
    return await query.orderBy('at', 'desc').limit(200).execute()
  }
}
