import type { GuestHealth, InstanceStatus, InstanceViewStatus } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { guestStatuses } from './guest-statuses.ts'

const well: GuestHealth = {
  reportedAt: '2026-01-02T03:04:05.000Z',
  swaps: [],
  clock: { daemon: 'active', ptpReference: false, offsetSeconds: 0.000123 },
  tpm: { device: true, lockout: false, seals: true },
  disks: [],
}
const statuses = (told: Partial<InstanceStatus>): InstanceViewStatus[] =>
  guestStatuses({ power: { state: 'Ready', since: '', steps: [] }, ...told } as InstanceStatus)
const of = (change: Partial<GuestHealth>, prefix: string): unknown =>
  statuses({ guest: { ...well, ...change } }).find(({ code }) => code.startsWith(prefix))

describe('the instance view of what a guest reports about itself', () => {
  it('warns of nothing where the TPM seals, the clock is in step and no swap lies in clear', () => {
    const swaps = [{ name: '/swap', type: 'file', sizeKiB: 2048, protected: true }]
    expect(statuses({ guest: { ...well, swaps } }).map(({ code, level }) => [code, level])).toEqual([
      ['VirtualTpm/ready', 'Info'],
      ['Clock/inStep', 'Info'],
      ['Swap/protected', 'Info'],
    ])
  })

  it('has the number of its boot while it runs, which scripts are signed for', () => {
    const bootNumber = '0123456789abcdef'.repeat(2)
    expect(statuses({ bootNumber }).map(({ code }) => code)).toEqual([`BootNumber/${bootNumber}`])
    expect(statuses({ bootNumber, power: { state: 'Stopped', since: '', steps: [] } })).toEqual([])
  })

  it.each([
    [{ device: false, lockout: false, seals: false }, 'no /dev/tpmrm0'],
    [{ device: true, lockout: true, seals: false }, 'too many failed authorisations'],
    [{ device: true, lockout: false, seals: false }, 'could not unseal'],
  ])('says to restart before sealing where the vTPM is %j', (tpm, why) => {
    expect(of({ tpm }, 'VirtualTpm/')).toMatchObject({ code: 'VirtualTpm/notReady', level: 'Warning' })
    expect(JSON.stringify(of({ tpm }, 'VirtualTpm/'))).toMatch(new RegExp(`${why}.*Restart the virtual machine`))
  })

  it.each([
    [{ daemon: 'active', ptpReference: true, offsetSeconds: -3 }, 'Clock/drifted', 'ahead of', 'clock-remedy'],
    [{ daemon: 'active', ptpReference: false, offsetSeconds: 0.51 }, 'Clock/drifted', 'behind', 'clock-remedy'],
    [{ daemon: 'inactive', ptpReference: false, offsetSeconds: 9 }, 'Clock/drifted', 'behind', 'systemctl start'],
    [{ daemon: 'active', ptpReference: false }, 'Clock/unknown', 'unknown', 'clock-remedy'],
  ] as const)('shows the drift of %j as %s with the remedy', (clock, code, drift, remedy) => {
    const status = of({ clock }, 'Clock/') as { message: string }
    expect(status).toMatchObject({ code, level: 'Warning' })
    expect(status.message).toContain(drift)
    expect(status.message).toContain(remedy)
  })

  it('names swap in clear by its device, with what to do', () => {
    const swaps = [{ name: '/dev/sda1', type: 'partition', sizeKiB: 1024 * 64, protected: false }]
    expect(of({ swaps }, 'Swap/')).toMatchObject({ code: 'Swap/unprotected', level: 'Warning' })
    expect(JSON.stringify(of({ swaps }, 'Swap/'))).toContain('64 MiB of swap on /dev/sda1')
    expect(JSON.stringify(of({ swaps }, 'Swap/'))).toContain('swapoff /dev/sda1')
  })
})
