import { setImmediate } from 'node:timers/promises'

/** Maximum event-loop turns that the first entry of a group waits, however many more arrive. */
const longestGathering = 16
/** Turns without a new entry after which no more are expected. */
const quietTurns = 2

interface Waiting<Entry> {
  entry: Entry
  done: () => void
  failed: (error: unknown) => void
}

/**
 * Writes entries in order, those arriving at one moment together: a busy service pays for one disk confirmation, not
 * for hundreds. An entry counts once it is on disk.
 *
 * SQLite works in the service's own thread, so nothing can join a group while an earlier one is being written: the
 * writer waits until the requests in progress have arrived. That costs no time that the thread would not spend on them
 * anyway.
 */
export class GroupCommit<Entry> {
  readonly #write: (entries: Entry[]) => Promise<void>
  readonly #limit: number
  readonly #waiting: Waiting<Entry>[] = []
  #running: Promise<void> | undefined

  /** @param o.write one transaction; each entry of the group gets its error */
  constructor(o: { write: (entries: Entry[]) => Promise<void>; limit: number }) {
    this.#write = o.write
    this.#limit = o.limit
  }

  /** Resolves when the entry is on disk. */
  add(entry: Entry): Promise<void> {
    const written = new Promise<void>((done, failed) => this.#waiting.push({ entry, done, failed }))
    this.#running ??= this.#run()
    return written
  }

  /** Resolves when every entry added so far is on disk, or has failed. */
  async settled(): Promise<void> {
    await this.#running
  }

  /** Never fails: each waiting entry gets its own result. */
  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gathered()
      const group = this.#waiting.splice(0, this.#limit)
      try {
        await this.#write(group.map(({ entry }) => entry))
        for (const { done } of group) done()
      } catch (error) {
        for (const { failed } of group) failed(error)
      }
    }
    this.#running = undefined
  }

  async #gathered(): Promise<void> {
    let quiet = 0
    for (let turn = 0; turn < longestGathering && quiet < quietTurns && this.#waiting.length < this.#limit; turn++) {
      const before = this.#waiting.length
      await setImmediate()
      quiet = this.#waiting.length === before ? quiet + 1 : 0
    }
  }
}
