import { describe, expect, it } from 'vitest'
import { awaitBoot } from './boot-watch.ts'
import { diskDidNotUnlock } from './errors.ts'

const never = new Promise<never>(() => {})
const waiting = {
  ended: never,
  ready: never,
  refused: never,
  console: { head: () => '' },
  acceleration: 'tcg' as const,
}

describe('watch over a boot', () => {
  it('ends with whichever comes first', async () => {
    expect(await awaitBoot({ ...waiting, ready: Promise.resolve() })).toEqual({ kind: 'ready' })
    expect(await awaitBoot({ ...waiting, ended: Promise.resolve({ kind: 'powerOff' }) })).toMatchObject({
      kind: 'ended',
    })
    expect(await awaitBoot({ ...waiting, limitSeconds: 0.01 })).toEqual({ kind: 'timeout', seconds: 0.01 })
  })

  it('sees that the firmware refused the boot image, which waits for a key for ever', async () => {
    const said =
      '\u001b[2JBdsDxe: loading Boot0001\r\nBdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0): Access Denied\r\n'
    const outcome = await awaitBoot({ ...waiting, console: { head: () => said } })
    expect(outcome).toMatchObject({ kind: 'bootLoader' })
    expect((outcome as { line: string }).line).toContain('Access Denied')
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

  it('is held against the boot that is nearest, where several open it, and says so where none does', () => {
    const found = { 4: 'dd', 11: 'bb' }
    const sealedTo = [{ 4: 'aa', 11: 'aa' }, { 4: 'bb', 11: 'bb' }] // prettier-ignore
    expect(diskDidNotUnlock({ sealedTo, found, console: [] })).toMatchObject({ expected: 'PCR 4 = bb', found: 'PCR 4 = dd' }) // prettier-ignore
    expect(diskDidNotUnlock({ sealedTo: [], found, console: [] }).message).toContain('opens for no boot file')
  })

  it('says what the console said where no register differed', () => {
    const error = diskDidNotUnlock({ sealedTo: [{ 7: 'aa' }], found: { 7: 'aa' }, console: ['locked'] })
    expect(error).toMatchObject({ target: 'osDisk', found: 'locked' })
  })
})
