import { randomBytes } from 'node:crypto'
import { access } from 'node:fs/promises'
import { open, seal } from './aead.ts'
import { corrupt } from './corrupt.ts'
import { exchanged, keptBeside, newerKept, notKept } from './exchanged.ts'
import { HeldFile } from './held-file.ts'
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
import { openSeal, sealHeader, sectorLength, type Sealed } from './seal.ts'

export interface Changes {
  /** Files readable by anyone: the key protector, the VM's id. */
  clear?: Map<number, Uint8Array>
  secret?: Map<number, Uint8Array>
  /** Encrypts everything under a new datastore key from now on. */
  datastoreKey?: Uint8Array
}

/** Where a guest state goes if its file is not authoritative: to a fleet's storage. */
export type Mirror = (bytes: Uint8Array) => Promise<void>

/**
 * One VMGS container. Datastore key → metadata key → extended table → one key per file and write. Every commit writes
 * to free blocks, then the table, then the other header: after a crash the container holds the old state or the new
 * one. `unlock` verifies every byte under the keys; only if no `close` completed may unreferenced bytes be arbitrary:
 * they are not read, and the next `close` zeroes them. Used by one owner at a time; commits are queued.
 */
export class Container {
  readonly #path: string
  readonly #file: HeldFile
  /** Receives each state that is to count, before `commit` and `close` complete. */
  readonly #mirror: Mirror | undefined
  #slot: 0 | 1
  #header: Header
  #table: (FileEntry | undefined)[]
  /** Extended table in clear: the key of file n at n × 64. */
  #keys: Buffer | undefined
  #metadataKey: Buffer | undefined
  /** A commit has begun since it was opened. */
  #touched = false
  /** According to the active header, unreferenced bytes are zero. */
  #atRest = false
  #queue: Promise<void> = Promise.resolve()
  #closed: Promise<void> | undefined

  private constructor(
    path: string,
    file: HeldFile,
    mirror: Mirror | undefined,
    at: { slot: 0 | 1; header: Header; table: (FileEntry | undefined)[] },
  ) {
    this.#path = path
    this.#file = file
    this.#mirror = mirror
    this.#slot = at.slot
    this.#header = at.header
    this.#table = at.table
  }

  /** Creates a new container, mode 0600; the file must not exist. */
  static async create(path: string, changes: Required<Changes>): Promise<Container> {
    const file = await HeldFile.create({ path, keptPath: keptBeside(path), length: capacity })
    const nothing = { nonce: Buffer.alloc(12), tag: Buffer.alloc(16), key: Buffer.alloc(32) }
    const container = new Container(path, file, undefined, {
      slot: 1,
      header: { sequence: 0, tableBlock: 2, metadataKey: nothing },
      table: Array.from({ length: entryCount }, () => undefined),
    })
    container.#keys = Buffer.alloc(tableLength)
    await container.commit(changes)
    return container
  }

