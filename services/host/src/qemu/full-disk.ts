import type { QmpEvent } from './qmp.ts'

/** How often a write that found no room is tried again. */
const retryMs = 3_000

/**
 * A guest whose disk's file found no room on this machine: QEMU stops it in the midst of the write (`werror=enospc`, its default), so
 * that nothing is lost, and it goes on where a try finds room.
 */
export class FullDisk {
  readonly #goOn: () => Promise<unknown>
  #timer: NodeJS.Timeout | undefined
  #waits = false

  /** @param goOn has QEMU repeat what it could not do */
  constructor(goOn: () => Promise<unknown>) {
    this.#goOn = goOn
  }

  /** The guest stands still until there is room. */
  get waits(): boolean {
    return this.#waits
  }

  hear({ event, data }: QmpEvent): void {
    if (event !== 'BLOCK_IO_ERROR' || data?.['nospace'] !== true || data['action'] !== 'stop') return
    this.#waits = true
    this.#later(() => {
      // An error that comes again is told after QEMU has gone on.
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
