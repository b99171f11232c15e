import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guestFirmwarePath } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { guestFirmware } from './guest-firmware.ts'
import { withoutKernelLoader } from './kernel-loader.ts'
import { xz } from './xz.ts'

const section = Buffer.from('98584eee143959429d6edc7bd79403cf', 'hex')
const [loader, initrd] = ['72f728144ab61e44b8c39ebdd7f893', '27e46855fc683d4fac74ca555231cc'].map((hex) =>
  Buffer.from(hex, 'hex'),
) as [Buffer, Buffer]
// Packing takes seconds on an idle machine.
vi.setConfig({ testTimeout: 120_000 })

/** The code of an OVMF flash file, unpacked, and its packed location. */
async function code(firmware: Uint8Array): Promise<{ volume: Buffer; from: number; to: number }> {
  const bytes = Buffer.from(firmware)
  const at = bytes.indexOf(section) - 4
  const [from, to] = [at + bytes.readUInt16LE(at + 20), at + bytes.readUIntLE(at, 3)]
  const { output } = await xz(['--format=lzma', '--decompress', '--stdout'], bytes.subarray(from, to))
  return { volume: output, from, to }
}

/** The last byte of each name with this prefix. */
function names(volume: Buffer, begin: Buffer): number[] {
  const found: number[] = []
  for (let at = volume.indexOf(begin); at >= 0; at = volume.indexOf(begin, at + 1)) found.push(volume[at + 15]!)
  return found
}

let cache: string
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'strongroom-firmware-'))
  vi.stubEnv('STRONGROOM_CACHE_DIR', cache)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await rm(cache, { recursive: true, force: true })
})

describe.skipIf(!existsSync(guestFirmwarePath))('the firmware of guests', () => {
  it('is Debian’s, but for the names by which its parts find a kernel of the host’s: no two are one (attack H12)', async () => {
    const source = await readFile(guestFirmwarePath)
    const made = Buffer.from(await guestFirmware())
    const [before, after] = [await code(source), await code(made)]
    let renamed = 0
    for (const begin of [loader, initrd]) {
      const [was, is] = [names(before.volume, begin), names(after.volume, begin)]
      expect(new Set(was).size).toBe(1)
      expect(new Set(is).size).toBe(was.length)
      expect(is).not.toContain(was[0])
      renamed += was.length
    }
    expect(names(before.volume, loader).length).toBeGreaterThan(1)
    expect([...before.volume.keys()].filter((at) => after.volume[at] !== before.volume[at])).toHaveLength(renamed)
    expect(after.volume).toHaveLength(before.volume.length)
    expect(made.subarray(0, after.from).equals(source.subarray(0, before.from))).toBe(true)
    expect(made.subarray(after.to).equals(source.subarray(before.to))).toBe(true)
  })

  it('is made once: it comes from the cache, and from itself as it is', async () => {
    const made = await guestFirmware()
    const [kept, ...others] = await readdir(join(cache, 'firmware'))
    expect(others).toEqual([])
    expect((await readFile(join(cache, 'firmware', kept!))).equals(made)).toBe(true)
    expect(Buffer.compare(await withoutKernelLoader(made), made)).toBe(0)
  })

  it('is not taken from a cache that somebody wrote to: with the loader, or one byte changed', async () => {
    const made = await guestFirmware()
    const [kept] = await readdir(join(cache, 'firmware'))
    const changed = Uint8Array.from(made)
    changed[0] = changed[0]! ^ 1
    for (const written of [await readFile(guestFirmwarePath), changed]) {
      await writeFile(join(cache, 'firmware', kept!), written)
      expect(Buffer.from(await guestFirmware()).equals(Buffer.from(made))).toBe(true)
    }
  })

  it('is refused where its code is damaged', async () => {
    const source = await readFile(guestFirmwarePath)
    const { from } = await code(source)
    const damaged = Uint8Array.from(source)
    damaged[from + 100] = damaged[from + 100]! ^ 1
    await expect(withoutKernelLoader(damaged)).rejects.toThrow('cannot be removed from the guests’ UEFI firmware')
  })
})

describe('a file that is not built as OVMF is', () => {
  it.each([
    ['has no compressed section', Buffer.alloc(4096, 0xff)],
    [
      'ends before its section does',
      Buffer.concat([Buffer.from('ffff0002', 'hex'), section, Buffer.from('18000100', 'hex')]),
    ],
  ])('%s: refused, not launched as it is', async (_, file) => {
    const path = join(cache, 'other.fd')
    await writeFile(path, file)
    await expect(guestFirmware(path)).rejects.toMatchObject({
      name: 'FirmwareError',
      expected: expect.stringContaining('OVMF') as string,
    })
  })
})
