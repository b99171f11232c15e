import type { MeterKind } from '@strongroom/contract'
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '@strongroom/platform'
import type { Db, Resource, ResourceStore, ResourceWatch } from '../../store/resources.ts'
import { insertIfAbsent } from '../../store/rows.ts'
import type { Tables } from '../../store/tables.ts'
import { MeterClock } from './meter-clock.ts'
import type { Meter, MeteredUsage, UsageInterval } from '../../types/meter.ts'
import type { ResourceTypes } from '../../types/registry.ts'

/** Azure shows usage for as long. */
const keptDays = 400

/**
 * Usage with start and end times. An interval begins and ends in the transaction that changes the resource's row: a
 * crash leaves both or neither, and nothing has to catch up.
 */
export class UsageLog implements ResourceWatch, MeteredUsage {
  readonly types: ReadonlySet<string>
  readonly #resourceTypes: ResourceTypes
  readonly #resources: ResourceStore
  readonly #clock: MeterClock

  constructor(resources: ResourceStore, clock: Clock, types: ResourceTypes) {
    this.types = types.metered
    this.#resourceTypes = types
    this.#resources = resources
    this.#clock = new MeterClock(clock)
  }

  /** Starts the clock, and begins intervals for resources older than metering. */
  async open(): Promise<void> {
    await this.#clock.open(this.#resources)
    await this.#resources.transaction(async (tx) => {
      const mark = tx.insertInto('setting').values({ name: 'counting since', value: this.now().toISOString() })
      if (!(await insertIfAbsent(mark))) return
      for (const type of this.types) {
        for (const resource of await this.#resources.list({ type }, tx)) await this.changed(tx, undefined, resource)
      }
    })
  }

  now(): Date {
    return this.#clock.now()
  }

  /** Called with every write to a metered resource's row. */
  async changed(tx: Db, before: Resource<unknown> | undefined, after: Resource<unknown> | undefined): Promise<void> {
    const [had = [], has = []] = [before, after].map((row) => this.#resourceTypes.metersOf(row))
    const owner = (after ?? before)?.key ?? ''
    // Whatever a concurrent request began: a deleted resource has no open interval.
    if (after === undefined) return await end(tx, owner, undefined, this.now())
    if (isDeepStrictEqual(had, has)) return
    const now = this.now()
    for (const meter of had) {
      if (!has.some((other) => isDeepStrictEqual(other, meter))) await end(tx, owner, meter.meter, now)
    }
    for (const meter of has) {
      if (!had.some((other) => isDeepStrictEqual(other, meter))) await begin(tx, owner, meter, now)
    }
  }

  /** Intervals that overlap [from, to), by start time. */
  async list(o: { from: Date; to: Date }): Promise<UsageInterval[]> {
    const rows = await this.#resources.db
      .selectFrom('usage_interval')
      .selectAll()
      .where('started_at', '<', o.to.toISOString())
      .where((eb) => eb.or([eb('ended_at', 'is', null), eb('ended_at', '>', o.from.toISOString())]))
      .orderBy('started_at')
      .orderBy('id')
      .execute()
    return rows.map(toInterval)
  }

  async removeOld(): Promise<void> {
    const before = new Date(this.now().getTime() - keptDays * 24 * 3600_000).toISOString()
    await this.#resources.db.deleteFrom('usage_interval').where('ended_at', '<', before).execute()
  }
}

async function begin(tx: Db, owner: string, meter: Meter, now: Date): Promise<void> {
  await tx
    .insertInto('usage_interval')
    .values({
      id: randomUUID(),
      owner,
      resource_id: meter.resourceId,
      vm_id: meter.vmId,
      region: meter.region,
      meter: meter.meter,
      sku: meter.sku,
      quantity: meter.quantity,
      tags: JSON.stringify(meter.tags),
      started_at: now.toISOString(),
      ended_at: null,
    })
    .execute()
}

/** Another process's clock may be slightly ahead: an interval never ends before it began. */
async function end(tx: Db, owner: string, meter: MeterKind | undefined, now: Date): Promise<void> {
  let query = tx
    .selectFrom('usage_interval')
    .select(['id', 'started_at'])
    .where('owner', '=', owner)
    .where('ended_at', 'is', null)
  if (meter !== undefined) query = query.where('meter', '=', meter)
  const open = await query.execute()
  for (const { id, started_at } of open) {
    const ended = now.toISOString() < started_at ? started_at : now.toISOString()
    await tx.updateTable('usage_interval').set({ ended_at: ended }).where('id', '=', id).execute()
  }
}

const toInterval = (row: Tables['usage_interval']): UsageInterval => ({
  meter: row.meter as MeterKind,
  resourceId: row.resource_id,
  vmId: row.vm_id,
  region: row.region,
  sku: row.sku,
  quantity: row.quantity,
  tags: JSON.parse(row.tags) as Record<string, string>,
  startedAt: new Date(row.started_at),
  ...(row.ended_at !== null && { endedAt: new Date(row.ended_at) }),
})
