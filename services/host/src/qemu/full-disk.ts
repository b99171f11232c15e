import type { QmpEvent } from './qmp.ts'

/** How often a write without room is retried. */
const retryMs = 3_000

/**
 * A guest whose disk file found no room on this machine: QEMU pauses it during the write (`werror=enospc`, its
 * default), so that nothing is lost, and it continues once a retry succeeds.
 */
export class FullDisk {
  readonly #goOn: () => Promise<unknown>
  #timer: NodeJS.Timeout | undefined
  #waits = false

  /** @param goOn makes QEMU retry the write */
  constructor(goOn: () => Promise<unknown>) {
    this.#goOn = goOn
  }

  /** The guest is paused until there is room. */
  get waits(): boolean {
    return this.#waits
  }

  hear({ event, data }: QmpEvent): void {
    if (event !== 'BLOCK_IO_ERROR' || data?.['nospace'] !== true || data['action'] !== 'stop') return
    this.#waits = true
    this.#later(() => {
      // A recurring error is reported after QEMU has continued.
      this.#goOn().then(
        () => this.#later(() => (this.#waits = false)),
        () => {},
      )
    })
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #later(work: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(work, retryMs)
  }
}
