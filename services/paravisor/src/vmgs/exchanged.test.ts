import { generateKeyPairSync } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import {
  access,
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GuestState } from './guest-state.ts'
import { capacity } from './layout.ts'

const vmId = 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333'
const key = generateKeyPairSync('rsa', { modulusLength: 2048 })

let directory: string
let path: string
let kept: string
let older: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'exchanged-'))
  path = join(directory, 'guest-state.vmgs')
  kept = `${path}.kept`
  older = join(directory, 'older')
  await makeAt(path)
  await copyFile(path, older)
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const makeAt = async (at: string): Promise<void> => {
  const [tpm, variables] = [Buffer.from('first'), Buffer.alloc(20_000, 7)]
  await GuestState.create({ path: at, vmId, wrappingKey: key.publicKey, tpm, variables })
}
const openAt = (at: string, counter = 0): Promise<GuestState> =>
  GuestState.open({ path: at, vmId, releasedKey: key.privateKey, counter })
const tpmAt = async (at: string, counter = 0): Promise<string> => {
  const state = await openAt(at, counter)
  const found = state.tpm().toString()
  await state.close()
  return found
}
const exists = (at: string): Promise<boolean> =>
  access(at).then(
    () => true,
    () => false,
  )

/** Each with what is found at the stop. */
const exchanges: [string, () => Promise<void>, string][] = [
  ['another file in its place', async () => await rename(older, path), 'another file'],
  ['no file in its place', async () => await rm(path), 'no file'],
  ['an older copy written into it', async () => await copyFile(older, path), 'other bytes in the file'],
  ['a byte changed in it', async () => await changeByte(), 'other bytes in the file'],
  ['it cut short', async () => await truncate(path, 8192), 'a file of 8192 bytes'],
]

async function changeByte(): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.of(1), 0, 1, capacity - 1)
  await file.close()
}

describe('a guest state that the host exchanges under a running VM', () => {
  it.each(exchanges)(
    'ends the stop with what to do, and the newest is kept beside: %s (attack H10)',
    async (_, attack, found) => {
      const state = await openAt(path)
      await state.advance(key.privateKey)
      await state.save({ tpm: Buffer.from('second') })
      await attack()
      await state.save({ tpm: Buffer.from('newest') })
      await state.retire()
      await expect(state.close()).rejects.toMatchObject({
        code: 'GuestStateExchanged',
        message: expect.stringContaining('guest-state.vmgs.kept') as string,
        found,
        remedy: expect.stringMatching(/mv \S+guest-state\.vmgs\.kept \S+guest-state\.vmgs\./) as string,
      })
      // Meanwhile a start accepts nothing else in its place.
      await expect(openAt(path)).rejects.toMatchObject({
        code: 'GuestStateExchanged',
        remedy: expect.stringContaining('guest-state.vmgs.kept') as string,
      })
      await rename(kept, path)
      expect(await tpmAt(path, 2)).toBe('newest')
    },
  )

  it.each(exchanges)('is noticed when nothing is written any more but the end: %s (attack H10)', async (_, attack) => {
    const state = await openAt(path)
    await state.save({ tpm: Buffer.from('newest') })
    await attack()
    await expect(state.close()).rejects.toMatchObject({ code: 'GuestStateExchanged' })
    await rename(kept, path)
    expect(await tpmAt(path)).toBe('newest')
  })

  it('is kept from the next write on, so that a server that is killed loses nothing either (attack H10)', async () => {
    const state = await openAt(path)
    await rm(path)
    await state.save({ tpm: Buffer.from('newest') })
    const asKilled = join(directory, 'killed')
    await copyFile(kept, asKilled)
    expect(await tpmAt(asKilled)).toBe('newest')
    // The kept file can be exchanged like any other.
    await rm(kept)
    await state.save({ tpm: Buffer.from('newer yet') })
    await expect(state.close()).rejects.toMatchObject({ code: 'GuestStateExchanged' })
    await rename(kept, path)
    expect(await tpmAt(path)).toBe('newer yet')
  })

  it('is left as the host laid it: nothing is written into it (attack H10)', async () => {
    const state = await openAt(path)
    await state.save({ tpm: Buffer.from('second') })
    await rename(older, path)
    const laid = await readFile(path)
    await state.save({ tpm: Buffer.from('newest') })
    await expect(state.close()).rejects.toMatchObject({ code: 'GuestStateExchanged' })
    expect(await readFile(path)).toEqual(laid)
  })

  it('says so where there is no keeping it either (attack H10)', async () => {
    const state = await openAt(path)
    await state.save({ tpm: Buffer.from('second') })
    await rm(directory, { recursive: true })
    await expect(state.save({ tpm: Buffer.from('newest') })).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(state.close()).rejects.toMatchObject({
      code: 'GuestStateExchanged',
      message: expect.stringContaining('could not be kept: ENOENT') as string,
    })
    await mkdir(directory)
  })

  it('does not count as exchanged where it was not: moved with its directory’s other files, read, touched', async () => {
    const state = await openAt(path)
    await state.save({ tpm: Buffer.from('second') })
    await rename(path, `${path}.away`)
    await rename(`${path}.away`, path)
    await readFile(path)
    await state.close()
    expect(await exists(kept)).toBe(false)
    expect(await tpmAt(path)).toBe('second')
  })
})

