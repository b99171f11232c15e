import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FirmwareError } from './firmware-error.ts'
import { withoutUnusedDrivers } from './unused-drivers.ts'
import { filesOf, findDriverVolume, withFiles } from './volume.ts'

const headerBytes = 72
const volumeBytes = 0x1_0000

interface Content {
  guid: Buffer
  type: number
  body: Buffer
}

/** A volume as UEFI PI 1.8 volume 3, section 2.1, describes it. */
function volume(files: Content[]): Buffer {
  const bytes = Buffer.alloc(volumeBytes, 0xff)
  bytes.fill(0, 0, headerBytes)
  bytes.writeBigUInt64LE(BigInt(volumeBytes), 32)
  bytes.write('_FVH', 40)
  bytes.writeUInt16LE(headerBytes, 48)
  bytes.writeUInt32LE(volumeBytes / 0x1000, 56)
  bytes.writeUInt32LE(0x1000, 60)
  let at = headerBytes
  for (const { guid, type, body } of files) {
    guid.copy(bytes, at)
    bytes.fill(0, at + 16, at + 24)
    bytes[at + 18] = type
    bytes.writeUIntLE(24 + body.length, at + 20, 3)
    body.copy(bytes, at + 24)
    at += Math.ceil((24 + body.length) / 8) * 8
  }
  return bytes
}

const content = fc.record({
  guid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
  type: fc.constantFrom(0x05, 0x07, 0x09, 0x0a),
  body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
})

describe('a firmware volume', () => {
  it('has the files that were put into it, also after others are left out', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(content, fc.boolean()), { maxLength: 20 }), (made) => {
        const whole = volume(made.map(([file]) => file))
        const files = filesOf(whole)!
        const bodies = (bytes: Buffer): Buffer[] =>
          filesOf(bytes)!.map(({ offset, length }) => bytes.subarray(offset + 24, offset + length))
        expect(bodies(whole)).toEqual(made.map(([{ body }]) => body))
        const kept = files.filter((_, index) => made[index]![1])
        const shorter = withFiles(whole, kept)
        expect(bodies(shorter)).toEqual(made.filter(([, isKept]) => isKept).map(([{ body }]) => body))
        // The words of the header must add up to 0, or the firmware rejects it.
        let sum = 0
        for (let at = 0; at < headerBytes; at += 2) sum += shorter.readUInt16LE(at)
        expect(sum & 0xffff).toBe(0)
      }),
    )
  })

  it('is none, or is read to its end, whatever its bytes are', () => {
    fc.assert(
      fc.property(fc.array(content), fc.array(fc.tuple(fc.nat(600), fc.nat(255))), (files, changes) => {
        const bytes = volume(files)
        for (const [at, value] of changes) bytes[at] = value
        const read = filesOf(bytes)
        if (read !== undefined)
          for (const { offset, length } of read) expect(offset + length <= bytes.length).toBe(true)
        const code = Buffer.concat([Buffer.from([0, 0, 0, 0x17]), bytes])
        code.writeUIntLE(code.length, 0, 3)
        findDriverVolume(code)
        try {
          withoutUnusedDrivers({ code, boot: Buffer.alloc(0) })
        } catch (error) {
          expect(error).toBeInstanceOf(FirmwareError)
        }
      }),
    )
  })

  it.each<[string, (bytes: Buffer) => void, string]>([
    ['has no core of drivers', (bytes) => (bytes[headerBytes + 18] = 0x07), 'no volume of drivers that can be read'],
    ['says another length', (bytes) => bytes.writeBigUInt64LE(1n, 32), 'no volume of drivers that can be read'],
    [
      'has a file that is cut short',
      (bytes) => bytes.writeUIntLE(0xff_ffff, headerBytes + 20, 3),
      'no volume of drivers that can be read',
    ],
    [
      'has a file that wants to be aligned',
      (bytes) => (bytes[headerBytes + 19] = 0x08),
      'a driver that wants its place in the volume aligned',
    ],
    [
      'has menus that cannot be read',
      (bytes) => Buffer.from('21aa2c4614760345836e8ab6f4662331', 'hex').copy(bytes, headerBytes),
      'menus whose program cannot be read',
    ],
  ])('that %s is refused: it would keep drivers that verifiers do not expect', (_, change, found) => {
    const drivers = volume([{ guid: Buffer.alloc(16, 1), type: 0x05, body: Buffer.from([1, 0, 0, 0x10]) }])
    const code = (): Buffer => {
      const bytes = Buffer.concat([Buffer.from([0, 0, 0, 0x17]), drivers])
      bytes.writeUIntLE(bytes.length, 0, 3)
      return bytes
    }
    const boot = Buffer.alloc(0)
    expect(() => withoutUnusedDrivers({ code: code(), boot })).not.toThrow()
    change(drivers)
    expect(() => withoutUnusedDrivers({ code: code(), boot })).toThrow(
      expect.objectContaining({ name: 'FirmwareError', found }),
    )
  })

  it('keeps its length where the firmware does not have it where OVMF does', () => {
    const unused = Buffer.from('63182e0b40f74f0f9d19d7d2d9d5b6a2', 'hex')
    const network = Buffer.from('8ee3b0b2fcdf1131b9560022681e6906', 'hex')
    const files = [
      { guid: unused, type: 0x05, body: Buffer.from('core') },
      { guid: network, type: 0x07, body: Buffer.from('driver') },
    ]
    const code = Buffer.concat([Buffer.from([0, 0, 0, 0x17]), volume(files)])
    code.writeUIntLE(code.length, 0, 3)
    expect(withoutUnusedDrivers({ code, boot: Buffer.alloc(0) }).code).toHaveLength(code.length)
  })
})
