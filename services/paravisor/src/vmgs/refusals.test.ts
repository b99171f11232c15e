import { describe, expect, it } from 'vitest'
import { corrupt } from './corrupt.ts'
import { exchanged, keptBeside, newerKept, notKept } from './exchanged.ts'

const path = '/var/lib/strongroom/machines/VM/guest-state.vmgs'
const back =
  'Put it back in the state directory: mv machines/VM/guest-state.vmgs.kept machines/VM/guest-state.vmgs. The VM does ' +
  'not start until then.'
const code = 'GuestStateExchanged'
const target = 'guestState'

describe('a guest state that was exchanged', () => {
  it('is refused with what was found, and how to put the newest back', () => {
    expect(keptBeside(path)).toBe(`${path}.kept`)
    expect(exchanged(path, 'no file')).toMatchObject({ code, target, found: 'no file', remedy: back })
    expect(exchanged(path, 'no file').message).toContain('guest-state.vmgs.kept')
    expect(newerKept(path)).toMatchObject({
      code,
      target,
      expected: 'no guest-state.vmgs.kept beside the guest state',
      found: 'machines/VM/guest-state.vmgs.kept',
      remedy: back,
    })
  })

  it('is refused with why the newest could not be kept', () => {
    const cause = Object.assign(new Error('full'), { code: 'ENOSPC' })
    const refused = notKept('another file', cause)
    expect(refused).toMatchObject({ code, target, found: 'another file', cause })
    expect(refused.message).toMatch(/could not be kept: ENOSPC\.$/)
    for (const unknown of [undefined, new Error('unknown')])
      expect(notKept('x', unknown).message).toMatch(/could not be kept: its directory could not be written\.$/)
  })
})

describe('a guest state that is corrupt', () => {
  it('is refused with what was expected and found, where that is known', () => {
    const why = 'The guest state cannot be used: why.'
    expect(corrupt('why', 'x', 'y')).toMatchObject({
      code: 'GuestStateCorrupt',
      message: why,
      target,
      expected: 'x',
      found: 'y',
    })
    const plain = corrupt('why')
    expect([plain.message, plain.expected, plain.found]).toEqual([why, undefined, undefined])
  })
})
