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
})
