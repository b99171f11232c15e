import { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import type { RunningGuest } from '../qemu/running-guest.ts'
import { exampleSpec } from '@strongroom/paravisor/testing'
import { afterFailedBoot } from './boot-failure.ts'
import type { BootOutcome } from './boot-watch.ts'

const current = {
  guest: { registers: async () => ({}) } as unknown as RunningGuest,
  acceleration: 'tcg' as const,
  console: { head: () => '', progress: () => 0, lastLines: async () => ['EFI stub: Loaded initrd'] },
  opensFor: undefined,
  startsOtherOnce: false,
}
const after = async (outcome: Exclude<BootOutcome, { kind: 'ready' }>, mayRepeat = true) =>
  await afterFailedBoot({ outcome, current, record: { spec: exampleSpec }, mayRepeat })
const silent = { kind: 'silent', seconds: 240 } as const

describe('a boot that did not become ready', () => {
  it('is begun again where it stood still, and the owner is told where', async () => {
    const { again, notice } = await after(silent)
    expect(again).toBe(true)
    expect(notice).toBe(
      'The guest stood still: its console showed no progress for 240 s. It was started again. (last on the ' +
        'console: EFI stub: Loaded initrd)',
    )
  })

  it('ends the start where it stood still too often', async () => {
    expect(await after(silent, false)).toMatchObject({ again: false, error: { code: 'GuestBootTimeout' } })
  })

  it('ends the start where its time is up or the firmware gave up', async () => {
    expect(await after({ kind: 'timeout', seconds: 600 })).toMatchObject({
      again: false,
      error: { code: 'GuestBootTimeout' },
    })
    expect(await after({ kind: 'bootLoader', line: 'BdsDxe: failed' })).toMatchObject({
      again: false,
      error: { code: 'BootLoaderRefused' },
    })
    expect(await after({ kind: 'settings', line: 'expected those with SHA-256 aa' })).toMatchObject({
      again: false,
      error: { code: 'SettingsRefused', found: 'expected those with SHA-256 aa' },
    })
  })

  it('tells the owner of an encrypted disk to replace its key where the guest could have read it, and only there', async () => {
    const refusal = { code: 'BootReportRefused', message: 'PCR 14 differs.', remedy: 'Find out why.' } as const
    const outcomes = [
      { kind: 'refused', error: new ServiceError(refusal) },
      { kind: 'settings', line: 'expected those with SHA-256 aa' },
      { kind: 'bootLoader', line: 'BdsDxe: failed' },
      { kind: 'timeout', seconds: 600 },
    ] as const
    const remedies = async (sealedTo?: Record<string, string>): Promise<boolean[]> =>
      await Promise.all(
        outcomes.map(async (outcome) => {
          const record = { spec: exampleSpec, ...(sealedTo && { sealedTo }) }
          const { error } = await afterFailedBoot({ outcome, current, record, mayRepeat: false })
          return (
            error?.remedy?.includes('strongroom vm rekey first. Copies of the disk made before stay readable') ?? false
          )
        }),
      )
    expect(await remedies({ 7: 'aa' })).toEqual([true, true, false, false])
    expect(await remedies()).toEqual([false, false, false, false])
    const record = { spec: exampleSpec, sealedTo: { 7: 'aa' } }
    const { error } = await afterFailedBoot({ outcome: outcomes[0], current, record, mayRepeat: false })
    expect(error).toMatchObject({
      ...refusal,
      remedy: expect.stringMatching(/^Find out why\. /) as string,
      status: 403,
    })
  })
})
