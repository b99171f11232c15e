import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseGuestHealth } from './guest-health.ts'

const at = new Date('2026-01-02T03:04:05Z')
const good = {
  swaps: [{ name: '/dev/sdb1', type: 'partition', sizeKiB: 1024, protected: false }],
  clock: { daemon: 'active', ptpReference: false, offsetSeconds: -0.25 },
  tpm: { device: true, lockout: false, seals: true },
  disks: [{ place: 'lun63', device: '/dev/sda', sizeBytes: 4096, encrypted: true }],
}

describe('what a guest says of its state', () => {
  it('is read whole, with the time at which it was said', () => {
    expect(parseGuestHealth(good, at)).toEqual({ ...good, reportedAt: '2026-01-02T03:04:05.000Z' })
  })

  it.each([
    ['swaps[0].name', { swaps: [{ ...good.swaps[0], name: '/dev/sd b' }] }],
    ['swaps[0].protected', { swaps: [{ ...good.swaps[0], protected: 'yes' }] }],
    ['swaps', { swaps: Array.from({ length: 129 }, () => good.swaps[0]) }],
    ['clock.offsetSeconds', { clock: { ...good.clock, offsetSeconds: '1' } }],
    ['clock.daemon', { clock: { ...good.clock, daemon: 'asleep' } }],
    ['tpm.seals', { tpm: { device: true, lockout: false } }],
    ['disks[0].place', { disks: [{ ...good.disks[0], place: 'lun64' }] }],
    ['disks[0].sizeBytes', { disks: [{ ...good.disks[0], sizeBytes: -1 }] }],
  ])('names %s where it is wrong', (target, change) => {
    expect(() => parseGuestHealth({ ...good, ...change }, at)).toThrow(
      expect.objectContaining({ code: 'InvalidGuestHealth', target }),
    )
  })

  it('refuses any other JSON with a name for the fault, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => parseGuestHealth(value, at)).toThrow(expect.objectContaining({ code: 'InvalidGuestHealth' }))
      }),
    )
  })
})
