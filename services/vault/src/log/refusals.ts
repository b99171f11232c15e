import { RateLimit, type Clock } from '@strongroom/platform'
import type { LogEntry } from './entry.ts'
import type { OperationLog } from './operation-log.ts'

/** Entries of one caller in one vault in an hour. A log is never shortened, and anyone who is signed in can be refused. */
const mostRefusals = 50
const hourMs = 3_600_000
/** Callers and vaults whose left-out refusals are counted. */
const mostCounted = 10_000

/** Records refusals of callers without permission: a few each, and the next one says how many were left out. */
export class Refusals {
  readonly #log: Pick<OperationLog, 'append'>
  readonly #limit: RateLimit
  readonly #leftOut = new Map<string, number>()

  constructor(log: Pick<OperationLog, 'append'>, clock: Clock) {
    this.#log = log
    this.#limit = new RateLimit({ windowMs: hourMs, now: () => clock.now().getTime() })
  }

  /** @throws ServiceError as `OperationLog.append` */
  async append(entry: LogEntry): Promise<void> {
    const key = `${entry.objectId} ${entry.vault}`
    const leftOut = this.#leftOut.get(key) ?? 0
    this.#leftOut.delete(key)
    if (this.#limit.take(key, mostRefusals) === undefined) {
      await this.#log.append({ ...entry, leftOut })
      return
    }
    this.#leftOut.set(key, leftOut + 1)
    if (this.#leftOut.size > mostCounted) this.#leftOut.delete(this.#leftOut.keys().next().value!)
  }
}
