import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lineOf } from './lines.ts'
import { snpPlatform } from './platform.ts'
import { genuineAmdAnchors, mayBeOf, productOfCpu, productOfName } from './products.ts'
import type { SnpReport } from './report.ts'
import { decodeTcb, describeTcb, encodeTcb } from './tcb.ts'

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted })

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
    expect(productOfCpu({ family: 0x19, model: 0x01 })).toBe('Milan')
    expect(productOfCpu({ family: 0x19, model: 0x11 })).toBe('Genoa')
    expect(productOfCpu({ family: 0x19, model: 0xa0 })).toBe('Genoa')
    expect(productOfCpu({ family: 0x1a, model: 0x02 })).toBe('Turin')
    expect(productOfCpu({ family: 0x19, model: 0x50 })).toBeUndefined()
    expect(productOfCpu({ family: 0x17, model: 0x31 })).toBeUndefined()
  })

  it('follow from the name in a certificate only when the whole name is one', () => {
    expect(productOfName('Milan-B0')).toBe('Milan')
    expect(productOfName('Turin')).toBe('Turin')
    for (const name of ['Milano', 'Milan-', 'xMilan', '7Milan', 'Milan-B0 ', 'milan', ''])
      expect(productOfName(name)).toBeUndefined()
  })

  it.each([
    [0x19, 0x00, 'Milan'],
    [0x19, 0x0f, 'Milan'],
    [0x19, 0x10, 'Genoa'],
    [0x19, 0x1f, 'Genoa'],
    [0x19, 0x20, undefined],
    [0x19, 0x9f, undefined],
    [0x19, 0xaf, 'Genoa'],
    [0x19, 0xb0, undefined],
    [0x1a, 0x00, 'Turin'],
    [0x1a, 0x1f, 'Turin'],
    [0x1a, 0x20, undefined],
    [0x18, 0x00, undefined],
  ] as const)('end where their models do: family %i, model %i', (family, model, product) => {
    const cpu = { family, model, stepping: 0 }
    expect(productOfCpu(cpu)).toBe(product)
    for (const each of ['Milan', 'Genoa', 'Turin'] as const) expect(mayBeOf(each, cpu)).toBe(each === product)
  })

  it('are unnamed in old reports of Milan and Genoa alone', () => {
    expect((['Milan', 'Genoa', 'Turin'] as const).map((each) => mayBeOf(each, undefined))).toEqual([true, true, false])
  })

  it('have a root each, named as AMD names it', () => {
    expect(genuineAmdAnchors.map(({ name }) => name)).toEqual(['ARK-Milan', 'ARK-Genoa', 'ARK-Turin'])
    expect(new Set(genuineAmdAnchors.map(({ spkiSha256 }) => spkiSha256)).size).toBe(3)
    for (const { spkiSha256 } of genuineAmdAnchors) expect(spkiSha256).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('lines whose microcode is counted by itself', () => {
  it.each([
    ['Milan', 1, 0, 'Milan'],
    ['Milan', 1, 2, 'Milan-X'],
    ['Genoa', 0x11, 0, 'Genoa'],
    ['Genoa', 0x11, 2, 'Genoa-X'],
    ['Genoa', 0x9f, 1, 'Genoa'],
    ['Genoa', 0xa0, 0, 'Bergamo'],
    ['Genoa', 0xa0, 2, 'Bergamo'],
    ['Turin', 0x0f, 2, 'Turin'],
    ['Turin', 0x10, 2, 'Turin Dense'],
  ] as const)('%s, model %i, stepping %i', (product, model, stepping, line) => {
    expect(lineOf(product, { family: 0x19, model, stepping })).toBe(line)
    expect(lineOf(product, undefined)).toBe(product)
  })
})

describe('the platform of a report', () => {
  const tcb = { fmc: 0, bootLoader: 4, tee: 3, snp: 29, microcode: 222 }
  const platform = (reported: Partial<typeof tcb>, launch: Partial<typeof tcb>, aliasCheckComplete = false) =>
    snpPlatform(
      {
        reportedTcb: encodeTcb({ ...tcb, ...reported }, 'Milan'),
        launchTcb: encodeTcb({ ...tcb, ...launch }, 'Milan'),
        cpu: { family: 0x19, model: 1, stepping: 2 },
        platformInfo: { aliasCheckComplete },
      } as SnpReport,
      'Milan',
    )

  it.each(['bootLoader', 'tee', 'snp', 'microcode'] as const)('is as old as it ever was for the guest: %s', (part) => {
    const older = { ...tcb, [part]: tcb[part] - 1 }
    expect(platform({}, { [part]: tcb[part] - 1 }).tcb).toEqual(older)
    expect(platform({ [part]: tcb[part] - 1 }, {}).tcb).toEqual(older)
    expect(platform({ [part]: tcb[part] + 1 }, {}).tcb).toEqual(tcb)
  })

  it('has the report’s processor and its check of aliased memory', () => {
    expect(platform({}, {}, true)).toEqual({
      product: 'Milan',
      cpu: { family: 0x19, model: 1, stepping: 2 },
      tcb,
      aliasCheckComplete: true,
    })
    expect(platform({}, {}).aliasCheckComplete).toBe(false)
  })

  it('is shown part by part', () => {
    expect(describeTcb(tcb)).toBe('fmc 0, bootLoader 4, tee 3, snp 29, microcode 222')
  })
})
