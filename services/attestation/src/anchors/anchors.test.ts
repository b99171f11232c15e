import { genuineAmdAnchors, genuineIntelAnchors, type TrustAnchors } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { openAnchors } from './anchors.ts'

const own = { name: 'ARK-Milan', spkiSha256: 'ab'.repeat(32) }
const simulated: TrustAnchors = { simulated: true, amd: [own], intel: [] }
const none: TrustAnchors = { simulated: false, amd: [], intel: [] }

describe('trust anchors', () => {
  it('of simulated silicon stop a hardware installation from starting, marked as such or not', () => {
    for (const anchors of [simulated, { ...simulated, simulated: false }, { ...none, simulated: true }])
      expect(() => openAnchors(anchors, 'hardware')).toThrow(
        expect.objectContaining({ code: 'TrustAnchorsNotAllowed' }),
      )
    expect(openAnchors(none, 'hardware').all.amd).toEqual(genuineAmdAnchors)
  })

  it('are demanded of a simulated installation', () => {
    for (const anchors of [
      none,
      { ...simulated, simulated: false },
      { simulated: true, amd: [...genuineAmdAnchors], intel: [] },
    ])
      expect(() => openAnchors(anchors, 'simulated')).toThrow(expect.objectContaining({ code: 'TrustAnchorsMissing' }))
  })

  it('are called simulated by their key, whatever their name', () => {
    const { isSimulated } = openAnchors(simulated, 'simulated')
    expect(isSimulated(own.spkiSha256)).toBe(true)
    expect(isSimulated(genuineAmdAnchors[0]!.spkiSha256)).toBe(false)
  })

  it('say what is wrong with them', () => {
    const fault = (given: TrustAnchors, mode: 'hardware' | 'simulated'): unknown => {
      try {
        return openAnchors(given, mode)
      } catch (error) {
        const { status, expected, found } = error as { status: number; expected: string; found: string }
        return [status, expected, found]
      }
    }
    const other = { ...own, name: 'SGX-Root' }
    expect(fault({ ...simulated, intel: [other] }, 'hardware')).toEqual([
      500,
      'the genuine roots',
      'ARK-Milan, SGX-Root',
    ])
    expect(fault({ ...none, simulated: true }, 'hardware')).toEqual([
      500,
      'the genuine roots',
      'anchors marked as simulated',
    ])
    expect(fault(none, 'simulated')).toEqual([
      500,
      'TrustAnchors with simulated: true',
      'simulated: false, 0 roots of its own',
    ])
    expect(fault({ simulated: false, amd: [own], intel: [other] }, 'simulated')).toEqual([
      500,
      'TrustAnchors with simulated: true',
      'simulated: false, 2 roots of its own',
    ])
  })

  it('of a simulated installation are its own and the vendors’, each key once', () => {
    const { all, anywhere, at } = openAnchors(
      { ...simulated, intel: [own], amd: [own, genuineAmdAnchors[0]!] },
      'simulated',
    )
    expect(all.simulated).toBe(true)
    expect(all.amd.map(({ spkiSha256 }) => spkiSha256)).toEqual([
      own.spkiSha256,
      ...genuineAmdAnchors.map(({ spkiSha256 }) => spkiSha256),
    ])
    expect(all.intel).toEqual([own, ...genuineIntelAnchors])
    for (const same of [anywhere, at(undefined), at('any.weu.attest.strongroom.internal')]) expect(same).toBe(all)
  })
})

describe('silicon of other installations', () => {
  const root = (byte: string): { name: string; spkiSha256: string } => ({ name: byte, spkiSha256: byte.repeat(32) })
  const [first, second] = [
    { hosts: ['one', 'two'], anchors: { simulated: true, amd: [root('01')], intel: [root('02')] } },
    { hosts: ['two'], anchors: { simulated: true, amd: [root('03')], intel: [] } },
  ]
  const names = ({ amd, intel }: TrustAnchors): string[] => [
    ...new Set([...amd, ...intel].map(({ name }) => name).filter((name) => /^\d\d$/.test(name))),
  ]

  it('counts at the providers that are named for it, and nowhere else', () => {
    const { all, at, anywhere } = openAnchors(simulated, 'simulated', [first!, second!])
    expect([all, at(undefined), at('three')].map(names)).toEqual([[], [], []])
    expect([at('one'), at('two'), anywhere].map(names)).toEqual([
      ['01', '02'],
      ['03', '01', '02'],
      ['03', '01', '02'],
    ])
    // The installation's own and the vendors' roots are accepted there too.
    for (const anchor of [own, ...genuineAmdAnchors])
      expect(
        [at('one').amd, anywhere.amd].map((list) => list.some(({ spkiSha256 }) => spkiSha256 === anchor.spkiSha256)),
      ).toEqual([true, true])
    expect(
      [at('one').intel, anywhere.intel].every((list) => genuineIntelAnchors.every((each) => list.includes(each))),
    ).toBe(true)
    expect([at('one').simulated, anywhere.simulated]).toEqual([true, true])
  })

  it('is simulated there, as its key says', () => {
    expect(openAnchors(simulated, 'simulated', [first!]).isSimulated('01'.repeat(32))).toBe(true)
  })

  it('stops a hardware installation from starting', () => {
    expect(() => openAnchors(none, 'hardware', [first!])).toThrow(
      expect.objectContaining({ code: 'TrustAnchorsNotAllowed' }),
    )
  })
})
