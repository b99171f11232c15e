import { describe, expect, it } from 'vitest'
import { appraiseSnp, type SnpPolicy } from './appraise.ts'
import { parseSnpReport, snpReportLength } from './report.ts'
import type { VerifiedSnp } from './verify.ts'

/** A report with a different byte in each field. */
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
    revocationChecked: false,
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
  tcb: {
    reported: { minimum: { bootLoader: 4, snp: 24, microcode: 219 }, maximum: { snp: 24, microcode: 219 } },
    launch: { minimum: { snp: 24 }, maximum: { snp: 24 } },
    committed: { minimum: { snp: 24 }, maximum: { snp: 24 } },
    current: { minimum: { snp: 24 }, maximum: { snp: 24 } },
  },
  reportIds: [new Uint8Array(32)],
  reportIdsMa: [new Uint8Array(32)],
  deniedChipIds: [new Uint8Array(64)],
  guestPolicies: [0x3001fn],
  minimumAbi: { major: 0, minor: 31 },
  minimumCommittedFirmware: { major: 1, minor: 55, build: 40 },
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
      revocation: true,
      smtOff: true,
      singleSocket: true,
      ecc: true,
      tsme: true,
      raplOff: true,
      ciphertextHiding: true,
      aliasCheck: true,
      smtForbidden: true,
      aes256Xts: true,
      raplForbidden: true,
      ciphertextHidingForced: true,
      pageSwapForbidden: true,
    }
    expect(found(verified(), { ...any, require })).toEqual([
      ['revocationChecked', 'Required'],
      ['platformInfo.smtOff', 'Required'],
      ['platformInfo.eccEnabled', 'Required'],
      ['platformInfo.tsmeEnabled', 'Required'],
      ['platformInfo.raplDisabled', 'Required'],
      ['platformInfo.ciphertextHidingEnabled', 'Required'],
      ['platformInfo.aliasCheckComplete', 'Required'],
      ['policy.singleSocketRequired', 'Required'],
      ['policy.smtForbidden', 'Required'],
      ['policy.aes256XtsRequired', 'Required'],
      ['policy.raplDisabledRequired', 'Required'],
      ['policy.ciphertextHidingRequired', 'Required'],
      ['policy.pageSwapDisabled', 'Required'],
    ])
    const hard = verified((bytes) => {
      bytes[0x40] = 0b11_1110
      bytes[10] = 0b1101_0010
      bytes[11] = 0b11
    })
    expect(found({ ...hard, revocationChecked: true }, { ...any, require })).toEqual([])
  })

  const tcb = { fmc: 1, bootLoader: 4, tee: 1, snp: 24, microcode: 219 }

  it.each(
    (['reported', 'launch', 'committed', 'current'] as const).flatMap((which) =>
      (['fmc', 'bootLoader', 'tee', 'snp', 'microcode'] as const).map((part) => [which, part] as const),
    ),
  )('bounds the %s version of %s from below and above, and that alone', (which, part) => {
    const versions = { reportedTcb: tcb, launchTcb: tcb, committedTcb: tcb, currentTcb: tcb }
    const own = verified(undefined, { ...versions, product: 'Turin' })
    const path = `${which}Tcb.${part}`
    const bounded = (minimum: number, maximum: number): string[][] =>
      found(own, { ...any, tcb: { [which]: { minimum: { [part]: minimum }, maximum: { [part]: maximum } } } })
    expect(bounded(tcb[part], tcb[part])).toEqual([])
    expect(bounded(tcb[part] + 1, 255)).toEqual([[path, 'BelowMinimum']])
    expect(bounded(0, tcb[part] - 1)).toEqual([[path, 'AboveMaximum']])
    // NaN bounds nothing, so it is refused.
    expect(bounded(Number.NaN, Number.NaN)).toEqual([
      [path, 'BelowMinimum'],
      [path, 'AboveMaximum'],
    ])
  })

  it('wants the minimum of the firmware that runs and of the one that is committed', () => {
    const newer = { major: 1, minor: 56, build: 0 }
    expect(found(verified(), { ...any, minimumFirmware: newer })).toEqual([['currentVersion', 'BelowMinimum']])
    expect(found(verified(), { ...any, minimumCommittedFirmware: newer })).toEqual([
      ['committedVersion', 'BelowMinimum'],
    ])
  })

  it.each([
    ['reportId', { reportIds: [new Uint8Array(32).fill(1)] }, 'NotEqual'],
    ['reportIdMa', { reportIdsMa: [new Uint8Array(32).fill(1)] }, 'NotEqual'],
    ['chipId', { deniedChipIds: [new Uint8Array(64).fill(0x1a)] }, 'Forbidden'],
    ['policy', { guestPolicies: [0x30000n, 0x20000n] }, 'NotAllowed'],
    ['policy.abi', { minimumAbi: { major: 0, minor: 32 } }, 'BelowMinimum'],
    ['launchMitigations', { mitigations: { launch: 1n } }, 'Missing'],
  ] as [string, Partial<SnpPolicy>, string][])('refuses another %s', (path, policy, code) => {
    expect(found(verified(), { ...any, ...policy })).toEqual([[path, code]])
  })

  it('wants mitigations bit by bit where the report has them', () => {
    const fifth = verified((bytes) => {
      bytes[0] = 5
      bytes[0x1f8] = 0b101
    })
    expect(found(fifth, { ...any, mitigations: { launch: 0b101n } })).toEqual([])
    expect(found(fifth, { ...any, mitigations: { launch: 0b111n, current: 1n } })).toEqual([
      ['launchMitigations', 'Required'],
      ['currentMitigations', 'Required'],
    ])
  })

  it('takes the keys of named providers alone', () => {
    const own = verified()
    const vlek = { ...own, endorsement: { ...own.endorsement, signer: 'VLEK' as const, providerId: 'microsoft_azure' } }
    const policy = { ...any, allow: { vlek: true } }
    expect(found(vlek, { ...policy, providerIds: ['microsoft_azure'] })).toEqual([])
    expect(found(vlek, { ...policy, providerIds: ['somebody'] })).toEqual([['endorsement.providerId', 'NotAllowed']])
    expect(found(vlek, policy)).toEqual([])
    expect(appraiseSnp(vlek, { ...policy, providerIds: ['a', 'b'] })[0]).toMatchObject({
      expected: 'a or b',
      actual: 'microsoft_azure',
    })
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
    const other = verified((bytes) => bytes.fill(1, 0x48, 0x49).fill(0x12, 0x110, 0x140))
    expect(found(other, { ...any, authorKeyDigests: [digest] })).toEqual([['authorKeyDigest', 'NotEqual']])
  })
  const named = (value: VerifiedSnp, policy: SnpPolicy): string[][] =>
    appraiseSnp(value, policy).map(({ path, code, expected, actual }) => [path, code, expected, actual])
  const zeros = (length: number): Uint8Array => new Uint8Array(length)
  const hex = (value: string, length: number): string => value.repeat(length)

  it.each<[policy: Partial<SnpPolicy>, failure: string[]]>([
    [{ reportData: zeros(64) }, ['reportData', 'NotEqual', hex('00', 64), hex('50', 64)]],
    [{ familyId: zeros(16) }, ['familyId', 'NotEqual', hex('00', 16), hex('10', 16)]],
    [{ imageId: zeros(16) }, ['imageId', 'NotEqual', hex('00', 16), hex('20', 16)]],
    [{ idKeyDigests: [zeros(1), zeros(2)] }, ['idKeyDigest', 'NotAllowed', '00 or 0000', hex('e0', 48)]],
    [{ measurements: [] }, ['measurement', 'NotAllowed', 'nothing is allowed', hex('90', 48)]],
    [{ deniedChipIds: [zeros(1), zeros(64).fill(0x1a)] }, ['chipId', 'Forbidden', 'another chip', hex('1a', 64)]],
    [{ vmpls: [1, 2] }, ['vmpl', 'NotAllowed', '1 or 2', '0']],
    [{ products: ['Genoa', 'Turin'] }, ['product', 'NotAllowed', 'Genoa or Turin', 'Milan']],
    [{ guestPolicies: [1n, 2n] }, ['policy', 'NotAllowed', '0x1 or 0x2', '0x3001f']],
    [{ minimumAbi: { major: 1, minor: 0 } }, ['policy.abi', 'BelowMinimum', '1.0', '0.31']],
    [{ minimumGuestSvn: 8 }, ['guestSvn', 'BelowMinimum', '8', '7']],
    [{ tcb: { launch: { maximum: { snp: 23 } } } }, ['launchTcb.snp', 'AboveMaximum', '23', '24']],
    [{ tcb: { launch: { minimum: { snp: 25 } } } }, ['launchTcb.snp', 'BelowMinimum', '25', '24']],
    [{ minimumFirmware: { major: 1, minor: 55, build: 41 } }, ['currentVersion', 'BelowMinimum', '1.55.41', '1.55.40']],
    [{ mitigations: { current: 5n } }, ['currentMitigations', 'Missing', '0x5', 'none in version 3']],
    [{ require: { ecc: true } }, ['platformInfo.eccEnabled', 'Required', 'true', 'false']],
  ])('says what it wanted and what it found (%#)', (policy, failure) => {
    expect(named(verified(), { ...any, ...policy })).toEqual([failure])
  })

  it('says so of what weakens a guest', () => {
    const debug = verified((bytes) => (bytes[10]! |= 0b1000))
    expect(named(debug, any)).toEqual([['policy.debugAllowed', 'Forbidden', 'false', 'true']])
    const beyond = verified((bytes) => (bytes[15] = 1))
    expect(named(beyond, any)).toEqual([['policy', 'Unknown', 'no bits above 25', '0x10000000003001f']])
    const fifth = verified((bytes) => bytes.fill(5, 0, 1).fill(1, 0x1f8, 0x1f9))
    expect(named(fifth, { ...any, mitigations: { launch: 3n } })).toEqual([
      ['launchMitigations', 'Required', '0x3', '0x1'],
    ])
  })

  it.each([
    [{ chipIds: [zeros(64)] }, true],
    [{ deniedChipIds: [zeros(64)] }, true],
    [{}, false],
  ])('cannot compare a chip that a host hides under a provider’s key (%#)', (policy, missing) => {
    const own = verified((bytes) => bytes.fill(0, 0x1a0, 0x1e0))
    const vlek = { ...own, endorsement: { ...own.endorsement, signer: 'VLEK' as const, hardwareId: undefined } }
    const wanted = missing ? [['chipId', 'Missing']] : []
    expect(found(vlek, { ...any, allow: { vlek: true }, ...policy })).toEqual(wanted)
  })

  it('takes the interface’s version as one number of two parts', () => {
    const abi = (major: number, minor: number): VerifiedSnp => verified((bytes) => bytes.set([minor, major], 8))
    const policy = { ...any, minimumAbi: { major: 1, minor: 51 } }
    expect([abi(1, 51), abi(1, 52), abi(2, 0)].map((each) => found(each, policy))).toEqual([[], [], []])
    for (const below of [abi(1, 50), abi(0, 255)])
      expect(found(below, policy)).toEqual([['policy.abi', 'BelowMinimum']])
  })

  it('refuses a named provider for a chip’s key, which is no provider’s', () => {
    expect(found(verified(), { ...any, providerIds: ['somebody'] })).toEqual([['endorsement.providerId', 'Missing']])
  })

  it('refuses bounds on a part that the processor line does not have', () => {
    const fmc = (bounds: object): string[][] => found(verified(), { ...any, tcb: { reported: bounds } })
    expect(fmc({ minimum: { fmc: 1 } })).toEqual([['reportedTcb.fmc', 'Missing']])
    expect(fmc({ maximum: { fmc: 3 } })).toEqual([['reportedTcb.fmc', 'Missing']])
    expect(fmc({ minimum: { fmc: 0 }, maximum: { fmc: 255 } })).toEqual([])
  })

  it('compares the stepping, which reports before version 3 do not name', () => {
    const stepping = (found: number): VerifiedSnp => verified((bytes) => bytes.set([0x19, 1, found], 0x188))
    const policy = { ...any, steppings: [0, 1] }
    expect(found(stepping(1), policy)).toEqual([])
    expect(found(stepping(2), policy)).toEqual([['cpu.stepping', 'NotAllowed']])
    expect(
      found(
        verified((bytes) => void (bytes[0] = 2)),
        policy,
      ),
    ).toEqual([['cpu.stepping', 'Missing']])
  })
})