  /** @throws ServiceError GuestStateCorrupt, GuestStateExchanged */
  static async open(path: string, mirror?: Mirror): Promise<Container> {
    const newer = await access(keptBeside(path)).then(
      () => true,
      () => false,
    )
    if (newer) throw newerKept(path)
    const file = await HeldFile.open({
      path,
      keptPath: keptBeside(path),
      length: capacity,
      wrongLength: (found) => corrupt('it was truncated or extended', `${capacity} bytes`, `${found} bytes`),
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw corrupt('its file is missing', 'a file', 'none')
      throw error
    })
    try {
      const { slot, header } = activeHeader(decodeHeader(blocks(file, 0, 1)), decodeHeader(blocks(file, 1, 1)))
      const table = decodeTable(blocks(file, header.tableBlock, 1))
      return new Container(path, file, mirror, { slot, header, table })
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** @throws ServiceError GuestStateCorrupt: wrong key, or a changed byte */
  unlock(datastoreKey: Uint8Array): void {
    const { nonce, tag, key } = this.#header.metadataKey
    const metadataKey = open(datastoreKey, { nonce, tag, bytes: key })
    if (metadataKey === undefined)
      throw corrupt('its metadata key cannot be decrypted', 'the key of the last boot', 'another')
    const { slot, header, table } = { slot: this.#slot, header: this.#header, table: this.#table }
    const sealed = openSeal(blocks(this.#file, slot, 1), this.#sealed(metadataKey, slot, header, table))
    if (sealed === undefined) throw corrupt('a header, the file table or a file in clear was changed')
    const entry = table[fileIds.extendedTable]
    if (!entry?.encrypted || entry.length !== tableLength) throw corrupt('its key table is missing')
    const keys = open(metadataKey, { ...entry, bytes: this.#read(entry) })
    if (keys === undefined) throw corrupt('its key table was changed')
    this.#metadataKey = metadataKey
    this.#keys = keys
    this.#atRest = sealed.atRest
    for (const [id, each] of table.entries()) if (each?.encrypted && id !== fileIds.extendedTable) this.readSecret(id)
    if (sealed.atRest && this.#leftovers().length > 0) throw corrupt('there is data where nothing was written')
  }

  readClear(id: number): Buffer | undefined {
    const entry = this.#table[id]
    if (entry === undefined) return undefined
    if (entry.encrypted) throw corrupt(`file ${id} is encrypted and must not be`)
    return this.#read(entry)
  }

  /** A file without the encryption attribute is refused: the machine's owner could have put it there. */
  readSecret(id: number): Buffer | undefined {
    if (this.#keys === undefined) throw new TypeError('the container is locked')
    const entry = this.#table[id]
    if (entry === undefined) return undefined
    if (!entry.encrypted) throw corrupt(`file ${id} is not encrypted`, 'an encrypted file', 'clear text')
    const plain = open(keyOf(this.#keys, id), { ...entry, bytes: this.#read(entry) })
    if (plain === undefined) throw corrupt(`file ${id} was changed`)
    return plain
  }

  /** Resolves once the changes are on disk: under the opened name or, if that was exchanged, beside it. */
  commit(changes: Changes): Promise<void> {
    const done = this.#queue.then(() => this.#commit(changes))
    this.#queue = done.catch(() => {})
    return done
  }

  async #commit(changes: Changes): Promise<void> {
    if (this.#keys === undefined) throw new TypeError('the container is locked')
    if (!this.#touched) await this.#file.allocate()
    this.#touched = true
    await this.#file.secure()
    await this.#takeUp()
    const sequence = nextOf(this.#header)
    const table = [...this.#table]
    const keys = Buffer.from(this.#keys)
    const used = this.#usedBlocks()
    const lay = async (id: number, bytes: Uint8Array, encryption?: { nonce: Buffer; tag: Buffer }): Promise<void> => {
      const count = Math.max(1, Math.ceil(bytes.length / blockLength))
      const block = allocate(used, count)
      const whole = Buffer.alloc(count * blockLength)
      whole.set(bytes)
      await this.#file.write(whole, block * blockLength)
      const { nonce, tag } = encryption ?? { nonce: Buffer.alloc(12), tag: Buffer.alloc(16) }
      table[id] = { block, blocks: count, length: bytes.length, nonce, tag, encrypted: encryption !== undefined }
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
    await this.#file.write(encodeTable(table), tableBlock * blockLength)
    // Data before the header that points to them.
    await this.#file.sync()
    await this.#writeHeader({ sequence, tableBlock, metadataKey: wrapped }, { metadataKey, table, atRest: false })
    this.#table = table
    this.#keys = keys
    this.#metadataKey = metadataKey
    await this.#file.secure()
    await this.#mirror?.(this.#file.bytes)
  }

  /** Over the older header, which then becomes the active one. */
  async #writeHeader(
    header: Header,
    o: { metadataKey: Buffer; table: (FileEntry | undefined)[]; atRest: boolean },
  ): Promise<void> {
    const slot = this.#slot === 0 ? 1 : 0
    const block = sealHeader(encodeHeader(header), o.atRest, this.#sealed(o.metadataKey, slot, header, o.table))
    await this.#file.write(block.subarray(0, sectorLength), slot * blockLength)
    await this.#file.sync()
    this.#slot = slot
    this.#header = header
    this.#atRest = o.atRest
  }

  /** Records in the seal that free blocks will be used: a crash from now on leaves data in them. */
  async #takeUp(): Promise<void> {
    if (!this.#atRest || this.#metadataKey === undefined) return
    const header = { ...this.#header, sequence: nextOf(this.#header) }
    await this.#writeHeader(header, { metadataKey: this.#metadataKey, table: this.#table, atRest: false })
  }

  /** @throws ServiceError GuestStateExchanged: the committed state is beside the opened file */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#queue
      let failure: unknown
      try {
        if (this.#touched) await this.#rest()
      } catch (error) {
        failure = error
      } finally {
        this.#keys?.fill(0)
        this.#metadataKey?.fill(0)
        await this.#file.close()
      }
      const { found, kept } = this.#file
      if (found !== undefined) throw kept ? exchanged(this.#path, found) : notKept(found, failure)
      if (failure !== undefined) throw failure
    })()
    return this.#closed
  }

  /** Removes all traces of earlier states, and records it in the seal. */
  async #rest(): Promise<void> {
    const metadataKey = this.#metadataKey
    if (metadataKey === undefined) return
    await this.#file.secure()
    for (const block of this.#leftovers()) await this.#file.write(Buffer.alloc(blockLength), block * blockLength)
    await this.#file.sync()
    const header = { ...this.#header, sequence: nextOf(this.#header) }
    await this.#writeHeader(header, { metadataKey, table: this.#table, atRest: true })
    await this.#file.secure()
    await this.#mirror?.(this.#file.bytes)
  }

  #sealed(metadataKey: Buffer, slot: 0 | 1, header: Header, table: (FileEntry | undefined)[]): Sealed {
    return {
      metadataKey,
      other: blocks(this.#file, 1 - slot, 1),
      table: blocks(this.#file, header.tableBlock, 1),
      clear: table.flatMap((entry) =>
        entry === undefined || entry.encrypted ? [] : [blocks(this.#file, entry.block, entry.blocks)],
      ),
    }
  }

  #usedBlocks(): boolean[] {
    const used = Array.from({ length: capacityBlocks }, (_, block) => block < 2)
    used[this.#header.tableBlock] = true
    for (const entry of this.#table) if (entry !== undefined) used.fill(true, entry.block, entry.block + entry.blocks)
    return used
  }

  /** Unreferenced blocks that are not empty. */
  #leftovers(): number[] {
    return this.#usedBlocks().flatMap((used, block) =>
      used || blocks(this.#file, block, 1).equals(emptyBlock) ? [] : [block],
    )
  }

  #read(entry: FileEntry): Buffer {
    const bytes = blocks(this.#file, entry.block, entry.blocks)
    if (bytes.subarray(entry.length).some((byte) => byte !== 0)) throw corrupt('there is data past a file’s end')
    return Buffer.from(bytes.subarray(0, entry.length))
  }
}

const emptyBlock = Buffer.alloc(blockLength)

const blocks = (file: HeldFile, block: number, count: number): Buffer =>
  file.bytes.subarray(block * blockLength, (block + count) * blockLength)

const nextOf = ({ sequence }: Header): number => (sequence + 1) >>> 0

const keyOf = (keys: Buffer, id: number): Buffer => keys.subarray(id * entryLength, id * entryLength + 32)

/** First run of free blocks; marks it as used. @throws ServiceError GuestStateFull through corrupt: contents are limited far below */
function allocate(used: boolean[], count: number): number {
  let run = 0
  for (let block = 2; block < capacityBlocks; block++) {
    run = used[block] ? 0 : run + 1
    if (run < count) continue
    const first = block - count + 1
    used.fill(true, first, first + count)
    return first
  }
  throw corrupt('it has no room for another write', `${count} free blocks in a row`, 'fewer')
}
