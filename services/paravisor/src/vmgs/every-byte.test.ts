import { generateKeyPairSync } from 'node:crypto'
import { copyFile, mkdtemp, open, readFile, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { spread } from '@strongroom/platform/testing'
import { Container } from './container.ts'
import { GuestState } from './guest-state.ts'
import { blockLength, capacity, capacityBlocks, fileIds } from './layout.ts'

const datastoreKey = Buffer.alloc(32, 3)
const contents = new Map([
  [fileIds.tpmState, Buffer.from('the vTPM')],
  [fileIds.uefiVariables, Buffer.alloc(2 * blockLength + 1, 7)],
])

let directory: string
/** One container that was closed, and one whose owner was killed while it was open. */
let [rested, crashed] = ['', '']

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'every-byte-'))
  rested = join(directory, 'rested.vmgs')
  const clear = new Map([[fileIds.vmUniqueId, Buffer.from('F6EDBA93')]])
  const container = await Container.create(rested, { datastoreKey, clear, secret: contents })
  await container.commit({ secret: contents })
  crashed = join(directory, 'crashed.vmgs')
  await copyFile(rested, crashed)
  await container.close()
})
afterAll(async () => await rm(directory, { recursive: true, force: true }))

/** 'opened', or the code of the refusal. An opened one must contain what was written. */
async function outcomeOf(path: string): Promise<string> {
  let container: Container | undefined
  try {
    container = await Container.open(path)
    container.unlock(datastoreKey)
    for (const [id, bytes] of contents) expect(container.readSecret(id)).toEqual(bytes)
    expect(container.readClear(fileIds.vmUniqueId)).toEqual(Buffer.from('F6EDBA93'))
    return 'opened'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  } finally {
    await container?.close()
  }
}

async function flipped(file: FileHandle, path: string, at: number, mask: number): Promise<string> {
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  await file.write(Buffer.of(byte[0]! ^ mask), 0, 1, at)
  const outcome = await outcomeOf(path)
  await file.write(byte, 0, 1, at)
  return outcome
}

/** Offsets whose flip has another outcome than expected. */
async function others(path: string, offsets: Iterable<number>, due: string): Promise<string[]> {
  const file = await open(path, 'r+')
  const found: string[] = []
  try {
    for (const at of offsets) {
      const outcome = await flipped(file, path, at, 1 << (at % 8))
      if (outcome !== due) found.push(`${at}: ${outcome}`)
    }
  } finally {
    await file.close()
  }
  expect(await outcomeOf(path)).toBe('opened')
  return found
}

/** Non-empty blocks, and empty ones. */
async function blocksOf(path: string): Promise<{ full: number[]; empty: number[] }> {
  const bytes = await readFile(path)
  const all = [...Array(capacityBlocks).keys()]
  const isFull = (block: number): boolean =>
    bytes.subarray(block * blockLength, (block + 1) * blockLength).some((byte) => byte !== 0)
  return { full: all.filter(isFull), empty: all.filter((block) => !isFull(block)) }
}

/** Every non-zero byte, and every 16th zero byte. */
const everyByte = (bytes: Buffer, block: number): number[] =>
  Array.from({ length: blockLength }, (_, at) => block * blockLength + at).filter(
    (at) => bytes[at] !== 0 || at % 16 === block % 16,
  )
/** First, last and some bytes between, at offsets that move from block to block. */
const some = (block: number): number[] =>
  [0, 1, 13 + (block % 997), 1500 + (block % 499), 3000 + (block % 983), blockLength - 1].map(
    (at) => block * blockLength + at,
  )

describe('one flipped bit of a guest state at rest', () => {
  it('is refused wherever it is in the headers, the tables and the files in clear (attack H10)', async () => {
    const { full } = await blocksOf(rested)
    // Both headers, table, key table, VM id, vTPM, and three blocks of variables.
    expect(full).toHaveLength(9)
    const bytes = await readFile(rested)
    const offsets = full.flatMap((block) => (isCipherText(bytes, block) ? some(block) : everyByte(bytes, block)))
    expect(offsets.length).toBeGreaterThan(1500)
    expect(await others(rested, spread(offsets, 11), 'GuestStateCorrupt')).toEqual([])
  }, 240_000)

  it('is refused in every block that holds nothing (attack H10)', async () => {
    const { empty } = await blocksOf(rested)
    expect(empty.length).toBeGreaterThan(1000)
    const offsets = spread(empty, 11).map((block) => some(block)[block % 6]!)
    expect(await others(rested, offsets, 'GuestStateCorrupt')).toEqual([])
  }, 240_000)
})