/** A small tmpfs needs CAP_SYS_ADMIN, which a plain container lacks. */
const mayMount = spawnSync('unshare', ['--mount', 'true']).status === 0

describe.skipIf(!mayMount)('a disk that is full', () => {
  let small: string
  beforeEach(async () => {
    small = join(directory, 'small')
    await mkdir(small)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=9m,mode=0700', 'none', small])
    expect(mounted.stderr.toString()).toBe('')
  })
  afterEach(() => void spawnSync('umount', [small]))

  const fill = async (): Promise<void> => {
    const file = await open(join(small, 'filler'), 'a')
    for (;;) {
      const written = await file.write(Buffer.alloc(4096, 1)).catch((error: { code: string }) => error.code)
      if (written === 'ENOSPC') break
    }
    await file.close()
  }

  it('loses no write of a running guest: the file has all its blocks from the beginning', async () => {
    const at = join(small, 'guest-state.vmgs')
    await makeAt(at)
    expect((await stat(at)).blocks * 512).toBeGreaterThanOrEqual(capacity)
    const state = await openAt(at)
    await fill()
    await state.advance(key.privateKey)
    for (let n = 0; n < 20; n++)
      await state.save({ tpm: Buffer.from(`write ${n}`), variables: Buffer.alloc(500_000, n) })
    await state.retire()
    await state.close()
    expect(await tpmAt(at, 2)).toBe('write 19')
  })

  it('refuses a copy with holes before its first write, and leaves it as it is', async () => {
    const at = join(small, 'guest-state.vmgs')
    const whole = join(directory, 'whole')
    await makeAt(whole)
    spawnSync('cp', ['--sparse=always', whole, at])
    expect((await stat(at)).blocks * 512).toBeLessThan(capacity)
    const state = await openAt(at)
    await fill()
    await expect(state.advance(key.privateKey)).rejects.toMatchObject({ code: 'ENOSPC' })
    await state.close()
    await rm(join(small, 'filler'))
    expect(await tpmAt(at)).toBe('first')
    const again = await openAt(at)
    await again.save({ tpm: Buffer.from('second') })
    await fill()
    await again.save({ tpm: Buffer.from('third') })
    await again.close()
    expect(await tpmAt(at)).toBe('third')
  })

  it('keeps an exchanged guest state all the same where there is room for one', async () => {
    const at = join(small, 'guest-state.vmgs')
    await makeAt(at)
    const state = await openAt(at)
    await state.save({ tpm: Buffer.from('second') })
    await rm(at)
    await writeFile(at, 'exchanged')
    await state.save({ tpm: Buffer.from('newest') })
    await fill()
    await state.save({ tpm: Buffer.from('newer yet') })
    await expect(state.close()).rejects.toMatchObject({ code: 'GuestStateExchanged' })
    await rename(`${at}.kept`, at)
    expect(await tpmAt(at)).toBe('newer yet')
  })
})
