import { randomBytes } from 'node:crypto'
import { open as openFile, type FileHandle } from 'node:fs/promises'
import { open, seal } from './aead.ts'
import { corrupt } from './corrupt.ts'
import {
  activeHeader,
  blockLength,
  capacity,
  capacityBlocks,
  decodeHeader,
  decodeTable,
  encodeHeader,
  encodeTable,
  entryCount,
  entryLength,
  fileIds,
  tableLength,
  type FileEntry,
  type Header,
} from './layout.ts'

export interface Changes {
  /** Files that anyone may read: the key protector, the VM's id. */
  clear?: Map<number, Uint8Array>
  secret?: Map<number, Uint8Array>
  /** Encrypts all from now on under a new datastore key. */
  datastoreKey?: Uint8Array
}

/**
 * One VMGS container. Datastore key → metadata key → extended table → one key per file and write. Every commit writes to
 * free blocks, then the table, then the other header: after a crash the container holds the old state or the new one.
 * Used by one owner at a time; commits are queued.
 */
export class Container {
  readonly #file: FileHandle
  #slot: 0 | 1
  #header: Header
  #table: (FileEntry | undefined)[]
  /** Extended table in clear: the key of file n at n × 64. */
  #keys: Buffer | undefined
  #metadataKey: Buffer | undefined
  #queue: Promise<void> = Promise.resolve()

  private constructor(file: FileHandle, slot: 0 | 1, header: Header, table: (FileEntry | undefined)[]) {
    this.#file = file
    this.#slot = slot
    this.#header = header
    this.#table = table
  }

  /** Makes a new container, mode 0600; the file must not exist. */
  static async create(path: string, changes: Required<Changes>): Promise<Container> {
    const file = await openFile(path, 'wx+', 0o600)
    await file.truncate(capacity)
    const nothing = { nonce: Buffer.alloc(12), tag: Buffer.alloc(16), key: Buffer.alloc(32) }
    const header: Header = { sequence: 0, tableBlock: 2, metadataKey: nothing }
    const container = new Container(
      file,
      1,
      header,
      Array.from({ length: entryCount }, () => undefined),
    )
    container.#keys = Buffer.alloc(tableLength)
    await container.commit(changes)
    return container
  }