/** Not a header, table or clear file: all of it is under one tag. */
const isCipherText = (bytes: Buffer, block: number): boolean =>
  bytes.subarray(block * blockLength, (block + 1) * blockLength).filter((byte) => byte === 0).length < 64

describe('one flipped bit of a guest state whose owner was killed', () => {
  it('is refused, or is in a block that nothing refers to: that is not read, and empty after the next stop (attack H10)', async () => {
    const [used, all] = [(await blocksOf(rested)).full, (await blocksOf(crashed)).full]
    const left = all.filter((block) => !used.includes(block))
    expect(left.length).toBeGreaterThan(4)
    expect(await others(crashed, used.flatMap(some), 'GuestStateCorrupt')).toEqual([])
    expect(await others(crashed, left.flatMap(some), 'opened')).toEqual([])

    const next = join(directory, 'next.vmgs')
    await copyFile(crashed, next)
    const container = await Container.open(next)
    container.unlock(datastoreKey)
    await container.commit({ secret: contents })
    await container.close()
    expect((await blocksOf(next)).full).toHaveLength(9)
    expect(
      await others(
        next,
        left.map((block) => block * blockLength),
        'GuestStateCorrupt',
      ),
    ).toEqual([])
  }, 240_000)
})

describe('headers of before', () => {
  it('do not bring the state of before back, one or both of them (attack H10)', async () => {
    const path = join(directory, 'header.vmgs')
    await copyFile(crashed, path)
    const before = await readFile(path)
    const container = await Container.open(path)
    container.unlock(datastoreKey)
    await container.commit({ secret: new Map([[fileIds.tpmState, Buffer.from('newer')]]) })
    await container.close()
    const after = await readFile(path)
    // The header of the last commit and that of the following stop refer to the same blocks.
    const outcomes = new Map([
      ['0', 'GuestStateCorrupt'],
      ['1', 'newer'],
      ['0,1', 'GuestStateCorrupt'],
    ])
    for (const [slots, due] of outcomes) {
      const mixed = Buffer.from(after)
      for (const slot of slots.split(',').map(Number))
        before.copy(mixed, slot * blockLength, slot * blockLength, (slot + 1) * blockLength)
      await overwrite(path, mixed)
      expect([slots, await vtpmIn(path)]).toEqual([slots, due])
    }
  })
})

async function vtpmIn(path: string): Promise<string> {
  let container: Container | undefined
  try {
    container = await Container.open(path)
    container.unlock(datastoreKey)
    return container.readSecret(fileIds.tpmState)!.toString()
  } catch (error) {
    return (error as { code: string }).code
  } finally {
    await container?.close()
  }
}

async function overwrite(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(bytes, 0, bytes.length, 0)
  await file.close()
}

describe('a guest state of a VM', () => {
  it('is refused for a flipped bit by whoever opens it with the released key (attack H10)', async () => {
    const path = join(directory, 'guest-state.vmgs')
    const vmId = 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333'
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const variables = Buffer.alloc(540_672, 7)
    await GuestState.create({ path, vmId, wrappingKey: publicKey, tpm: Buffer.from('vTPM'), variables })
    const opened = async (): Promise<string> =>
      await GuestState.open({ path, vmId, releasedKey: privateKey, counter: 0 }).then(
        async (state) => {
          await state.close()
          return 'opened'
        },
        (error: { code: string }) => error.code,
      )
    expect(await opened()).toBe('opened')
    const file = await open(path, 'r+')
    // 0x10 is a header's sequence number: such a flip made the previous header count.
    const offsets = [0x10, 0x1010, ...Array.from({ length: 300 }, (_, n) => (n * 13_999 + 7) % capacity)]
    for (const at of spread(offsets, 11)) {
      const byte = Buffer.alloc(1)
      await file.read(byte, 0, 1, at)
      await file.write(Buffer.of(byte[0]! ^ 1), 0, 1, at)
      expect([at, await opened()]).toEqual([at, expect.stringMatching(/^GuestState(Corrupt|OfAnotherVm)$/)])
      await file.write(byte, 0, 1, at)
    }
    await file.close()
    expect(await opened()).toBe('opened')
  }, 240_000)
})
