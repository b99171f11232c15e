import type { BootFacts } from '@strongroom/contract'
import { toBase64Url, utf8 } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { restoredOf, restoreShown } from './restored.ts'

const manifest = 'ab'.repeat(32)
const restored = { vmUniqueId: '0A1B', madeAt: '2026-11-29T05:00:00.000Z', generation: 7, manifest }
const evidenceOf = (claim?: unknown): BootFacts =>
  ({
    runtimeClaims: toBase64Url(utf8(JSON.stringify({ keys: [], 'vm-configuration': claim === undefined ? {} : { 'restored-from': claim } }))), // prettier-ignore
  }) as unknown as BootFacts
const asked = { manifest, settled: new Uint8Array() }
const another = expect.objectContaining({ code: 'AnotherBackup' })

describe('the backup that a VM was made of', () => {
  it('is shown with VM, time and generations, and who vouches for it', () => {
    expect(restoreShown(evidenceOf(restored), 9, undefined)).toEqual([
      `restored from a backup of VM 0A1B made at ${restored.madeAt}, guest state generation 7 → 9; manifest ${'ab'.repeat(8)}…, by the attested claims`,
    ])
    expect(restoreShown(evidenceOf(restored), 9, asked)[0]).toMatch(/, the one that you restored$/)
    expect(restoreShown(evidenceOf(), 9, undefined)).toEqual([])
    expect(restoreShown(evidenceOf(), 9, null)).toEqual([])
  })

  it('is refused where somebody else restored the VM, or from another backup (attack H20)', () => {
    expect(() => restoreShown(evidenceOf(restored), 9, null)).toThrow(another as Error)
    const older = { ...restored, manifest: 'cd'.repeat(32) }
    expect(() => restoreShown(evidenceOf(older), 9, asked)).toThrow(another as Error)
    expect(() => restoreShown(evidenceOf(), 9, asked)).toThrow(another as Error)
  })

  it.each([[null], [[]], ['x'], [{ ...restored, generation: '7' }], [{ ...restored, manifest: undefined }]])(
    'is refused where the claims name it as %j',
    (claim) => {
      expect(() => restoredOf(evidenceOf(claim))).toThrow(/cannot be read/)
    },
  )
})
