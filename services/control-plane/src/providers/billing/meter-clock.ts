import type { Clock } from '@strongroom/platform'
import type { Db, ResourceStore } from '../../store/resources.ts'

/**
 * The time that usage is counted in: UTC of when this machine was booted, and from there on what really passed. A step
 * of the wall clock, forwards or backwards, is not in it, and neither is the death of a process: the anchor is kept, and
 * the next process of the same boot reads on. It never runs backwards behind what was written.
 */
export class MeterClock {
  readonly #clock: Clock
  #anchor: { era: string; at: number; elapsed: number } | undefined
  /** The highest time that was given out. */
  #latest = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Finds the anchor of this boot, or makes it. Called before the first event. */
  async open(resources: ResourceStore): Promise<void> {
    this.#latest = await lastWritten(resources.db)
    const reading = this.#clock.elapsed?.()
    if (reading === undefined) return
    const at = Math.max(this.#clock.now().getTime(), this.#latest)
    await resources.db
      .insertInto('meter_anchor')
      .values({ era: reading.era, at: new Date(at).toISOString(), elapsed: String(reading.milliseconds) })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
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
    // What was written lies ahead, by a clock that was set: time goes on from there.
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
