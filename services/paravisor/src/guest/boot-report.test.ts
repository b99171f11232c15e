import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseBootReport } from './boot-report.ts'

const good = {
  nonce: 'AAAA',
  quoteMessage: 'AAAA',
  quoteSignature: 'AAAA',
  pcrs: { '0': '00'.repeat(32), '14': 'ab'.repeat(32) },
  eventLog: 'AAAA',
}

describe('boot report', () => {
  it('is read whole, but for what a guest says of its disk (attack D1)', () => {
    const report = parseBootReport({ ...good, rootDevice: { cipher: 'aes' } })
    expect([...report.pcrs.keys()]).toEqual([0, 14])
    expect(report).not.toHaveProperty('rootDevice')
  })

  it.each([
    ['nonce', { nonce: 'not base64url!' }],
    ['nonce', { nonce: 'A'.repeat(200) }],
    ['pcrs.24', { pcrs: { '24': '00'.repeat(32) } }],
    ['pcrs.7', { pcrs: { '7': '00' } }],
    ['eventLog', { eventLog: 12 }],
    ['userspaceLog', { userspaceLog: '' }],
  ])('names %s where it is wrong', (target, change) => {
    expect(() => parseBootReport({ ...good, ...change })).toThrow(
      expect.objectContaining({ code: 'InvalidBootReport', target }),
    )
  })

  it('refuses any other JSON with a name for the fault, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => parseBootReport(value)).toThrow(expect.objectContaining({ code: 'InvalidBootReport' }))
      }),
    )
  })
})
