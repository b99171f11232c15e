import { RateLimit, type Clock } from '@strongroom/platform'

/** Of one caller in an hour: enough to see what it tries. */
export const mostFailures = 50
const hourMs = 3_600_000
/** The count of the others is written at most this often: they must not cost a transaction each. */
const writeMs = 10_000

interface Counted {
  /** The caller's last row. */
  row: string
  leftOut: number
  written: number
  writtenAt: number
}

/**
 * Which failed requests have a row in the activity log, and how many do not. Counted by each process; what was counted
 * since the last write is lost when it ends.
 */
export class FailedRequests {
  readonly #limit: RateLimit
  readonly #now: () => number
  readonly #write: (row: string, leftOut: number) => Promise<boolean>
  /** By caller: as many as the directory has principals. */
  readonly #counted = new Map<string, Counted>()

  /** @param write the number of requests left out after a row; false if it has no such row */
  constructor(clock: Clock, write: (row: string, leftOut: number) => Promise<boolean>) {
    this.#now = () => clock.now().getTime()
    this.#limit = new RateLimit({ windowMs: hourMs, now: this.#now })
    this.#write = write
  }

  /** @param row its id, if it has one. @returns whether it has one */
  async take(caller: string, row: string): Promise<boolean> {
    const counted = this.#counted.get(caller)
    if (this.#limit.take(caller, mostFailures) === undefined || counted === undefined) {
      this.#counted.set(caller, { row, leftOut: 0, written: 0, writtenAt: this.#now() })
      if (counted !== undefined) await this.#settle(counted)
      return true
    }
    counted.leftOut++
    if (Math.abs(this.#now() - counted.writtenAt) >= writeMs) await this.#settle(counted)
    return false
  }

  /** Writes what was counted. */
  async settle(): Promise<void> {
    for (const counted of this.#counted.values()) await this.#settle(counted)
  }

  async #settle(counted: Counted): Promise<void> {
    const { row, leftOut, written } = counted
    if (leftOut === written) return
    counted.writtenAt = this.#now()
    if (await this.#write(row, leftOut)) counted.written = leftOut
  }
}
