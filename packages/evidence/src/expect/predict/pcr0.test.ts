import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseGuid } from '../../core/bytes/guid.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { firmwareEvents, predictPcr0 } from './pcr0.ts'

const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()

function section(type: number, content: Uint8Array, header = Buffer.alloc(0)): Buffer {
  const made = Buffer.concat([Buffer.alloc(4), header, content])
  made.writeUIntLE(made.length, 0, 3)
  made[3] = type
  return Buffer.concat([made, Buffer.alloc(-made.length & 3)])
}

const utf16 = (text: string): Buffer => Buffer.from(`${text}\0`, 'utf16le')
/** On a boundary of 16 bytes each. */
const program = (...texts: string[]): Buffer =>
  Buffer.concat([
    Buffer.alloc(32, 0x90),
    ...texts.map((text) => Buffer.concat([utf16(text), Buffer.alloc(-utf16(text).length & 15)])),
  ])

/** A volume with the module that measures. */
function volume(code: Buffer, fill = 1): Buffer {
  const sections = Buffer.concat([
    section(0x1b, Buffer.alloc(2)),
    section(0x10, code),
    section(0x15, utf16('Tcg2Pei, as named')),
  ])
  const file = Buffer.concat([parseGuid('a0c98b77-cba5-4bb8-993b-4af6ce33ece4'), Buffer.alloc(8), sections])
  file.writeUIntLE(file.length, 20, 3)
  return Buffer.concat([Buffer.alloc(96, fill), file, Buffer.alloc(50, 0xff)])
}

/** A flash file with these volumes, packed, after something else. */
function flash(...volumes: Buffer[]): Uint8Array {
  const code = Buffer.concat([section(0x19, Buffer.alloc(8)), ...volumes.map((each) => section(0x17, each))])
  const packed = execFileSync('xz', ['--format=lzma', '--stdout'], { input: code })
  packed.writeBigUInt64LE(BigInt(code.length), 5)
  const header = Buffer.concat([parseGuid('ee4e5898-3914-4259-9d6e-dc7bd79403cf'), Buffer.from('18000100', 'hex')])
  return Buffer.concat([Buffer.alloc(100, 0xee), section(2, packed, header), Buffer.alloc(64, 0xff)])
}

const version = '2025.02-8+deb13u1'
const first = volume(program(version))
const drivers = volume(program('other text here'), 2)

describe('PCR 0', () => {
  it('is of the version, both volumes as they are unpacked, and the separator', async () => {
    const events = await firmwareEvents(flash(first, drivers))
    const blob = (address: number, { length }: Buffer): string => {
      const made = Buffer.alloc(16)
      made.writeUInt32LE(address)
      made.writeUInt32LE(length, 8)
      return made.toString('hex')
    }
    expect(events.map(({ type, data, digest }) => [type, toHex(data), toHex(digest)])).toEqual([
      [8, utf16(version).toString('hex'), sha256(utf16(version)).toString('hex')],
      [0x80000008, blob(0x82_0000, first), sha256(first).toString('hex')],
      [0x80000008, blob(0x90_0000, drivers), sha256(drivers).toString('hex')],
      [4, '00000000', sha256(Buffer.alloc(4)).toString('hex')],
    ])
    let value: Buffer = Buffer.alloc(32)
    for (const { digest } of events) value = sha256(value, digest)
    expect(toHex(await predictPcr0(events))).toBe(value.toString('hex'))
  })

  it.each<[string, Buffer[]]>([
    ['version', [volume(program('2025.02-9+deb13u1')), drivers]],
    ['byte in the first volume', [volume(program(version), 3), drivers]],
    ['byte in the volume of drivers', [first, volume(program('other text here'), 3)]],
    ['order of the volumes', [volume(program(version), 2), volume(program(version), 1)]],
  ])('is another with another %s (attack H34)', async (_what, volumes) => {
    const of = async (...parts: Buffer[]): Promise<string> =>
      toHex(await predictPcr0(await firmwareEvents(flash(...parts))))
    expect(await of(...volumes)).not.toBe(await of(first, drivers))
  })

  it.each<[string, Uint8Array, string]>([
    ['has no packed code', Buffer.alloc(300), 'no section that is compressed by LZMA'],
    ['has one volume', flash(first), '1 volumes'],
    ['has three volumes', flash(first, drivers, drivers), '3 volumes'],
    ['has no module that measures', flash(Buffer.alloc(200), drivers), 'no module that measures'],
    ['has no version', flash(volume(program()), drivers), '0 versions'],
    ['has a version too short to be one', flash(volume(program('2025.02')), drivers), '0 versions'],
    ['has two texts that may be its version', flash(volume(program(version, '2025.02-9')), drivers), '2 versions'],
  ])('does not follow from firmware that %s', async (_what, firmware, found) => {
    await expect(firmwareEvents(firmware)).rejects.toMatchObject({ code: 'InvalidValue', found })
  })
})
