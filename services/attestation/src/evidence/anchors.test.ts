import { genuineAmdAnchors, type TrustAnchors } from '@strongroom/evidence'
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
})
