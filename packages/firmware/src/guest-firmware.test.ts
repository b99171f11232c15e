import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guestFirmwarePath } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { guestFirmware } from './guest-firmware.ts'
import { hardenFirmware } from './harden.ts'
import { filesOf, findDriverVolume, findVolume } from './volume.ts'
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

/** Files of the volume with the drivers. */
function filesIn(volumes: Buffer): Buffer[] {
  const { offset, length } = findDriverVolume(volumes)!
  const volume = volumes.subarray(offset, offset + length)
  return filesOf(volume)!.map((file) => volume.subarray(file.offset, file.offset + file.length))
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
    const [before, after] = [await code(await readFile(guestFirmwarePath)), await code(await guestFirmware())]
    const restored = Buffer.from(after.volume)
    for (const begin of [loader, initrd]) {
      const [was, is] = [names(before.volume, begin), names(after.volume, begin)]
      expect(new Set(was).size).toBe(1)
      expect(new Set(is).size).toBe(is.length)
      expect(is).not.toContain(was[0])
      for (let at = restored.indexOf(begin); at >= 0; at = restored.indexOf(begin, at + 1)) restored[at + 15] = was[0]!
    }
    expect(names(after.volume, loader).length).toBeGreaterThan(0)
    const drivers = filesIn(restored)
    expect(drivers.length).toBeGreaterThan(50)
    const changed = drivers.filter((file) => !before.volume.includes(file))
    // The menus, whose program is zeroed.
    expect(changed.map((file) => file.toString('hex', 0, 16))).toEqual(['21aa2c4614760345836e8ab6f4662331'])
  })

  it('has no driver for what guests do not start from: network, USB, SATA, a screen, menus', async () => {
    const [before, after] = [await code(await readFile(guestFirmwarePath)), await code(await guestFirmware())]
    const has = (volume: Buffer, name: string): boolean => volume.includes(Buffer.from(`${name}\0`, 'utf16le'))
    const gone = [
      'TlsDxe',
      'Ip4Dxe',
      'UefiPxeBcDxe',
      'IScsiDxe',
      'VirtioNetDxe',
      'UsbBusDxe',
      'SataController',
      'NvmExpressDxe',
      'VirtioScsiDxe',
      'QemuVideoDxe',
      'SetupBrowser',
      'QemuKernelLoaderFsDxe',
      'EbcDxe',
      'VirtioRngDxe',
    ]
    const needed = ['RngDxe', 'SecurityStubDxe', 'VariableSmm', 'Tcg2Dxe', 'VirtioBlkDxe', 'BdsDxe', 'Fat']
    expect([...gone, ...needed].filter((name) => !has(before.volume, name))).toEqual([])
    expect(gone.filter((name) => has(after.volume, name))).toEqual([])
    expect(needed.filter((name) => !has(after.volume, name))).toEqual([])
    expect(after.volume.length).toBeLessThan(before.volume.length / 3)
  })

  it('has a first volume that differs from Debian’s in what one driver waits for, its core’s timer, and a length', async () => {
    const [before, after] = [await code(await readFile(guestFirmwarePath)), await code(await guestFirmware())]
    const [was, is] = [before, after].map(({ volume }) => {
      const { offset, length } = findVolume(volume, 0x04)!
      return volume.subarray(offset, offset + length)
    }) as [Buffer, Buffer]
    const waits = Buffer.from('15d130a0dd547b449064f206883d7ccc02f49c8f13e7f021478f49f5ffecf42d400308', 'hex')
    const at = is.indexOf(waits)
    expect([was.includes(waits), is.includes(waits, at + 1), was.toString('hex', at + 16, at + 35)]).toEqual([
      false,
      false,
      waits.toString('hex', 16),
    ])
    const changed = [...was.keys()].filter((each) => was[each] !== is[each] && (each < at || each >= at + 16))
    const timer = changed.shift()!
    expect([changed.shift(), was.readUInt32LE(timer), is.readUInt32LE(timer)]).toEqual([timer + 1, 0, 0x608])
    // Three times the length of the drivers' volume.
    expect(changed.length).toBeLessThanOrEqual(9)
  })

  it('differs outside its code in the length of its drivers alone: a host brings nothing in there', async () => {
    const source = await readFile(guestFirmwarePath)
    const made = Buffer.from(await guestFirmware())
    const { from, to } = await code(source)
    expect(made.subarray(0, from).equals(source.subarray(0, from))).toBe(true)
    const changed = [...source.keys()].filter((at) => at >= to && made[at] !== source[at])
    expect(changed.length).toBeLessThanOrEqual(4)
    expect(changed.at(-1)! - changed[0]!).toBeLessThan(4)
  })

  it('is made once: it comes from the cache, and from itself as it is', async () => {
    const made = await guestFirmware()
    const [kept, ...others] = await readdir(join(cache, 'firmware'))
    expect(others).toEqual([])
    expect((await readFile(join(cache, 'firmware', kept!))).equals(made)).toBe(true)
    expect(Buffer.compare(await hardenFirmware(made), made)).toBe(0)
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
    await expect(hardenFirmware(damaged)).rejects.toThrow('cannot be removed from the guests’ UEFI firmware')
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
