import type { Clock } from '@strongroom/platform'
import type { Db, ResourceStore } from '../../store/resources.ts'
import { insertIfAbsent } from '../../store/rows.ts'

/**
 * The time that usage is counted in: UTC of this machine's boot, plus the time really elapsed since. It excludes steps
 * of the wall clock and survives a process: the anchor is stored, and the next process of the same boot continues. It
 * never runs backwards past what was written.
 */
export class MeterClock {
  readonly #clock: Clock
  #anchor: { era: string; at: number; elapsed: number } | undefined
  /** The highest time returned so far. */
  #latest = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Finds or creates this boot's anchor. Called before the first event. */
  async open(resources: ResourceStore): Promise<void> {
    this.#latest = await lastWritten(resources.db)
    const reading = this.#clock.elapsed?.()
    if (reading === undefined) return
    const at = Math.max(this.#clock.now().getTime(), this.#latest)
    const anchor = { era: reading.era, at: new Date(at).toISOString(), elapsed: String(reading.milliseconds) }
    await insertIfAbsent(resources.db.insertInto('meter_anchor').values(anchor))
    const row = await resources.db
      .selectFrom('meter_anchor')
      .selectAll()
      .where('era', '=', reading.era)
      .executeTakeFirstOrThrow()
    this.#anchor = { era: row.era, at: Date.parse(row.at), elapsed: Number(row.elapsed) }
  }

  now(): Date {
    const wall = this.#clock.now().getTime()
    const reading = this.#clock.elapsed?.()
    const anchor = this.#anchor
    const time =
      reading === undefined || anchor === undefined || anchor.era !== reading.era
        ? wall
        : anchor.at + (reading.milliseconds - anchor.elapsed)
    if (time >= this.#latest) return new Date((this.#latest = time))
    // Written times are ahead because of a clock that was set: time continues from there.
    if (reading !== undefined) this.#anchor = { era: reading.era, at: this.#latest, elapsed: reading.milliseconds }
    return new Date(this.#latest)
  }
}

async function lastWritten(db: Db): Promise<number> {
  const row = await db
    .selectFrom('usage_interval')
    .select((eb) => [eb.fn.max('started_at').as('started'), eb.fn.max('ended_at').as('ended')])
    .executeTakeFirst()
  return Math.max(0, ...[row?.started, row?.ended].flatMap((text) => (text ? [Date.parse(text)] : [])))
}
