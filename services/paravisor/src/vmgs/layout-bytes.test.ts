import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  activeHeader,
  blockLength,
  capacity,
  capacityBlocks,
  decodeHeader,
  decodeTable,
  encodeHeader,
  encodeTable,
  headerLength,
  tableLength,
  type FileEntry,
  type Header,
} from './layout.ts'

const header: Header = {
  sequence: 0x01020304,
  tableBlock: 7,
  metadataKey: { nonce: Buffer.alloc(12, 1), tag: Buffer.alloc(16, 2), key: Buffer.alloc(32, 3) },
}
const entry: FileEntry = {
  block: 9,
  blocks: 3,
  length: 2 * blockLength + 1,
  nonce: Buffer.alloc(12, 4),
  tag: Buffer.alloc(16, 5),
  encrypted: true,
}

/** A header changed in one place, with the checksum that it has then. */
function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = encodeHeader(header)
  change(bytes)
  bytes.writeUInt32LE(0, 12)
  bytes.writeUInt32LE(crc32(bytes), 12)
  return bytes
}

describe('a header', () => {
  it('has OpenVMM’s layout', () => {
    const bytes = encodeHeader(header)
    const checked = Buffer.from(bytes).fill(0, 12, 16)
    const words = [8, 12, 16, 20, 24, 28].map((at) => bytes.readUInt32LE(at))
    expect(bytes.subarray(0, 8).toString()).toBe('GUESTRTS')
    expect(words).toEqual([0x00030000, crc32(checked), 0x01020304, headerLength, 7, 1])
    expect(bytes.readUInt16LE(32)).toBe(1)
    expect([bytes.subarray(36, 48), bytes.subarray(52, 68), bytes.subarray(68, 100)]).toEqual(
      Object.values(header.metadataKey),
    )
    expect([bytes.subarray(34, 36), bytes.subarray(48, 52), bytes.subarray(100)].every(isZero)).toBe(true)
    expect([headerLength, capacity]).toEqual([168, 4 * 1024 * 1024])
  })
  const isZero = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0)

  it('is read from the beginning of its block, and not changed there', () => {
    const block = Buffer.concat([encodeHeader(header), Buffer.alloc(blockLength - headerLength, 9)])
    const before = Buffer.from(block)
    expect(decodeHeader(block)).toEqual(header)
    expect(block).toEqual(before)
    expect(decodeHeader(changed(() => undefined))).toEqual(header)
  })

  it.each<[what: string, (bytes: Buffer) => void]>([
    ['another signature', (bytes) => bytes.write('GUESTRTT')],
    ['another version', (bytes) => bytes.writeUInt32LE(0x00030001, 8)],
    ['another length', (bytes) => bytes.writeUInt32LE(headerLength + 1, 20)],
    ['another table size', (bytes) => bytes.writeUInt32LE(2, 28)],
    ['another cipher', (bytes) => bytes.writeUInt16LE(2, 32)],
    ['its table in the headers', (bytes) => bytes.writeUInt32LE(1, 24)],
    ['its table after the end', (bytes) => bytes.writeUInt32LE(capacityBlocks, 24)],
  ])('is none with %s, though its checksum is right', (_what, change) => {
    expect(decodeHeader(changed(change))).toBeUndefined()
  })

  it.each([2, capacityBlocks - 1])('may have its table in block %i', (block) => {
    expect(decodeHeader(changed((bytes) => bytes.writeUInt32LE(block, 24)))?.tableBlock).toBe(block)
  })

  it('is none where its checksum is another, and where it is cut', () => {
    const bytes = encodeHeader(header)
    bytes[12]! ^= 1
    expect(decodeHeader(bytes)).toBeUndefined()
    expect(decodeHeader(encodeHeader(header).subarray(0, headerLength - 1))).toBeUndefined()
    for (const length of [0, 10]) expect(decodeHeader(encodeHeader(header).subarray(0, length))).toBeUndefined()
  })

  const numbered = (sequence: number): Header => ({ ...header, sequence })
  it.each([
    [5, 4, 0],
    [4, 5, 1],
    [0, 0xffffffff, 0],
    [0xffffffff, 0, 1],
  ])('counts if its number follows the other’s: %i and %i', (first, second, slot) => {
    const headers = [numbered(first), numbered(second)] as const
    expect(activeHeader(...headers)).toEqual({ slot, header: headers[slot] })
  })

  it('counts alone, and does not where numbers do not follow each other or none is left', () => {
    expect(activeHeader(numbered(9), undefined)).toEqual({ slot: 0, header: numbered(9) })
    expect(activeHeader(undefined, numbered(9))).toEqual({ slot: 1, header: numbered(9) })
    for (const [first, second] of [
      [4, 4],
      [4, 6],
      [6, 4],
    ] as const)
      expect(() => activeHeader(numbered(first), numbered(second))).toThrow(
        expect.objectContaining({ code: 'GuestStateCorrupt', found: `${first}, ${second}` }) as Error,
      )
    expect(() => activeHeader(undefined, undefined)).toThrow(
      expect.objectContaining({ code: 'GuestStateCorrupt', expected: 'a VMGS header', found: 'none' }) as Error,
    )
  })
})

