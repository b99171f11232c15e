import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { ServiceError } from '@strongroom/platform'
import { unwrapForRecipient, type Opener, type WrappedKey } from './recipient.ts'

/** First line of a backup, in clear: authenticated with each chunk. */
export interface BackupHeader {
  format: 'strongroom-installation-backup'
  version: 1
  installationId: string
  /** ISO time. */
  madeAt: string
  releaseStep: number
  key: WrappedKey
}

/** Plain bytes of each chunk but the last, which is shorter, perhaps empty. */
const chunkBytes = 64 * 1024
const tagBytes = 16
const longestHeader = 16 * 1024

/**
 * A header line, then chunks of AES-256-GCM under a key derived from data key and header (STREAM: the nonce counts the
 * chunks and marks the last), so that none can be changed, moved, left out or cut off.
 */
export class SealedFileWriter {
  readonly #file: FileHandle
  readonly #key: Uint8Array
  #pending = Buffer.alloc(0)
  #count = 0

  private constructor(file: FileHandle, key: Uint8Array) {
    this.#file = file
    this.#key = key
  }

  /** @param path must not exist */
  static async create(path: string, header: BackupHeader, dataKey: Uint8Array): Promise<SealedFileWriter> {
    const file = await open(path, 'wx', 0o600)
    const line = `${JSON.stringify(header)}\n`
    await file.write(line)
    return new SealedFileWriter(file, chunkKey(dataKey, line))
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#pending = Buffer.concat([this.#pending, bytes])
    let from = 0
    for (; this.#pending.length - from >= chunkBytes; from += chunkBytes)
      await this.#seal(this.#pending.subarray(from, from + chunkBytes), false)
    this.#pending = this.#pending.subarray(from)
  }

  /** The last chunk. The file is on disk afterwards. */
  async end(): Promise<void> {
    await this.#seal(this.#pending, true)
    await this.#file.sync()
    await this.close()
  }

  async close(): Promise<void> {
    this.#key.fill(0)
    await this.#file.close()
  }

  async #seal(plain: Uint8Array, isLast: boolean): Promise<void> {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce(this.#count++, isLast))
    await this.#file.write(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]))
  }
}

/** Reads the header, which nothing vouches for until the chunks are opened. @throws ServiceError BackupNotRead */
export async function readHeader(path: string): Promise<{ header: BackupHeader; line: string }> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw notRead(path, error.code ?? error.message)
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(longestHeader), 0, longestHeader, 0)
    const end = buffer.subarray(0, bytesRead).indexOf(0x0a)
    const line = buffer.subarray(0, end + 1).toString('utf8')
    const header = parsed(line)
    if (header?.format !== 'strongroom-installation-backup') throw notRead(path, 'another file')
    if (header.version !== 1) throw notRead(path, `version ${String(header.version)}`)
    return { header, line }
  } finally {
    await file.close()
  }
}

/**
 * The plain bytes, chunk by chunk; each is authentic when it is returned.
 * @throws ServiceError BackupAltered, BackupIncomplete, BackupKeyRefused
 */
export async function* readSealed(path: string, by: Opener): AsyncGenerator<Buffer> {
  const { header, line } = await readHeader(path)
  const dataKey = await unwrapForRecipient(header.key, by)
  const key = chunkKey(dataKey, line)
  dataKey.fill(0)
  const file = await open(path, 'r')
  try {
    let at = Buffer.byteLength(line)
    for (let count = 0; ; count++) {
      const size = chunkBytes + tagBytes
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, at)
      at += bytesRead
      const sealed = buffer.subarray(0, bytesRead)
      const isLast = bytesRead < size
      const plain = opened(key, sealed, nonce(count, isLast))
      // Whatever was cut off, the last chunk is another one.
      if (plain === undefined) throw isLast ? incomplete(path) : altered(path, count)
      yield plain
      if (isLast) return
    }
  } finally {
    key.fill(0)
    await file.close()
  }
}

function opened(key: Uint8Array, sealed: Buffer, iv: Buffer): Buffer | undefined {
  if (sealed.length < tagBytes) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, iv)
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - tagBytes)), decipher.final()])
  } catch {
    return undefined
  }
}

const chunkKey = (dataKey: Uint8Array, line: string): Uint8Array =>
  new Uint8Array(
    hkdfSync('sha256', dataKey, createHash('sha256').update(line).digest(), 'strongroom backup chunks', 32),
  )

function nonce(count: number, isLast: boolean): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUIntBE(count, 5, 6)
  bytes[11] = isLast ? 1 : 0
  return bytes
}

function parsed(line: string): BackupHeader | undefined {
  try {
    return JSON.parse(line) as BackupHeader
  } catch {
    return undefined
  }
}

const notRead = (path: string, found: string): ServiceError =>
  new ServiceError({
    code: 'BackupNotRead',
    message: `${path} is not a backup of an installation.`,
    expected: 'a file of `strongroom installation backup`',
    found,
    remedy: 'Pass the file that the backup was written to.',
  })

const altered = (path: string, chunk: number): ServiceError =>
  new ServiceError({
    code: 'BackupAltered',
    message: `The backup ${path} was changed, or its header was.`,
    expected: 'the file as it was written',
    found: `chunk ${chunk}, which does not open`,
    remedy: 'Use an unaltered copy.',
  })

const incomplete = (path: string): ServiceError =>
  new ServiceError({
    code: 'BackupIncomplete',
    message: `The backup ${path} has no end.`,
    expected: 'the file as it was written',
    found: 'a part of it, or another end',
    remedy: 'Use a complete copy.',
  })
