import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ParseError } from '../../core/errors.ts'
import { formatGuid, parseGuid } from '../../core/bytes/guid.ts'
import { parsePe } from './pe.ts'
import { signerCertificates } from './pe-signers.ts'
import { parseSignatureLists } from '../../eventlog/signature-list.ts'
import { efiVendor } from '../../eventlog/efi-vendor.ts'
import { parseVariableStore, variableData } from './variable-store.ts'

const read = (name: string): Uint8Array =>
  new Uint8Array(gunzipSync(readFileSync(new URL(`fixtures/${name}`, import.meta.url))))
const recorded = { variables: () => read('uefi-variables.fd.gz'), boot: () => read('boot.efi.gz') }

/** Runs a parser on an attacker's bytes: it may throw ParseError, nothing else. */
function onlyRefuses(parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    expect(error).toBeInstanceOf(ParseError)
  }
}

const damage = (length: number): fc.Arbitrary<{ at: number; value: number }[]> =>
  fc.array(fc.record({ at: fc.nat(length - 1), value: fc.nat(255) }), { minLength: 1, maxLength: 8 })

function damaged(bytes: Uint8Array, changes: { at: number; value: number }[]): Uint8Array {
  const copy = bytes.slice()
  for (const { at, value } of changes) copy[at] = value
  return copy
}

describe('parsers of boot files', () => {
  it('refuse any bytes with a ParseError or read them, and never fail otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2048 }), (bytes) => {
        onlyRefuses(() => parsePe(bytes))
        onlyRefuses(() => parseVariableStore(bytes))
        onlyRefuses(() => parseSignatureLists(bytes))
      }),
    )
  })

  it('survive a damaged PE header and a damaged signature', () => {
    const bytes = recorded.boot()
    const tableStart = bytes.length - parsePe(bytes).certificates.length
    const spots = fc.oneof(
      damage(1024),
      fc.array(fc.record({ at: fc.integer({ min: tableStart, max: bytes.length - 1 }), value: fc.nat(255) }), {
        minLength: 1,
        maxLength: 8,
      }),
    )
    fc.assert(fc.property(spots, (changes) => onlyRefuses(() => signerCertificates(parsePe(damaged(bytes, changes))))))
  })

  it('survive a damaged variable store', () => {
    const bytes = recorded.variables().subarray(0, 40_000)
    fc.assert(
      fc.property(damage(bytes.length), (changes) => onlyRefuses(() => parseVariableStore(damaged(bytes, changes)))),
    )
  })

  it('refuse a PE image that is cut short anywhere before its last section ends', () => {
    const bytes = recorded.boot()
    const end = Math.max(...parsePe(bytes).sections.map((section) => section.rawOffset + section.raw.length))
    fc.assert(
      fc.property(fc.nat(end - 1), (length) => {
        expect(() => parsePe(bytes.subarray(0, length))).toThrow(ParseError)
      }),
    )
  })

  /** A header of a kilobyte that declares sections of these sizes in memory, none of them in the file. */
  function hollow(sizes: readonly number[]): Uint8Array {
    const image = new Uint8Array(0x188 + 40 * sizes.length)
    const view = new DataView(image.buffer)
    image.set([0x4d, 0x5a])
    view.setUint32(0x3c, 0x80, true)
    image.set([0x50, 0x45], 0x80)
    view.setUint16(0x86, sizes.length, true)
    view.setUint16(0x94, 0xf0, true)
    view.setUint16(0x98, 0x20b, true)
    view.setUint32(0x98 + 60, image.length, true)
    view.setUint32(0x98 + 108, 16, true)
    for (const [index, size] of sizes.entries()) view.setUint32(0x188 + 40 * index + 8, size, true)
    return image
  }

  it('refuse a PE image whose sections are larger in memory than any genuine one’s, alone or together', () => {
    for (const sizes of [[0xffffffff], [2 ** 28 + 1], Array.from({ length: 96 }, () => 2 ** 22)]) {
      expect(() => parsePe(hollow(sizes))).toThrow(expect.objectContaining({ code: 'TooLarge' }))
    }
  })

  it('take no memory for what a PE image only claims, until it is asked for', () => {
    const image = hollow(Array.from({ length: 96 }, () => 2 ** 21))
    const before = process.memoryUsage().arrayBuffers
    const { sections } = parsePe(image)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20)
    expect(sections[0]?.data.length).toBe(2 ** 21)
    expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(2 ** 20)
  })

  it('refuse signature lists whose sizes do not fit together', () => {
    const db = variableData(parseVariableStore(recorded.variables()), 'db', efiVendor.imageSecurity)
    expect(parseSignatureLists(db).length).toBeGreaterThan(1)
    const wrong = db.slice()
    wrong[24] = 0
    expect(() => parseSignatureLists(wrong)).toThrow(ParseError)
    expect(() => parseSignatureLists(db.subarray(0, -1))).toThrow(ParseError)
  })
})

describe('GUIDs', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.uuid(), (text) => {
        expect(formatGuid(parseGuid(text))).toBe(text)
      }),
    )
  })

  it('have their first three groups little-endian in memory', () => {
    expect([...parseGuid('00112233-4455-6677-8899-aabbccddeeff').subarray(0, 9)]).toEqual([
      0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88,
    ])
  })
})
