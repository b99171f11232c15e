import { constants, openSync, readSync } from 'node:fs'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { Socket } from 'node:net'
import { run, type Logger } from '@strongroom/platform'
import { ConsoleProgress } from './progress.ts'

/** A log never exceeds twice this, in bytes: a guest can write to its serial port without end. */
export const halfLength: number = 2 ** 20
/** The firmware's output comes first, and fits. */
const headLength = 16 * 1024
const tailLength = 8192

const olderOf = (path: string): string => `${path}.older`

/** A guest's serial console output, for watching its boot. */
export interface GuestConsole {
  /** The first 16 KiB of this boot. */
  head(): string
  /** Bytes of this boot so far that show progress. */
  progress(): number
  /** The last lines so far, without control sequences. */
  lastLines(): Promise<string[]>
}

/**
 * The serial log of one boot, a ring of two halves: the file at `path` grows to a half and then replaces `path.older`.
 * QEMU writes to a FIFO; a log that cannot be written (a full disk) loses lines and does not block the guest.
 */
export class SerialLog implements GuestConsole {
  readonly #fifo: Socket
  /** The FIFO's descriptor, owned by `#fifo`. */
  readonly #fd: number
  readonly #path: string
  readonly #logger: Logger
  readonly #head = Buffer.alloc(headLength)
  #headFilled = 0
  readonly #progress = new ConsoleProgress()
  #file: FileHandle
  #length = 0
  #writing: Promise<void> = Promise.resolve()
  #failed = false
  #closed = false

  private constructor(o: { fifo: Socket; fd: number; path: string; file: FileHandle; logger: Logger }) {
    this.#fifo = o.fifo
    this.#fd = o.fd
    this.#path = o.path
    this.#file = o.file
    this.#logger = o.logger
    this.#fifo.on('data', (chunk: Buffer) => {
      this.#fifo.pause()
      this.#take(chunk)
      void this.#writing.then(() => {
        if (!this.#closed) this.#fifo.resume()
      })
    })
    this.#fifo.on('error', (error) => this.#logger.error({ err: error }, 'the serial console is no longer read'))
  }

  /** Creates the FIFO for QEMU. The previous boot's log is kept beside it: a failed boot's output is needed after the next attempt too. */
  static async start(o: { fifo: string; path: string; logger: Logger }): Promise<SerialLog> {
    for (const part of [o.path, olderOf(o.path)]) {
      const previous = part.replace(o.path, `${o.path}.previous`)
      await rm(previous, { force: true })
      await rename(part, previous).catch(() => {})
    }
    await run({ command: 'mkfifo', args: ['--mode=600', o.fifo], timeoutMs: 10_000 })
    const file = await open(o.path, 'w', 0o600)
    // Open for writing as well: a reader alone would see the end before QEMU has opened it.
    const fd = openSync(o.fifo, constants.O_RDWR | constants.O_NONBLOCK)
    const fifo = new Socket({ fd, readable: true, writable: false })
    return new SerialLog({ fifo, fd, path: o.path, file, logger: o.logger })
  }

  head(): string {
    return this.#head.toString('latin1', 0, this.#headFilled)
  }

  progress(): number {
    return this.#progress.bytes
  }

  async lastLines(): Promise<string[]> {
    this.#drain()
    await this.#writing
    const text = (await readSerialLog(this.#path)).subarray(-tailLength).toString('latin1')
    // oxlint-disable-next-line eslint/no-control-regex -- consoles write escape sequences
    const clean = text.replaceAll(/\u001b\[[0-9;?=]*[A-Za-z]|[\u0000-\u0009\u000b-\u001f\u007f-\u00ff]/g, '')
    return clean
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .slice(-12)
  }

  /** After QEMU has ended: writes its last output. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#fifo.pause()
    this.#drain()
    await this.#writing
    this.#fifo.destroy()
    await this.#file.close()
  }

  /** Reads what the FIFO contains before any event reports it. */
  #drain(): void {
    // What `read` returns arrives as an event too.
    while (this.#fifo.read() !== null);
    const chunk = Buffer.alloc(64 * 1024)
    // Bounded: a guest that keeps writing would never end.
    for (let reads = 0; reads < 16; reads++) {
      let length = 0
      try {
        length = readSync(this.#fd, chunk)
      } catch {
        // EAGAIN: it is empty.
      }
      if (length === 0) return
      this.#take(Buffer.from(chunk.subarray(0, length)))
    }
  }

  #take(chunk: Buffer): void {
    this.#progress.take(chunk.toString('latin1'))
    this.#headFilled += chunk.copy(this.#head, this.#headFilled)
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#append(chunk)
        this.#failed = false
      } catch (error) {
        if (!this.#failed) this.#logger.error({ err: error }, 'a serial log cannot be written; its lines are lost')
        this.#failed = true
        this.#length = (await this.#file.stat()).size
      }
    })
  }

  async #append(chunk: Buffer): Promise<void> {
    if (this.#length > 0 && this.#length + chunk.length > halfLength) {
      await rename(this.#path, olderOf(this.#path)).catch(() => {})
      const fresh = await open(this.#path, 'w', 0o600)
      await this.#file.close()
      this.#file = fresh
      this.#length = 0
    }
    this.#length += chunk.length
    await this.#file.appendFile(chunk)
  }
}

/** The log at `path`, both halves in order; empty if there is none. */
export async function readSerialLog(path: string): Promise<Buffer> {
  const newer = await open(path, 'r').catch(() => undefined)
  const older = await open(olderOf(path), 'r').catch(() => undefined)
  try {
    // The halves may have rotated between the two opens: then both are the same file.
    const same = newer && older && (await newer.stat()).ino === (await older.stat()).ino
    const parts = await Promise.all([same ? undefined : older, newer].map(async (part) => await part?.readFile()))
    return Buffer.concat(parts.filter((part) => part !== undefined))
  } finally {
    await newer?.close()
    await older?.close()
  }
}