  /** @throws ServiceError GuestStateCorrupt, GuestStateMissing */
  static async open(path: string): Promise<Container> {
    const file = await openFile(path, 'r+').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw corrupt('its file is missing', 'a file', 'none')
      throw error
    })
    try {
      const { size } = await file.stat()
      if (size !== capacity) throw corrupt('it was cut short or grown', `${capacity} bytes`, `${size} bytes`)
      const [first, second] = [await readBlocks(file, 0, 1), await readBlocks(file, 1, 1)]
      const { slot, header } = activeHeader(decodeHeader(first), decodeHeader(second))
      const table = decodeTable(await readBlocks(file, header.tableBlock, 1))
      return new Container(file, slot, header, table)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** @throws ServiceError GuestStateCorrupt: the key is another's, or the metadata were changed */
  async unlock(datastoreKey: Uint8Array): Promise<void> {
    const { nonce, tag, key } = this.#header.metadataKey
    const metadataKey = open(datastoreKey, { nonce, tag, bytes: key })
    if (metadataKey === undefined)
      throw corrupt('its metadata key does not open', 'the key of the last boot', 'another')
    const entry = this.#table[fileIds.extendedTable]
    if (!entry?.encrypted || entry.length !== tableLength) throw corrupt('its key table is missing')
    const keys = open(metadataKey, { ...entry, bytes: await this.#read(entry) })
    if (keys === undefined) throw corrupt('its key table was changed')
    this.#metadataKey = metadataKey
    this.#keys = keys
  }

  async readClear(id: number): Promise<Buffer | undefined> {
    const entry = this.#table[id]
    if (entry === undefined) return undefined
    if (entry.encrypted) throw corrupt(`file ${id} is encrypted and must not be`)
    return await this.#read(entry)
  }

  /** A file without the attribute of encryption is refused: the machine's owner could have laid it there. */
  async readSecret(id: number): Promise<Buffer | undefined> {
    if (this.#keys === undefined) throw new TypeError('the container is locked')
    const entry = this.#table[id]
    if (entry === undefined) return undefined
    if (!entry.encrypted) throw corrupt(`file ${id} is not encrypted`, 'an encrypted file', 'clear text')
    const plain = open(keyOf(this.#keys, id), { ...entry, bytes: await this.#read(entry) })
    if (plain === undefined) throw corrupt(`file ${id} was changed`)
    return plain
  }

  commit(changes: Changes): Promise<void> {
    const done = this.#queue.then(() => this.#commit(changes))
    this.#queue = done.catch(() => {})
    return done
  }

  async #commit(changes: Changes): Promise<void> {
    if (this.#keys === undefined) throw new TypeError('the container is locked')
    const sequence = (this.#header.sequence + 1) >>> 0
    const table = [...this.#table]
    const keys = Buffer.from(this.#keys)
    const used = this.#usedBlocks()
    const lay = async (id: number, bytes: Uint8Array, encryption?: { nonce: Buffer; tag: Buffer }): Promise<void> => {
      const blocks = Math.max(1, Math.ceil(bytes.length / blockLength))
      const block = allocate(used, blocks)
      await writeAll(this.#file, bytes, block * blockLength)
      const { nonce, tag } = encryption ?? { nonce: Buffer.alloc(12), tag: Buffer.alloc(16) }
      table[id] = { block, blocks, length: bytes.length, nonce, tag, encrypted: encryption !== undefined }
    }
    for (const [id, bytes] of changes.clear ?? []) await lay(id, bytes)
    for (const [id, bytes] of changes.secret ?? []) {
      const key = randomBytes(32)
      key.copy(keys, id * entryLength)
      const sealed = seal(key, bytes, sequence)
      await lay(id, sealed.bytes, sealed)
    }
    let wrapped = this.#header.metadataKey
    let metadataKey = this.#metadataKey
    if (changes.datastoreKey !== undefined || metadataKey === undefined) {
      if (changes.datastoreKey === undefined) throw new TypeError('a new container needs a datastore key')
      metadataKey = randomBytes(32)
      const sealed = seal(changes.datastoreKey, metadataKey, sequence)
      wrapped = { nonce: sealed.nonce, tag: sealed.tag, key: sealed.bytes }
    }
    const sealedKeys = seal(metadataKey, keys, sequence)
    await lay(fileIds.extendedTable, sealedKeys.bytes, sealedKeys)
    const tableBlock = allocate(used, 1)
    await writeAll(this.#file, encodeTable(table), tableBlock * blockLength)
    // Data before the header that points to them.
    await this.#file.datasync()
    const slot = this.#slot === 0 ? 1 : 0
    const header: Header = { sequence, tableBlock, metadataKey: wrapped }
    await writeAll(this.#file, encodeHeader(header), slot * blockLength)
    await this.#file.datasync()
    this.#slot = slot
    this.#header = header
    this.#table = table
    this.#keys = keys
    this.#metadataKey = metadataKey
  }

  async close(): Promise<void> {
    await this.#queue
    this.#keys?.fill(0)
    this.#metadataKey?.fill(0)
    await this.#file.close()
  }

  #usedBlocks(): boolean[] {
    const used = Array.from({ length: capacityBlocks }, (_, block) => block < 2)
    used[this.#header.tableBlock] = true
    for (const entry of this.#table) if (entry !== undefined) used.fill(true, entry.block, entry.block + entry.blocks)
    return used
  }

  async #read(entry: FileEntry): Promise<Buffer> {
    return (await readBlocks(this.#file, entry.block, entry.blocks)).subarray(0, entry.length)
  }
}

const keyOf = (keys: Buffer, id: number): Buffer => keys.subarray(id * entryLength, id * entryLength + 32)

/** First run of free blocks; marks it as used. @throws ServiceError GuestStateFull by way of corrupt: contents are bounded far below */
function allocate(used: boolean[], blocks: number): number {
  let run = 0
  for (let block = 2; block < capacityBlocks; block++) {
    run = used[block] ? 0 : run + 1
    if (run < blocks) continue
    const first = block - blocks + 1
    used.fill(true, first, first + blocks)
    return first
  }
  throw corrupt('it has no room for a further write', `${blocks} free blocks in a row`, 'fewer')
}

async function readBlocks(file: FileHandle, block: number, blocks: number): Promise<Buffer> {
  const bytes = Buffer.alloc(blocks * blockLength)
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, block * blockLength + filled)
    if (bytesRead === 0) throw corrupt('it ends early')
    filled += bytesRead
  }
  return bytes
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten
  }
}
