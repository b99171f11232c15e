import { toHex } from '@strongroom/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from '../../services/attestation/src/policy/stored-policy.ts'
import {
  boundTo,
  claimsOf,
  ownerObjectId,
  runtimeBytes,
  runtimeClaims,
  snpBody,
  type TestService,
} from '../../services/attestation/src/testing/harness.ts'
import { type AmdAuthority, at, pemOf, type ForgedChain } from './support/amd-authority.ts'
import { openSnpAttack } from './support/snp-attack.ts'
import { refusal, verifyFiles, type Verdict } from './support/doors.ts'

const query = '?api-version=2022-08-01'
type Change = (bytes: Uint8Array, view: DataView) => void
const attacker = new Uint8Array(48).fill(0xa7)
const trusted = new Uint8Array(48).fill(0x77)

// Genuine reports with unwanted content.
describe('a genuine report', () => {
  let amd: AmdAuthority
  let test: TestService
  let chain: ForgedChain
  let crl: Uint8Array

  beforeAll(async () => {
    ;({ amd, chain, crl, test } = await openSnpAttack())
  }, 240_000)
  afterAll(() => test?.close())

  const made = (change: Change): Promise<Uint8Array> =>
    amd.report((bytes, view) => {
      bytes.set(boundTo(runtimeBytes), at.reportData)
      change(bytes, view)
    })
  const byFiles = async (change: Change, policy?: object): Promise<Verdict> => {
    const files = { 'report.bin': await made(change), 'chain.pem': pemOf(chain), 'root.crl': crl }
    return await verifyFiles(files, { anchors: amd.anchors, ...(policy === undefined ? {} : { policy }) })
  }
  const byWire = async (change: Change): Promise<string> =>
    refusal(await test.post(`/attest/SevSnpVm${query}`, snpBody(await made(change), { pem: pemOf(chain), crl })))
  const setPolicy = async (rules: string): Promise<void> => {
    const payload = unsignedPolicyJws(`version=1.0;authorizationrules{${rules}};`)
    const owner = { token: ownerObjectId, contentType: 'text/plain', payload }
    expect((await test.call('PUT', `/policies/SevSnpVm${query}`, owner)).status).toBe(200)
  }
  const resetPolicy = async (): Promise<void> => {
    await test.call('POST', `/policies/SevSnpVm:reset${query}`, { token: ownerObjectId, contentType: 'text/plain' })
  }
  const policyBit =
    (bit: number): Change =>
    (_, view) =>
      view.setBigUint64(at.policy, view.getBigUint64(at.policy, true) | (1n << BigInt(bit)), true)

  it('of a guest that its host may debug is refused, unless a policy allows that by name (attack S2)', async () => {
    const debug = policyBit(19)
    const verdict = await byFiles(debug)
    expect([verdict.exit, verdict.reasons]).toEqual([1, ['Forbidden policy.policy.debugAllowed']])
    expect((await byFiles(debug, { snp: { allow: { migrationAgent: true } } })).reasons).toEqual([
      'Forbidden policy.policy.debugAllowed',
    ])
    expect((await byFiles(debug, { snp: { allow: { debug: true } } })).exit).toBe(0)
    expect(await byWire(debug)).toMatch(/^400 PolicyEvaluationError .*policy\.debugAllowed: expected false, found true/)
    try {
      // A policy that permits everything has not named it.
      await setPolicy('=>permit();')
      expect(await byWire(debug)).toMatch(/^400 PolicyEvaluationError/)
      expect(await byWire(() => {})).toBe('200')
      await setPolicy('[type=="x-ms-sevsnpvm-is-debuggable", value==true]=>permit();')
      const named = await test.post(`/attest/SevSnpVm${query}`, snpBody(await made(debug), { pem: pemOf(chain), crl }))
      expect(named.status).toBe(200)
      expect(claimsOf(named)['x-ms-sevsnpvm-is-debuggable']).toBe(true)
      expect(claimsOf(named)['x-ms-compliance-status']).toBeUndefined()
    } finally {
      await resetPolicy()
    }
  })

  const platform =
    (bits: bigint): Change =>
    (_, view) =>
      view.setBigUint64(at.platformInfo, bits, true)
  it.each<[string, string, Change, Change]>([
    ['threads of the host’s on its cores', 'smtOff', platform(0x25n), platform(0x24n)],
    [
      'a policy that allows such threads',
      'smtForbidden',
      () => {},
      (_, view) => view.setBigUint64(at.policy, 0x2001fn, true),
    ],
    ['no bound to one socket', 'singleSocket', () => {}, policyBit(20)],
    ['memory without error correction', 'ecc', platform(0x21n), platform(0x25n)],
    ['no check of aliased memory', 'aliasCheck', platform(0x05n), platform(0x25n)],
  ])('with %s is refused where a policy wants %s (attack S10)', async (_, member, weak, strong) => {
    const policy = { snp: { require: { [member]: true } } }
    const verdict = await byFiles(weak, policy)
    expect([verdict.exit, verdict.reasons]).toEqual([1, [expect.stringMatching(/^Required policy\./)]])
    expect(await byFiles(strong, policy)).toMatchObject({ exit: 0, reason: 'accepted' })
    // Unless required, it is not a fault.
    expect((await byFiles(weak)).exit).toBe(0)
  })

  it('of a guest that a migration agent may take away is refused at both doors (attack S10)', async () => {
    const migratable = policyBit(18)
    const verdict = await byFiles(migratable)
    expect([verdict.exit, verdict.reasons]).toEqual([1, ['Forbidden policy.policy.migrationAgentAllowed']])
    expect(await byWire(migratable)).toMatch(/^400 PolicyEvaluationError .*policy\.migrationAgentAllowed/)
  })

  it('is of one VM: sent for another, with what that reports about itself, it binds nothing (attack S11)', async () => {
    const configuration = { ...(runtimeClaims['vm-configuration'] as object) }
    const second = { ...configuration, vmUniqueId: 'BBBBBBBB-BBBB-4CCC-8DDD-EEEEEEEEEEEE' }
    const runtime = new TextEncoder().encode(JSON.stringify({ ...runtimeClaims, 'vm-configuration': second }))
    const report = await made(() => {})
    const sent = async (data: Uint8Array): Promise<string> =>
      refusal(await test.post(`/attest/SevSnpVm${query}`, snpBody(report, { pem: pemOf(chain), crl, runtime: data })))
    expect(await sent(runtimeBytes)).toBe('200')
    expect(await sent(runtime)).toContain('400 InvalidParameter BindingMismatch:')
  })

  it('with the report id of another guest, or of another migration agent, is refused where a policy names one (attack S11)', async () => {
    const own = new Uint8Array(32).fill(5)
    const [reportIds, reportIdsMa] = [[toHex(own)], [toHex(own)]]
    for (const [field, policy, rule] of [
      [at.reportId, { reportIds }, 'reportId'],
      [at.reportIdMa, { reportIdsMa }, 'reportIdMa'],
    ] as const) {
      expect((await byFiles((bytes) => bytes.set(own, field), { snp: policy })).exit).toBe(0)
      const verdict = await byFiles((bytes) => bytes.fill(6, field, field + 32), { snp: policy })
      expect([verdict.exit, verdict.reasons]).toEqual([1, [`NotEqual policy.${rule}`]])
    }
    // A valid value of one field is invalid in the other.
    const crossed = await byFiles((bytes) => bytes.set(own, at.reportIdMa), { snp: { reportIds } })
    expect(crossed.reasons).toEqual(['NotEqual policy.reportId'])
  })

  it('under the ID key of an attacker’s, or with the trusted one’s digest in the author’s place, is refused (attack S12)', async () => {
    const put =
      (...fields: (readonly [number, Uint8Array])[]): Change =>
      (bytes) => {
        for (const [field, digest] of fields) bytes.set(digest, field)
      }
    const authored: Change = (_, view) => view.setUint32(at.keyFlags, 1, true)
    const both =
      (...changes: Change[]): Change =>
      (bytes, view) => {
        for (const change of changes) change(bytes, view)
      }
    const idKey = { snp: { idKeyDigests: [toHex(trusted)] } }
    expect((await byFiles(put([at.idKeyDigest, trusted]), idKey)).exit).toBe(0)
    for (const wrong of [
      put([at.idKeyDigest, attacker]),
      put([at.authorKeyDigest, trusted], [at.idKeyDigest, attacker]),
      put(),
    ]) {
      const verdict = await byFiles(wrong, idKey)
      expect([verdict.exit, verdict.reasons]).toEqual([1, ['NotEqual policy.idKeyDigest']])
    }
    const author = { snp: { authorKeyDigests: [toHex(trusted)] } }
    expect((await byFiles(both(put([at.authorKeyDigest, trusted]), authored), author)).exit).toBe(0)
    for (const wrong of [put([at.authorKeyDigest, attacker]), put([at.idKeyDigest, trusted])]) {
      const verdict = await byFiles(both(wrong, authored), author)
      expect([verdict.exit, verdict.reasons]).toEqual([1, ['NotEqual policy.authorKeyDigest']])
    }
    // A digest that no author key matches.
    expect((await byFiles(put([at.authorKeyDigest, trusted]), author)).reasons).toEqual([
      'Required policy.authorKeyEnabled',
    ])
  })

  it('of a chip that is known to be opened, or of a line that is not wanted, is refused', async () => {
    const deny = { snp: { deniedChipIds: [toHex(await amd.hardwareId())] } }
    const chip = await byFiles(() => {}, deny)
    expect([chip.exit, chip.reasons]).toEqual([1, ['Forbidden policy.chipId']])
    const line = await byFiles(() => {}, { snp: { products: ['Genoa', 'Turin'] } })
    expect([line.exit, line.reasons]).toEqual([1, ['NotAllowed policy.product']])
    expect((await byFiles(() => {}, { snp: { products: ['Milan'] } })).exit).toBe(0)
  })
})
