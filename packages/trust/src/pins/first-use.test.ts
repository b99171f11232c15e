import { describe, expect, it } from 'vitest'
import { firstUseWarnings } from './first-use.ts'

const trustedAt = '2026-11-29T07:10:10.621Z'
const codes = (o: Partial<Parameters<typeof firstUseWarnings>[0]>): string[] =>
  firstUseWarnings({ vmId: 'a1', known: undefined, pinned: false, recorded: false, ...o }).map(({ code }) => code)

describe('the warnings of first use', () => {
  it('are none for a VM with pins, and for one that was created here and never trusted', () => {
    expect(codes({ known: { vmId: 'A1', trustedAt }, pinned: true, recorded: true })).toEqual([])
    expect(codes({ pinned: true, recorded: true })).toEqual([])
    expect(codes({ known: { vmId: 'a1' }, recorded: true })).toEqual([])
  })

  it.each([
    ['created', { vmId: 'b2' }],
    ['trusted', { vmId: 'b2', trustedAt }],
  ])('name both where another VM was %s under the name, whatever is pinned', (word, known) => {
    for (const pinned of [true, false]) {
      const [warning, ...more] = firstUseWarnings({ vmId: 'a1', known, pinned, recorded: pinned })
      expect([warning?.code, more]).toEqual(['AnotherVm', []])
      expect(warning?.message).toMatch(new RegExp(`${word}.* vmId a1, not b2`))
    }
  })

  it('report pins that are gone, with the record or without it', () => {
    const known = { vmId: 'a1', trustedAt }
    expect([codes({ known, recorded: true }), codes({ known })]).toEqual([['PinsMissing'], ['PinsMissing']])
  })

  it('report a VM of which nothing is known here', () => {
    expect(codes({})).toEqual(['TrustedOnFirstUse'])
  })
})
