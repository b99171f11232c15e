import { parseRuntimeClaims, utf8, type RuntimeClaims } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { vouch } from '../provenance/known.ts'
import { Proof } from '../provenance/link.ts'
import type { AskedBackup } from '../provenance/request.ts'
import { restoredOf, showRestored } from './restored.ts'

const manifest = 'ab'.repeat(32)
const restored = { vmUniqueId: '0A1B', madeAt: '2026-11-29T05:00:00.000Z', generation: 7, manifest }
const claimsOf = (claim?: unknown): RuntimeClaims =>
  parseRuntimeClaims(
    utf8(JSON.stringify({ keys: [], 'vm-configuration': claim === undefined ? {} : { 'restored-from': claim } })),
  )
const shown = (claim: unknown, asked: AskedBackup | null | undefined): string[] => {
  const proof = new Proof()
  showRestored(vouch(claimsOf(claim), 'silicon'), {
    asked: asked === undefined ? undefined : vouch(asked, 'verifier'),
    proof,
  })
  return proof.shows
}
const asked = { manifest, settled: new Uint8Array() }

describe('the backup that a VM was made of', () => {
  it('is shown with VM, time and generation, and whether it is the one that was restored', () => {
    expect(shown(restored, undefined)).toEqual([
      `restored from a backup of VM 0A1B made at ${restored.madeAt}, of guest state generation 7; manifest ` +
        `${'ab'.repeat(8)}…, by the attested claims`,
    ])
    expect(shown(restored, asked)[1]).toBe('that backup is the one that you restored')
    expect(shown(undefined, undefined)).toEqual([])
    expect(shown(undefined, null)).toEqual([])
  })

  it('is refused where somebody else restored the VM, or from another backup (attack H20)', () => {
    const others = { ...restored, manifest: 'cd'.repeat(32) }
    const of = (manifest_: string): string => `${manifest_}, made at ${restored.madeAt}`
    for (const [claim, wanted, expected, actual] of [
      [restored, null, 'no restore', of(manifest)],
      [others, asked, manifest, of(others.manifest)],
      [undefined, asked, manifest, 'no restore'],
    ] as const)
      expect(() => shown(claim, wanted)).toThrow(
        expect.objectContaining({ code: 'AnotherBackup', expected, actual }) as Error,
      )
  })

  it.each([
    [null],
    [[]],
    ['x'],
    [{ ...restored, vmUniqueId: 1 }],
    [{ ...restored, madeAt: undefined }],
    [{ ...restored, generation: '7' }],
    [{ ...restored, manifest: undefined }],
  ])('is refused where the claims name it as %j', (claim) => {
    expect(() => restoredOf(claimsOf(claim))).toThrow(/cannot be read/)
  })
})
