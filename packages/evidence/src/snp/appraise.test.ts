import { describe, expect, it } from 'vitest'
import { appraiseSnp, type SnpPolicy } from './appraise.ts'
import { parseSnpReport, snpReportLength } from './report.ts'
import type { VerifiedSnp } from './verify.ts'

/** A report with each field filled by a byte of its own. */
function verified(edit: (bytes: Uint8Array) => void = () => {}, change: Partial<VerifiedSnp> = {}): VerifiedSnp {
  const bytes = new Uint8Array(snpReportLength)
  bytes.set([3, 0, 0, 0, 7])
  bytes.set([31, 0, 3], 8)
  bytes.fill(0x10, 0x10, 0x20).fill(0x20, 0x20, 0x30)
  bytes[0x34] = 1
  bytes[0x40] = 1
  bytes
    .fill(0x50, 0x50, 0x90)
    .fill(0x90, 0x90, 0xc0)
    .fill(0xc0, 0xc0, 0xe0)
    .fill(0xe0, 0xe0, 0x110)
    .fill(0x11, 0x110, 0x140)
  bytes.fill(0x1a, 0x1a0, 0x1e0)
  bytes.set([40, 55, 1, 0, 40, 55, 1], 0x1e8)
  edit(bytes)
  const tcb = { fmc: 0, bootLoader: 4, tee: 0, snp: 24, microcode: 219 }
  const hardwareId = new Uint8Array(64).fill(0x1a)
  return {
    report: parseSnpReport(bytes),
    product: 'Milan',
    endorsement: { signer: 'VCEK', product: 'Milan', productName: 'Milan-B0', tcb, hardwareId, providerId: undefined },
    anchor: { name: 'root', spkiSha256: '00' },
    reportedTcb: tcb,
    currentTcb: tcb,
    committedTcb: tcb,
    launchTcb: tcb,
    ...change,
  }
}

const exact: SnpPolicy = {
  measurements: [new Uint8Array(48).fill(0x90)],
  reportData: new Uint8Array(64).fill(0x50),
  hostData: new Uint8Array(32).fill(0xc0),
  familyId: new Uint8Array(16).fill(0x10),
  imageId: new Uint8Array(16).fill(0x20),
  idKeyDigests: [new Uint8Array(48), new Uint8Array(48).fill(0xe0)],
  chipIds: [new Uint8Array(64).fill(0x1a)],
  products: ['Milan', 'Genoa'],
  minimumGuestSvn: 7,
  minimumTcb: { bootLoader: 4, snp: 24, microcode: 219 },
  minimumFirmware: { major: 1, minor: 55, build: 40 },
}
const any: SnpPolicy = { measurements: 'any', reportData: 'any' }

const found = (value: VerifiedSnp, policy: SnpPolicy): string[][] =>
  appraiseSnp(value, policy).map(({ path, code }) => [path, code])

