import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseBootReport } from './boot-report.ts'

const good = {
  nonce: 'AAAA',
  quoteMessage: 'AAAA',
  quoteSignature: 'AAAA',
  pcrs: { '0': '00'.repeat(32), '14': 'ab'.repeat(32) },
  eventLog: 'AAAA',
  rootDevice: {
    device: '/dev/mapper/root',
    cipher: 'aes-xts-plain64',
    luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  },
}

describe('boot report', () => {
  it('is read whole', () => {
    const report = parseBootReport(good)
    expect([...report.pcrs.keys()]).toEqual([0, 14])
    expect(report.rootDevice?.device).toBe('/dev/mapper/root')
  })

  it.each([
    ['nonce', { nonce: 'not base64url!' }],
    ['nonce', { nonce: 'A'.repeat(200) }],
    ['pcrs.24', { pcrs: { '24': '00'.repeat(32) } }],
    ['pcrs.7', { pcrs: { '7': '00' } }],
    ['eventLog', { eventLog: 12 }],
    ['userspaceLog', { userspaceLog: '' }],
    ['rootDevice.device', { rootDevice: { ...good.rootDevice, device: '/etc/passwd' } }],
    ['rootDevice.luksUuid', { rootDevice: { ...good.rootDevice, luksUuid: '<script>' } }],
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
