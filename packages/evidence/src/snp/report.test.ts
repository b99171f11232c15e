import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ParseError } from '../core/errors.ts'
import { parseSnpReport, snpReportLength } from './report.ts'

function blank(version: number): Uint8Array {
  const bytes = new Uint8Array(snpReportLength)
  bytes[0] = version
  // Bit 17 of the guest's policy is always set.
  bytes[0x0a] = 2
  bytes[0x34] = 1
  return bytes
}

/** Bytes that the given version reserves. */
function reserved(version: number): number[] {
  const ranges: [number, number][] = [
    [0x4c, 0x50],
    [version >= 3 ? 0x18b : 0x188, 0x1a0],
    [0x1eb, 0x1ec],
    [0x1ef, 0x1f0],
    [version >= 5 ? 0x208 : 0x1f8, 0x2a0],
    [0x2a0 + 48, 0x2a0 + 72],
    [0x2a0 + 120, 0x2a0 + 144],
    [0x2a0 + 144, snpReportLength],
  ]
  return ranges.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index))
}

const code = (wanted: string, offset?: number): unknown =>
  expect.objectContaining({ code: wanted, ...(offset !== undefined && { offset }) })

describe('parseSnpReport', () => {
  it.each([0, 1, 6, 255])('refuses version %i', (version) => {
    expect(() => parseSnpReport(blank(version))).toThrow(code('UnknownVersion', 0))
  })

  it('refuses every other length', () => {
    for (const length of [0, 1, 1183, 1185, 4096]) {
      expect(() => parseSnpReport(new Uint8Array(length))).toThrow(code('WrongLength'))
    }
  })

  it('refuses other signature algorithms and kinds of keys', () => {
    const algorithm = blank(3)
    algorithm[0x34] = 2
    expect(() => parseSnpReport(algorithm)).toThrow(code('UnknownType', 0x34))
    const key = blank(3)
    key[0x48] = 2 << 2
    expect(() => parseSnpReport(key)).toThrow(code('UnknownType', 0x48))
    key[0x48] = 1 << 5
    expect(() => parseSnpReport(key)).toThrow(code('ReservedNotZero', 0x48))
  })

  it('reads the bits of policy and platform at their places', () => {
    const bytes = blank(3)
    bytes.set([31, 1, 0b0001_1111, 0b11], 8)
    bytes[0x40] = 0b10_0101
    bytes[0x48] = 0b0_0111
    const report = parseSnpReport(bytes)
    expect(report.policy).toMatchObject({
      abiMajor: 1,
      abiMinor: 31,
      smtAllowed: true,
      migrationAgentAllowed: true,
      debugAllowed: true,
      singleSocketRequired: true,
      cxlAllowed: false,
      ciphertextHidingRequired: true,
      pageSwapDisabled: true,
    })
    expect(report.platformInfo).toMatchObject({
      smtEnabled: true,
      tsmeEnabled: false,
      eccEnabled: true,
      aliasCheckComplete: true,
    })
    expect(report).toMatchObject({ signingKey: 'VLEK', authorKeyEnabled: true, chipKeyMasked: true })
  })

  it.each([
    [0x48, 0b1, { authorKeyEnabled: true, chipKeyMasked: false, signingKey: 'VCEK' }],
    [0x48, 0b10, { authorKeyEnabled: false, chipKeyMasked: true, signingKey: 'VCEK' }],
    [0x48, 0b1_1100, { authorKeyEnabled: false, chipKeyMasked: false, signingKey: 'None' }],
    [0x0a, 0b11, { policy: { smtAllowed: true, migrationAgentAllowed: false, debugAllowed: false } }],
    [0x0a, 0b110, { policy: { smtAllowed: false, migrationAgentAllowed: true, debugAllowed: false } }],
    [0x0a, 0b1010, { policy: { migrationAgentAllowed: false, debugAllowed: true, singleSocketRequired: false } }],
    [0x0a, 0b1_0010, { policy: { debugAllowed: false, singleSocketRequired: true, cxlAllowed: false } }],
    [0x0a, 0b10_0010, { policy: { singleSocketRequired: false, cxlAllowed: true, aes256XtsRequired: false } }],
    [0x0a, 0b100_0010, { policy: { cxlAllowed: false, aes256XtsRequired: true, raplDisabledRequired: false } }],
    [0x0a, 0b1000_0010, { policy: { aes256XtsRequired: false, raplDisabledRequired: true } }],
    [0x0b, 0b1, { policy: { raplDisabledRequired: false, ciphertextHidingRequired: true, pageSwapDisabled: false } }],
    [0x0b, 0b10, { policy: { ciphertextHidingRequired: false, pageSwapDisabled: true } }],
    [0x40, 0b1, { platformInfo: { smtEnabled: true, tsmeEnabled: false, aliasCheckComplete: false } }],
    [0x40, 0b10, { platformInfo: { smtEnabled: false, tsmeEnabled: true, eccEnabled: false } }],
    [0x40, 0b1000, { platformInfo: { eccEnabled: false, raplDisabled: true, ciphertextHidingEnabled: false } }],
    [0x40, 0b1_0000, { platformInfo: { raplDisabled: false, ciphertextHidingEnabled: true } }],
    [0x40, 0b10_0000, { platformInfo: { ciphertextHidingEnabled: false, aliasCheckComplete: true } }],
  ])('takes byte %i of value %i for what it is and nothing else', (at, value, wanted) => {
    const bytes = blank(3)
    bytes[at] = value
    expect(parseSnpReport(bytes)).toMatchObject(wanted)
  })

  it.each([2, 3, 5])('reads every field of version %i at its place', (version) => {
    const fields = [
      ...([
        ['familyId', 0x10, 16],
        ['imageId', 0x20, 16],
        ['reportData', 0x50, 64],
        ['measurement', 0x90, 48],
      ] as const),
      ...([
        ['hostData', 0xc0, 32],
        ['idKeyDigest', 0xe0, 48],
        ['authorKeyDigest', 0x110, 48],
      ] as const),
      ...([
        ['reportId', 0x140, 32],
        ['reportIdMa', 0x160, 32],
        ['chipId', 0x1a0, 64],
      ] as const),
      ...([
        ['signatureR', 0x2a0, 48],
        ['signatureS', 0x2e8, 48],
      ] as const),
    ]
    const numbers = [
      ...([
        ['currentTcb', 0x38],
        ['reportedTcb', 0x180],
        ['committedTcb', 0x1e0],
        ['launchTcb', 0x1f0],
      ] as const),
    ]
    const bytes = blank(version)
    const view = new DataView(bytes.buffer)
    for (const [index, [, at, length]] of fields.entries())
      bytes.set(
        Array.from({ length }, (_, each) => (17 * index + each + 1) & 0xff),
        at,
      )
    for (const [index, [, at]] of numbers.entries()) view.setBigUint64(at, BigInt(index + 1) << 33n, true)
    view.setUint32(4, 0x01020304, true)
    view.setBigUint64(8, (1n << 40n) | (1n << 17n), true)
    view.setBigUint64(0x40, (1n << 41n) | 1n, true)
    view.setUint32(0x30, 3, true)
    bytes.set([40, 55, 1, 0, 41, 56, 2], 0x1e8)
    if (version >= 3) bytes.set([0x19, 0x11, 2], 0x188)
    if (version >= 5) view.setBigUint64(0x1f8, 1n << 40n, true)
    if (version >= 5) view.setBigUint64(0x200, 1n << 41n, true)
    const report = parseSnpReport(bytes)
    expect(report).toMatchObject({
      ...Object.fromEntries(fields.map(([name, at, length]) => [name, bytes.slice(at, at + length)])),
      ...Object.fromEntries(numbers.map(([name], index) => [name, BigInt(index + 1) << 33n])),
      version,
      guestSvn: 0x01020304,
      vmpl: 3,
      signed: bytes.slice(0, 0x2a0),
      currentVersion: { build: 40, minor: 55, major: 1 },
      committedVersion: { build: 41, minor: 56, major: 2 },
      policy: { raw: (1n << 40n) | (1n << 17n) },
      platformInfo: { raw: (1n << 41n) | 1n },
    })
    expect(report.cpu).toEqual(version >= 3 ? { family: 0x19, model: 0x11, stepping: 2 } : undefined)
    expect(report.launchMitigations).toBe(version >= 5 ? 1n << 40n : undefined)
    expect(report.currentMitigations).toBe(version >= 5 ? 1n << 41n : undefined)
  })

  it('refuses a guest policy whose reserved bit 17 is not set', () => {
    const bytes = blank(3)
    bytes.set([0xff, 0xff, 0xfd, 0xff], 8)
    expect(() => parseSnpReport(bytes)).toThrow(code('InvalidValue', 8))
  })

  it('says where a reserved byte is set', () => {
    for (const at of [0x18b, 0x18c, 0x19f, 0x1eb, 0x1f8, 0x29f, snpReportLength - 1]) {
      const bytes = blank(3)
      bytes[at] = 1
      try {
        parseSnpReport(bytes)
        expect.unreachable()
      } catch (error) {
        const { offset } = error as ParseError
        // Whole words are skipped: the offset is that of the byte or of its word.
        expect(offset! <= at && at < offset! + 4, `0x${at.toString(16)} at ${offset}`).toBe(true)
      }
    }
  })

  it.each([2, 3, 4, 5])('refuses a report of version %i with any reserved byte set', (version) => {
    expect(parseSnpReport(blank(version)).version).toBe(version)
    for (const at of reserved(version)) {
      const bytes = blank(version)
      bytes[at] = 1
      expect(() => parseSnpReport(bytes), `byte ${at}`).toThrow(code('ReservedNotZero'))
    }
  })

  it('does not change when the input changes afterwards', () => {
    const bytes = blank(2)
    const report = parseSnpReport(bytes)
    bytes.fill(0xee)
    expect(report.reportData).toEqual(new Uint8Array(64))
  })

  it('never ends in another error than a ParseError', () => {
    const noise = fc.array(fc.tuple(fc.nat(snpReportLength - 1), fc.nat(255)), { maxLength: 20 })
    fc.assert(
      fc.property(fc.constantFrom(2, 3, 4, 5), noise, (version, edits) => {
        const bytes = blank(version)
        for (const [at, byte] of edits) bytes[at] = byte
        try {
          expect(parseSnpReport(bytes).raw).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })
})
