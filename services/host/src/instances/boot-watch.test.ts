import { describe, expect, it, vi } from 'vitest'
import { awaitBoot } from './boot-watch.ts'
import { diskDidNotUnlock } from '../records/errors.ts'

const never = new Promise<never>(() => {})
const waiting = {
  ended: never,
  ready: never,
  refused: never,
  console: { head: () => '', progress: () => 0 },
  acceleration: 'tcg' as const,
  silenceExcused: () => false,
}

describe('watch over a boot', () => {
  it('ends with whichever comes first', async () => {
    expect(await awaitBoot({ ...waiting, ready: Promise.resolve() })).toEqual({ kind: 'ready' })
    expect(await awaitBoot({ ...waiting, ended: Promise.resolve({ kind: 'powerOff' }) })).toMatchObject({
      kind: 'ended',
    })
    expect(await awaitBoot({ ...waiting, limitSeconds: 0.01 })).toEqual({ kind: 'timeout', seconds: 0.01 })
  })

  it('sees that the console is silent for too long, where nothing excuses it', async () => {
    vi.useFakeTimers()
    try {
      let said = 0
      let settled: unknown
      const watch = (excused: boolean): void =>
        void awaitBoot({
          ...waiting,
          console: { head: () => '', progress: () => said },
          limitSeconds: 600,
          silenceExcused: () => excused,
        }).then((outcome) => (settled = outcome))
      watch(false)
      await vi.advanceTimersByTimeAsync(239_000)
      said = 10
      await vi.advanceTimersByTimeAsync(239_000)
      expect(settled).toBeUndefined()
      await vi.advanceTimersByTimeAsync(3_000)
      expect(settled).toEqual({ kind: 'silent', seconds: 240 })
      watch(true)
      await vi.advanceTimersByTimeAsync(600_000)
      expect(settled).toEqual({ kind: 'timeout', seconds: 600 })
    } finally {
      vi.useRealTimers()
    }
  })

  it('sees that the firmware refused the boot image, which waits for a key for ever', async () => {
    const said =
      '\u001b[2JBdsDxe: loading Boot0001\r\nBdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0): Access Denied\r\n'
    const outcome = await awaitBoot({ ...waiting, console: { head: () => said, progress: () => said.length } })
    expect(outcome).toMatchObject({ kind: 'bootLoader' })
    expect((outcome as { line: string }).line).toContain('Access Denied')
  })

  it('sees that the guest refuses its settings, with all that it said of it (attack H24)', async () => {
    const said = 'strongroom: settings refused, nothing was applied: expected those with SHA-256 aa; found bb'
    let head = `[    5.1] agent[99]: ${said.slice(0, 90)}`
    const outcome = awaitBoot({ ...waiting, console: { head: () => head, progress: () => head.length } })
    await new Promise((done) => setTimeout(done, 1100))
    head = `[    5.1] agent[99]: ${said}\r\n`
    expect(await outcome).toEqual({ kind: 'settings', line: said })
  })
})

describe('a disk that stayed closed', () => {
  it('names the register that differed, with both values', () => {
    const error = diskDidNotUnlock({ sealedTo: [{ 7: 'aa', 11: 'bb' }], found: { 7: 'cc', 11: 'bb' }, console: [] })
    expect(error).toMatchObject({
      code: 'OsDiskDidNotUnlock',
      target: 'PCR 7',
      expected: 'PCR 7 = aa',
      found: 'PCR 7 = cc',
    })
    expect(error.message).toContain('OS disk did not unlock')
  })

  it('is compared with the nearest boot, where several open it, and says so where none does', () => {
    const found = { 4: 'dd', 11: 'bb' }
    const sealedTo = [
      { 4: 'aa', 11: 'aa' },
      { 4: 'bb', 11: 'bb' },
    ]
    expect(diskDidNotUnlock({ sealedTo, found, console: [] })).toMatchObject({
      expected: 'PCR 4 = bb',
      found: 'PCR 4 = dd',
    })
    expect(diskDidNotUnlock({ sealedTo: [], found, console: [] }).message).toContain('opens for no boot file')
  })

  it('says what the console said where no register differed', () => {
    const error = diskDidNotUnlock({ sealedTo: [{ 7: 'aa' }], found: { 7: 'aa' }, console: ['locked'] })
    expect(error).toMatchObject({ target: 'osDisk', found: 'locked' })
  })
})
