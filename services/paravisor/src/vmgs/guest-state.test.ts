import { generateKeyPairSync } from 'node:crypto'
import { copyFile, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GuestState } from './guest-state.ts'
import { blockLength, capacity } from './layout.ts'
import { writesOf } from './test-writes.ts'

const vmId = 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333'
const key = generateKeyPairSync('rsa', { modulusLength: 3072 })
const foreign = generateKeyPairSync('rsa', { modulusLength: 3072 })
const tpm = Buffer.from('the vTPM keeps CANARY-7f3e')
const variables = Buffer.alloc(540_672, 7)

let directory: string
let path: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'guest-state-'))
  path = join(directory, 'guest-state.vmgs')
  await GuestState.create({ path, vmId, wrappingKey: key.publicKey, tpm, variables })
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const openState = (counter = 0, releasedKey = key.privateKey, id = vmId): Promise<GuestState> =>
  GuestState.open({ path, vmId: id, releasedKey, counter })

async function boot(): Promise<void> {
  const state = await openState()
  await state.advance(key.privateKey)
  await state.close()
}

/** Which vTPM opens. */
async function contents(): Promise<string> {
  const state = await openState()
  const found = state.tpm().toString()
  await state.close()
  return found
}

describe('guest state', () => {
  it('comes back as it was written, boot after boot', async () => {
    for (const generation of [0, 1, 2, 3]) {
      const state = await openState(generation)
      expect(state.generation).toBe(generation)
      expect(state.tpm()).toEqual(tpm)
      expect(state.variables()).toEqual(variables)
      await state.advance(key.privateKey)
      await state.close()
    }
  })

  it('is four MiB and shows nothing of what it holds', async () => {
    await boot()
    const bytes = await readFile(path)
    expect(bytes.length).toBe(capacity)
    expect(bytes.includes('CANARY')).toBe(false)
    expect(bytes.includes(Buffer.alloc(64, 7))).toBe(false)
  })

  it('keeps what a running guest changes', async () => {
    const state = await openState()
    await state.save({ tpm: Buffer.from('changed') })
    await Promise.all([
      state.save({ variables: Buffer.alloc(1000, 1) }),
      state.save({ tpm: Buffer.from('changed twice') }),
    ])
    await state.close()
    const again = await openState()
    expect(again.tpm().toString()).toBe('changed twice')
    expect(again.variables()).toEqual(Buffer.alloc(1000, 1))
    await again.close()
  })

  it('refuses a copy older than the key service’s counter', async () => {
    const older = join(directory, 'older')
    await copyFile(path, older)
    await boot()
    await copyFile(older, path)
    await expect(openState(1)).rejects.toMatchObject({
      code: 'GuestStateRolledBack',
      expected: 'generation 1 or later',
      found: 'generation 0',
    })
  })

  it('counts up at a stop, so that a copy taken while the guest ran is refused', async () => {
    const state = await openState()
    await state.advance(key.privateKey)
    const older = join(directory, 'older')
    await copyFile(path, older)
    await state.retire()
    expect(state.generation).toBe(2)
    await state.close()
    const again = await openState(2)
    expect(again.tpm()).toEqual(tpm)
    await again.close()
    await copyFile(older, path)
    await expect(openState(2)).rejects.toMatchObject({ code: 'GuestStateRolledBack' })
  })

  it('refuses the guest state of another VM', async () => {
    await expect(openState(0, foreign.privateKey)).rejects.toMatchObject({ code: 'GuestStateOfAnotherVm' })
  })

  it('refuses guest state that names another VM although the key fits', async () => {
    await expect(openState(0, key.privateKey, '00000000-0000-4000-8000-000000000000')).rejects.toMatchObject({
      code: 'GuestStateCorrupt',
    })
  })

  it.each([0, 1, blockLength, capacity - 1, capacity + 1])('refuses a file of %i bytes', async (size) => {
    await truncate(path, size)
    await expect(openState()).rejects.toMatchObject({ code: 'GuestStateCorrupt', expected: `${capacity} bytes` })
  })

  it('refuses a missing file and one that is all zeros', async () => {
    await writeFile(path, Buffer.alloc(capacity))
    await expect(openState()).rejects.toMatchObject({ code: 'GuestStateCorrupt' })
    await rm(path)
    await expect(openState()).rejects.toMatchObject({ code: 'GuestStateCorrupt' })
  })

  it('is not opened by the data key of an earlier boot', async () => {
    const before = await readFile(path)
    await boot()
    const after = await readFile(path)
    // The old header and key protector over the new contents: what was wrapped for generation 0 opens nothing new.
    const mixed = Buffer.from(after)
    before.copy(mixed, 0, 0, 2 * blockLength)
    await writeFile(path, mixed)
    const result = await openState(1).then(
      async (state) => {
        await state.close()
        return 'opened'
      },
      (error: { code: string }) => error.code,
    )
    expect(result).toMatch(/^GuestState(RolledBack|Corrupt|OfAnotherVm)$/)
  })

  it('holds the old state or the new one wherever a write is cut off', async () => {
    const before = await readFile(path)
    const steps = await writesOf(path, async () => {
      const state = await openState()
      await state.save({ tpm: Buffer.from('new') })
      await state.save({ tpm: Buffer.from('newer') })
      await state.close()
    })
    expect(steps.length).toBeGreaterThan(4)
    const file = await open(path, 'w+')
    await file.write(before, 0, before.length, 0)
    const seen = new Set<string>()
    for (const writes of steps) {
      // Between two flushes the disk may have any of the writes without the earlier ones.
      for (const write of writes.toReversed()) {
        seen.add(await contents())
        await file.write(write.bytes, 0, write.bytes.length, write.offset)
      }
    }
    await file.close()
    expect([...seen]).toEqual([tpm.toString(), 'new', 'newer'])
    expect(await contents()).toBe('newer')
  })

  it('refuses a file in clear laid in place of an encrypted one', async () => {
    await boot()
    const good = await readFile(path)
    const tables = [...Array(capacity / blockLength).keys()]
      .slice(2)
      .filter((block) => good.readUInt32LE(block * blockLength + 3 * 64 + 44) === 3)
    expect(tables).not.toEqual([])
    for (const block of tables) {
      const bytes = Buffer.from(good)
      bytes.writeUInt32LE(0, block * blockLength + 3 * 64 + 44)
      await writeFile(path, bytes)
      await expect(openState()).rejects.toMatchObject({ code: 'GuestStateCorrupt' })
    }
  })
})
