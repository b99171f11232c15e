import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ParseError } from '../result/errors.ts'
import { parseSnpReport, snpReportLength } from './report.ts'
import { decodeTcb, encodeTcb } from './tcb.ts'
import { productOfCpu, productOfName } from './products.ts'

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

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted })

describe('parseSnpReport', () => {
  it.each([2, 3, 4, 5])('refuses a report of version %i with any reserved byte set', (version) => {
    expect(parseSnpReport(blank(version)).version).toBe(version)
    for (const at of reserved(version)) {
      const bytes = blank(version)
      bytes[at] = 1
      expect(() => parseSnpReport(bytes), `byte ${at}`).toThrow(code('ReservedNotZero'))
    }
  })

  it.each([0, 1, 6, 255])('refuses version %i', (version) => {
    expect(() => parseSnpReport(blank(version))).toThrow(code('UnknownVersion'))
  })

  it('refuses every other length', () => {
    for (const length of [0, 1, 1183, 1185, 4096]) {
      expect(() => parseSnpReport(new Uint8Array(length))).toThrow(code('WrongLength'))
    }
  })

  it('refuses other signature algorithms and kinds of keys', () => {
    const algorithm = blank(3)
    algorithm[0x34] = 2
    expect(() => parseSnpReport(algorithm)).toThrow(code('UnknownType'))
    const key = blank(3)
    key[0x48] = 2 << 2
    expect(() => parseSnpReport(key)).toThrow(code('UnknownType'))
    key[0x48] = 1 << 5
    expect(() => parseSnpReport(key)).toThrow(code('ReservedNotZero'))
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

describe('TCB versions', () => {
  const byte = fc.nat(255)
  it('come back as the same value', () => {
    fc.assert(
      fc.property(byte, byte, byte, byte, byte, (fmc, bootLoader, tee, snp, microcode) => {
        const turin = { fmc, bootLoader, tee, snp, microcode }
        expect(decodeTcb(encodeTcb(turin, 'Turin'), 'Turin')).toEqual(turin)
        const milan = { ...turin, fmc: 0 }
        expect(decodeTcb(encodeTcb(milan, 'Milan'), 'Milan')).toEqual(milan)
      }),
    )
  })

  it('have another layout on Turin, and reserved bytes must be zero', () => {
    expect(decodeTcb(0x5100000004010101n, 'Turin')).toEqual({ fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 0x51 })
    expect(decodeTcb(0x7308000000000003n, 'Milan')).toEqual({ fmc: 0, bootLoader: 3, tee: 0, snp: 8, microcode: 115 })
    expect(() => decodeTcb(0x5100000004010101n, 'Milan')).toThrow(code('ReservedNotZero'))
  })
})

describe('products', () => {
  it('follow from family and model', () => {
    expect(productOfCpu({ family: 0x19, model: 0x01, stepping: 1 })).toBe('Milan')
    expect(productOfCpu({ family: 0x19, model: 0x11, stepping: 1 })).toBe('Genoa')
    expect(productOfCpu({ family: 0x19, model: 0xa0, stepping: 2 })).toBe('Genoa')
    expect(productOfCpu({ family: 0x1a, model: 0x02, stepping: 1 })).toBe('Turin')
    expect(productOfCpu({ family: 0x19, model: 0x50, stepping: 0 })).toBeUndefined()
    expect(productOfCpu({ family: 0x17, model: 0x31, stepping: 0 })).toBeUndefined()
  })

  it('follow from the name in a certificate only when the whole name is one', () => {
    expect(productOfName('Milan-B0')).toBe('Milan')
    expect(productOfName('Turin')).toBe('Turin')
    for (const name of ['Milano', 'Milan-', 'xMilan', 'Milan-B0 ', 'milan', ''])
      expect(productOfName(name)).toBeUndefined()
  })
})