describe('a file table', () => {
  const tableOf = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = encodeTable([undefined, undefined, undefined, entry])
    change(bytes.subarray(3 * 64, 4 * 64))
    return bytes
  }

  it('has OpenVMM’s layout, of 64 entries', () => {
    const bytes = encodeTable([undefined, entry, { ...entry, encrypted: false }])
    const at = bytes.subarray(64, 128)
    expect(bytes).toHaveLength(tableLength)
    expect([at.readUInt32LE(0), at.readUInt32LE(4), at.readBigUInt64LE(8), at.readUInt32LE(44)]).toEqual([
      9,
      3,
      BigInt(2 * blockLength + 1),
      3,
    ])
    expect([at.subarray(16, 28), at.subarray(28, 44)]).toEqual([entry.nonce, entry.tag])
    expect(bytes.readUInt32LE(2 * 64 + 44)).toBe(0)
    const read = decodeTable(bytes)
    expect(read).toHaveLength(64)
    expect(read.filter((each) => each !== undefined)).toEqual([entry, { ...entry, encrypted: false }])
  })

  it.each<[what: string, (bytes: Buffer) => void, found: string]>([
    ['in the headers', (bytes) => bytes.writeUInt32LE(1, 0), '3 at 1'],
    ['of no block', (bytes) => bytes.writeUInt32LE(0, 4), '0 at 9'],
    ['after the end', (bytes) => bytes.writeUInt32LE(capacityBlocks - 2, 0), `3 at ${capacityBlocks - 2}`],
    ['longer than its blocks', (bytes) => bytes.writeBigUInt64LE(BigInt(3 * blockLength + 1), 8), '3 at 9'],
    ['without a place', (bytes) => bytes.fill(0, 0, 8), '0 at 0'],
    ['of blocks without a place', (bytes) => bytes.writeUInt32LE(0, 0), '3 at 0'],
    ['of empty blocks without a place', (bytes) => bytes.fill(0, 0, 4).fill(0, 8, 16), '3 at 0'],
    ['of a place without blocks or length', (bytes) => bytes.fill(0, 4, 16), '0 at 9'],
  ])('is refused with an entry %s', (_what, change, found) => {
    expect(() => decodeTable(tableOf(change))).toThrow(
      expect.objectContaining({
        code: 'GuestStateCorrupt',
        message: expect.stringContaining('entry 3 of its file table points outside') as string,
        expected: 'blocks 2 to 1023',
        found,
      }) as Error,
    )
  })

  it('may have entries at both ends, full and empty', () => {
    const changes: ((bytes: Buffer) => void)[] = [
      (bytes) => bytes.writeUInt32LE(2, 0),
      (bytes) => bytes.writeUInt32LE(capacityBlocks - 3, 0),
      (bytes) => bytes.writeBigUInt64LE(BigInt(3 * blockLength), 8),
      (bytes) => bytes.writeBigUInt64LE(0n, 8),
      (bytes) => bytes.writeUInt32LE(1, 4) && bytes.writeBigUInt64LE(1n, 8),
    ]
    for (const change of changes) expect(decodeTable(tableOf(change))[3]).toBeDefined()
  })

  it.each([1, 2, 4, 7])('is refused with an entry of attributes %i', (attributes) => {
    expect(() => decodeTable(tableOf((bytes) => bytes.writeUInt32LE(attributes, 44)))).toThrow(
      expect.objectContaining({ code: 'GuestStateCorrupt', expected: '0 or 3', found: String(attributes) }) as Error,
    )
  })

  it('does not share memory with what it was read from', () => {
    const bytes = tableOf(() => undefined)
    const [read] = decodeTable(bytes).filter((each) => each !== undefined)
    bytes.fill(0)
    expect(read).toEqual(entry)
  })
})
