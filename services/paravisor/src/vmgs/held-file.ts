import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { flushDirectory } from '@strongroom/platform'
import { blockLength } from './layout.ts'

/** How much of a file is compared at a time. */
const chunkLength = 64 * blockLength

/**
 * A file of fixed length, also held in memory while open. The host can exchange it or write into it at any time:
 * `secure` detects that, and continues in a file beside it, so that no write is lost.
 */
export class HeldFile {
  /** The whole file. Read-only; `write` changes it. */
  readonly bytes: Buffer
  readonly #path: string
  readonly #keptPath: string
  #file: FileHandle
  /** What was at `path` when it was found exchanged. */
  #found: string | undefined
  #kept = false
  /** Blocks with a failed write: their content on disk is unknown. */
  readonly #unsure = new Set<number>()
  #closed = false

  private constructor(o: { path: string; keptPath: string; file: FileHandle; bytes: Buffer }) {
    this.#path = o.path
    this.#keptPath = o.keptPath
    this.#file = o.file
    this.bytes = o.bytes
  }

  /** A new file of zeros, mode 0600, with allocated blocks: a full disk stops no later write. */
  static async create(o: { path: string; keptPath: string; length: number }): Promise<HeldFile> {
    const bytes = Buffer.alloc(o.length)
    return new HeldFile({ ...o, bytes, file: await writeNew(o.path, bytes) })
  }

  /** @throws NodeJS.ErrnoException ENOENT; `wrongLength` with the actual length */
  static async open(o: {
    path: string
    keptPath: string
    length: number
    wrongLength(found: number): Error
  }): Promise<HeldFile> {
    const file = await open(o.path, 'r+')
    try {
      const { size } = await file.stat()
      if (size !== o.length) throw o.wrongLength(size)
      const bytes = Buffer.alloc(o.length)
      const read = await readInto(file, bytes, 0)
      if (read !== o.length) throw o.wrongLength(read)
      return new HeldFile({ ...o, file, bytes })
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** What was in its place when it was found exchanged. */
  get found(): string | undefined {
    return this.#found
  }

  /** It was exchanged, and everything written is at `keptPath`. */
  get kept(): boolean {
    return this.#kept
  }

  /** Allocates the blocks of a sparse file (a copy, for example). @throws NodeJS.ErrnoException ENOSPC */
  async allocate(): Promise<void> {
    const { blocks } = await this.#file.stat()
    if (blocks * 512 >= this.bytes.length) return
    await writeAll(this.#file, this.bytes, 0)
    await this.#file.sync()
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    const touched: number[] = []
    for (let block = Math.floor(offset / blockLength); block * blockLength < offset + bytes.length; block++)
      touched.push(block)
    for (const block of touched) this.#unsure.add(block)
    await writeAll(this.#file, bytes, offset)
    this.bytes.set(bytes, offset)
    for (const block of touched) this.#unsure.delete(block)
  }

  async sync(): Promise<void> {
    await this.#file.datasync()
  }

  /**
   * Makes sure that the file under its name is this one, with all writes. Otherwise everything is written and flushed
   * beside it, and that file is used from then on.
   */
  async secure(): Promise<void> {
    for (const block of this.#unsure) {
      await writeAll(this.#file, this.#block(block), block * blockLength)
      this.#unsure.delete(block)
    }
    const found = await this.#differs()
    if (found === undefined) return
    this.#found ??= found
    this.#kept = false
    const partial = `${this.#keptPath}.partial`
    await rm(partial, { force: true })
    const file = await writeNew(partial, this.bytes)
    await rename(partial, this.#keptPath)
    await flushDirectory(dirname(this.#keptPath))
    await this.#file.close()
    this.#file = file
    this.#kept = true
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#file.close()
  }

  #block(block: number): Buffer {
    return this.bytes.subarray(block * blockLength, (block + 1) * blockLength)
  }

  /** Undefined if name, file and bytes agree. */
  async #differs(): Promise<string | undefined> {
    const path = this.#kept ? this.#keptPath : this.#path
    const named = await stat(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ELOOP' || error.code === 'ENOTDIR') return undefined
      throw error
    })
    if (named === undefined) return 'no file'
    const own = await this.#file.stat({ bigint: true })
    if (named.dev !== own.dev || named.ino !== own.ino) return 'another file'
    if (own.size !== BigInt(this.bytes.length)) return `a file of ${own.size} bytes`
    const chunk = Buffer.alloc(chunkLength)
    for (let at = 0; at < this.bytes.length; at += chunkLength) {
      const read = chunk.subarray(0, await readInto(this.#file, chunk, at))
      if (!read.equals(this.bytes.subarray(at, at + chunkLength))) return 'other bytes in the file'
    }
    return undefined
  }
}

/** Removed again if it could not be written whole. */
async function writeNew(path: string, bytes: Uint8Array): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600)
  try {
    await writeAll(file, bytes, 0)
    await file.sync()
    return file
  } catch (error) {
    await file.close()
    await rm(path, { force: true })
    throw error
  }
}

/** @returns how much was read, up to the length of `bytes` */
async function readInto(file: FileHandle, bytes: Buffer, position: number): Promise<number> {
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten
  }
}
