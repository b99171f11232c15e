import { describe, expect, it } from 'vitest'
import { chipOf, describeFirmware, firmwareRank, requireChip, requireCommitted } from './consistency.ts'
import type { SnpEndorsement } from './endorse.ts'
import type { SnpReport } from './report.ts'
import { encodeTcb } from './tcb.ts'

const filled = (length: number, value = 0x1a): Uint8Array => new Uint8Array(length).fill(value)
const endorsed = (hardwareId: Uint8Array | undefined): SnpEndorsement => ({ hardwareId }) as SnpEndorsement
const ofChip = (chipId: Uint8Array): SnpReport => ({ chipId }) as SnpReport
/** An 8-byte id as a report contains it. */
const turin = Uint8Array.from({ length: 64 }, (_, index) => (index < 8 ? 0x1a : 0))

describe('the chip of a report', () => {
  it.each([
    ['the certificate’s', filled(64), filled(64), filled(64)],
    ['the certificate’s, of a line with short ids', turin, filled(8), turin],
    ['the certificate’s where the host hides it', filled(64, 0), filled(64), filled(64)],
    ['the report’s where a provider’s key signed', filled(64, 7), undefined, filled(64, 7)],
    ['unknown where a provider’s key signed and the host hides it', filled(64, 0), undefined, undefined],
  ])('is %s', (_, reported, hardwareId, wanted) => {
    expect(chipOf(ofChip(reported), endorsed(hardwareId))).toEqual(wanted)
    expect(() => requireChip(ofChip(reported), endorsed(hardwareId))).not.toThrow()
  })

  it.each([
    ['first', 0],
    ['last', 63],
  ])('is another with its %s byte changed', (_, at) => {
    for (const hardwareId of [filled(64), filled(8)]) {
      const chipId = hardwareId.length === 64 ? filled(64) : turin.slice()
      chipId[at]! ^= 1
      expect(() => requireChip(ofChip(chipId), endorsed(hardwareId))).toThrow(
        expect.objectContaining({ name: 'VerificationError', code: 'ChipMismatch', subject: 'SNP report' }),
      )
    }
  })
})

describe('what is committed', () => {
  const tcb = { fmc: 0, bootLoader: 4, tee: 3, snp: 29, microcode: 222 }
  const firmware = { major: 1, minor: 55, build: 40 }
  const report = (o: {
    current?: Partial<typeof tcb>
    committed?: Partial<typeof tcb>
    currentVersion?: Partial<typeof firmware>
    committedVersion?: Partial<typeof firmware>
  }): SnpReport =>
    ({
      currentTcb: encodeTcb({ ...tcb, ...o.current }, 'Milan'),
      committedTcb: encodeTcb({ ...tcb, ...o.committed }, 'Milan'),
      currentVersion: { ...firmware, ...o.currentVersion },
      committedVersion: { ...firmware, ...o.committedVersion },
    }) as SnpReport
  const refused = expect.objectContaining({ name: 'VerificationError', code: 'TcbMismatch' })

  it.each(['bootLoader', 'tee', 'snp', 'microcode'] as const)('is never newer than what runs: %s', (part) => {
    expect(() => requireCommitted(report({}), 'Milan')).not.toThrow()
    expect(() => requireCommitted(report({ current: { [part]: tcb[part] + 1 } }), 'Milan')).not.toThrow()
    expect(() => requireCommitted(report({ current: { [part]: tcb[part] - 1 } }), 'Milan')).toThrow(refused)
    expect(() => requireCommitted(report({ committed: { [part]: tcb[part] + 1 } }), 'Milan')).toThrow(refused)
  })

  it.each(['major', 'minor', 'build'] as const)('is never newer than the firmware that runs: %s', (part) => {
    const above = { [part]: firmware[part] + 1 }
    expect(() => requireCommitted(report({ currentVersion: above }), 'Milan')).not.toThrow()
    expect(() => requireCommitted(report({ committedVersion: above }), 'Milan')).toThrow(refused)
  })

  it('says which firmware is older', () => {
    expect(() => requireCommitted(report({ committedVersion: { minor: 56 } }), 'Milan')).toThrow(
      expect.objectContaining({ expected: 'at least firmware 1.56.40', found: 'firmware 1.55.40' }),
    )
    expect(describeFirmware(firmware)).toBe('1.55.40')
  })

  it('is ordered by major, minor and build, in this order', () => {
    const ordered = [
      { major: 0, minor: 255, build: 255 },
      { major: 1, minor: 0, build: 0 },
      { major: 1, minor: 0, build: 255 },
      { major: 1, minor: 1, build: 0 },
      { major: 2, minor: 0, build: 0 },
    ]
    const ranks = ordered.map(firmwareRank)
    expect(ranks).toEqual(ranks.toSorted((left, right) => left - right))
    expect(new Set(ranks).size).toBe(ordered.length)
  })
})