describe('appraiseSnp', () => {
  it('accepts what is exactly wanted', () => {
    expect(appraiseSnp(verified(), exact)).toEqual([])
    expect(appraiseSnp(verified(), any)).toEqual([])
  })

  it('names every failure at once, with what was wanted and what was there', () => {
    const failures = appraiseSnp(verified(), {
      ...exact,
      measurements: [new Uint8Array(48)],
      hostData: new Uint8Array(32),
      minimumGuestSvn: 8,
      products: ['Turin'],
    })
    expect(failures).toEqual([
      { path: 'measurement', code: 'NotEqual', expected: '00'.repeat(48), actual: '90'.repeat(48) },
      { path: 'hostData', code: 'NotEqual', expected: '00'.repeat(32), actual: 'c0'.repeat(32) },
      { path: 'product', code: 'NotAllowed', expected: 'Turin', actual: 'Milan' },
      { path: 'guestSvn', code: 'BelowMinimum', expected: '8', actual: '7' },
    ])
  })

  it('allows nothing when the list of the allowed is empty', () => {
    expect(found(verified(), { ...any, measurements: [] })).toEqual([['measurement', 'NotAllowed']])
    expect(found(verified(), { ...any, chipIds: [] })).toEqual([['chipId', 'NotAllowed']])
    expect(found(verified(), { ...any, products: [] })).toEqual([['product', 'NotAllowed']])
    expect(found(verified(), { ...any, vmpls: [] })).toEqual([['vmpl', 'NotAllowed']])
  })

  it.each([
    ['policy.debugAllowed', 10, 0b1000, 'debug'],
    ['policy.migrationAgentAllowed', 10, 0b0100, 'migrationAgent'],
    ['policy.cxlAllowed', 10, 0b10_0000, 'cxl'],
    ['provisionalFirmware', 0x38, 1, 'provisionalFirmware'],
  ] as const)('refuses %s unless it is allowed', (path, at, bits, name) => {
    const weak = verified((bytes) => (bytes[at]! |= bits))
    expect(found(weak, any)).toEqual([[path, 'Forbidden']])
    expect(found(weak, { ...any, allow: { [name]: false } })).toEqual([[path, 'Forbidden']])
    expect(found(weak, { ...any, allow: { [name]: true } })).toEqual([])
  })

  it("refuses a provider's key unless it is allowed", () => {
    const own = verified()
    const vlek = { ...own, endorsement: { ...own.endorsement, signer: 'VLEK' as const } }
    expect(found(vlek, any)).toEqual([['endorsement.vlek', 'Forbidden']])
    expect(found(vlek, { ...any, allow: { vlek: true } })).toEqual([])
  })

  it('refuses other privilege levels than 0 unless they are named, and policy bits that it does not know', () => {
    expect(
      found(
        verified((bytes) => (bytes[0x30] = 1)),
        any,
      ),
    ).toEqual([['vmpl', 'NotAllowed']])
    expect(
      found(
        verified((bytes) => (bytes[0x30] = 1)),
        { ...any, vmpls: [0, 1] },
      ),
    ).toEqual([])
    expect(
      found(
        verified((bytes) => (bytes[15] = 1)),
        any,
      ),
    ).toEqual([['policy', 'Unknown']])
  })

  it('demands hardening only where it is wanted', () => {
    const require = {
      smtOff: true,
      singleSocket: true,
      ecc: true,
      tsme: true,
      raplOff: true,
      ciphertextHiding: true,
      aliasCheck: true,
    }
    expect(found(verified(), { ...any, require })).toEqual([
      ['platformInfo.smtOff', 'Required'],
      ['policy.singleSocketRequired', 'Required'],
      ['platformInfo.eccEnabled', 'Required'],
      ['platformInfo.tsmeEnabled', 'Required'],
      ['platformInfo.raplDisabled', 'Required'],
      ['platformInfo.ciphertextHidingEnabled', 'Required'],
      ['platformInfo.aliasCheckComplete', 'Required'],
    ])
    const hard = verified((bytes) => {
      bytes[0x40] = 0b11_1110
      bytes[10]! |= 0b1_0000
    })
    expect(found(hard, { ...any, require })).toEqual([])
  })

  it('wants the minimum of the reported versions and of those at launch', () => {
    const old = { fmc: 0, bootLoader: 4, tee: 0, snp: 23, microcode: 219 }
    expect(found(verified(), { ...any, minimumTcb: { snp: 25 } })).toEqual([
      ['reportedTcb.snp', 'BelowMinimum'],
      ['launchTcb.snp', 'BelowMinimum'],
    ])
    expect(found(verified(undefined, { launchTcb: old }), exact)).toEqual([['launchTcb.snp', 'BelowMinimum']])
    expect(found(verified(), { ...any, minimumFirmware: { major: 1, minor: 56, build: 0 } })).toEqual([
      ['currentVersion', 'BelowMinimum'],
    ])
    expect(found(verified(), { ...any, minimumTcb: { snp: Number.NaN } })).toHaveLength(2)
  })

  it('wants a used author key where author keys are named', () => {
    const digest = new Uint8Array(48).fill(0x11)
    expect(found(verified(), { ...any, authorKeyDigests: [digest] })).toEqual([['authorKeyEnabled', 'Required']])
    expect(
      found(
        verified((bytes) => (bytes[0x48] = 1)),
        { ...any, authorKeyDigests: [digest] },
      ),
    ).toEqual([])
  })
})
