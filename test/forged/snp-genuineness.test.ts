import * as nodeCrypto from 'node:crypto'
import { buildHclReport, nodePrimitives, VerificationCache } from '@strongroom/evidence'
import { detect, judge } from '@strongroom/evidence/files'
import { spreadTo } from '@strongroom/platform/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  boundTo,
  runtimeBytes,
  runtimeClaims,
  snpBody,
  type TestService,
} from '../../services/attestation/src/testing/harness.ts'
import { AmdAuthority, at, pemOf, rawTcb, tcb, type ChainChanges, type ForgedChain } from './support/amd-authority.ts'
import { openSnpAttack } from './support/snp-attack.ts'
import { refusal, verifyFiles, type Verdict } from './support/doors.ts'

const path = '/attest/SevSnpVm?api-version=2022-08-01'
type Change = (bytes: Uint8Array, view: DataView) => void
/** Bound to the harness's runtime data, as the service requires. */
const bound = (bytes: Uint8Array): void => bytes.set(boundTo(runtimeBytes), at.reportData)

// Each report is signed by the key that a chain under the pinned root endorses: only the rule in question fails.
describe('a report that AMD’s keys signed', () => {
  let amd: AmdAuthority
  let test: TestService
  let chain: ForgedChain
  let crl: Uint8Array

  beforeAll(async () => {
    ;({ amd, chain, crl, test } = await openSnpAttack())
  }, 240_000)
  afterAll(() => test?.close())

  interface Given {
    change?: Change
    chain?: ForgedChain
    crl?: Uint8Array
    policy?: object
  }
  const byFiles = async (o: Given = {}): Promise<Verdict> => {
    const report = await amd.report((bytes, view) => {
      bound(bytes)
      o.change?.(bytes, view)
    })
    const files = { 'report.bin': report, 'chain.pem': pemOf(o.chain ?? chain), 'root.crl': o.crl ?? crl }
    return await verifyFiles(files, { anchors: amd.anchors, ...(o.policy === undefined ? {} : { policy: o.policy }) })
  }
  const byWire = async (o: Given = {}): Promise<string> => {
    const report = await amd.report((bytes, view) => {
      bound(bytes)
      o.change?.(bytes, view)
    })
    return refusal(await test.post(path, snpBody(report, { pem: pemOf(o.chain ?? chain), crl: o.crl ?? crl })))
  }
  /** The report as the paravisor's, with claims that name an attestation key, which quotes nothing. */
  const byParavisor = async (vmpl: number): Promise<Verdict> => {
    const n = Buffer.alloc(256, 0xc1).toString('base64url')
    const keys = [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e: 'AQAB', n }]
    const claims = new TextEncoder().encode(JSON.stringify({ ...runtimeClaims, keys }))
    const hardwareReport = await amd.report((bytes, view) => {
      bytes.set(boundTo(claims), at.reportData)
      view.setUint32(at.vmpl, vmpl, true)
    })
    const hcl = buildHclReport({ hardwareReport, reportType: 'SNP', claims })
    return await verifyFiles({ 'hcl.bin': hcl, 'chain.pem': pemOf(chain), 'root.crl': crl }, { anchors: amd.anchors })
  }
  /** Both entry points, for one reason. */
  const refused = async (o: Given, code: string, check: string): Promise<void> => {
    const verdict = await byFiles(o)
    expect([verdict.exit, verdict.reasons]).toEqual([1, expect.arrayContaining([`${code} ${check}`])])
    expect(verdict.text).not.toContain('Accepted')
    expect(await byWire(o)).toContain(`400 InvalidParameter ${code}:`)
  }

  it('is accepted unchanged at both doors, so that each refusal below is for its own reason', async () => {
    expect(await byFiles()).toMatchObject({ exit: 0, reason: 'accepted' })
    expect(await byWire()).toBe('200')
  })

  it('counts under no root of the forger’s own, whatever product its chain names (attack S1)', async () => {
    const stranger = await AmdAuthority.open()
    for (const changes of [{}, { line: 'Unknown', productName: 'Unknown' }]) {
      const forged = await stranger.chain(changes)
      const report = await stranger.report(bound)
      const files = { 'report.bin': report, 'chain.pem': pemOf(forged), 'root.crl': await stranger.crl() }
      for (const anchors of [amd.anchors, undefined]) {
        const verdict = await verifyFiles(files, anchors === undefined ? {} : { anchors })
        expect([verdict.exit, verdict.reasons]).toEqual([1, expect.arrayContaining(['UntrustedRoot snp.chain.path'])])
      }
      const answer = await test.post(path, snpBody(report, { pem: pemOf(forged), crl: await stranger.crl() }))
      expect(refusal(answer)).toContain('400 InvalidParameter')
      expect(refusal(answer)).toMatch(/UntrustedRoot|EndorsementInvalid|UnknownType/)
    }
    const none = await verifyFiles(
      { 'report.bin': await amd.report(bound), 'chain.pem': pemOf(chain) },
      { anchors: { simulated: true, amd: [], intel: [] } },
    )
    expect([none.exit, none.reasons]).toEqual([1, expect.arrayContaining(['NoTrustAnchors snp.chain.path'])])
  }, 240_000)

  it('counts under no product that AMD does not have, though the root says so (attack S1)', async () => {
    const unknown = await amd.chain({ line: 'Unknown', productName: 'Unknown' })
    const verdict = await byFiles({ chain: unknown })
    expect([verdict.exit, verdict.reasons]).toEqual([1, expect.arrayContaining(['EndorsementInvalid snp.endorsement'])])
    expect(await byWire({ chain: unknown })).toContain('400 InvalidParameter UnknownType:')
  })

  it('binds every byte of the data beside it (attack S4)', async () => {
    const report = await amd.report(bound)
    const cache = snpBody(report, { pem: pemOf(chain), crl })
    for (const index of spreadTo(runtimeBytes.length, 5)) {
      const changed = Uint8Array.from(runtimeBytes)
      changed[index]! ^= 1
      const runtimeData = { data: Buffer.from(changed).toString('base64url'), dataType: 'Binary' }
      const answer = await test.post(path, { ...cache, runtimeData })
      expect(refusal(answer), `byte ${index}`).toContain('400 InvalidParameter BindingMismatch:')
    }
    const claims = Uint8Array.from(runtimeBytes)
    claims[30]! ^= 1
    const files = { 'report.bin': report, 'chain.pem': pemOf(chain), 'root.crl': crl }
    const whole = await verifyFiles({ ...files, 'claims.json': runtimeBytes }, { anchors: amd.anchors })
    expect(whole.exit).toBe(0)
    const verdict = await verifyFiles({ ...files, 'claims.json': claims }, { anchors: amd.anchors })
    expect([verdict.exit, verdict.reasons]).toEqual([1, ['BindingMismatch claims.binding']])
  }, 240_000)

  it('is not shown as verified with any one bit of its 1,184 bytes changed (attack S5)', async () => {
    const report = await amd.report(bound)
    const means = { primitives: nodePrimitives(nodeCrypto), cache: new VerificationCache() }
    const others = [...detect('chain.pem', new TextEncoder().encode(pemOf(chain))), ...detect('root.crl', crl)]
    const taken: string[] = []
    const codes = new Set<string | undefined>()
    // In npm test one bit of each byte.
    for (const bit of spreadTo(report.length * 8, 7)) {
      const changed = Uint8Array.from(report)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const pieces = [{ name: 'report.bin', kind: 'snp-report' as const, bytes: changed }, ...others]
      const judgement = await judge({ pieces, anchors: amd.anchors, at: new Date(), ...means })
      if (judgement.verdict !== 'refused') taken.push(`bit ${bit & 7} of byte 0x${(bit >> 3).toString(16)}`)
      codes.add(judgement.code)
    }
    expect(taken).toEqual([])
    expect(codes).toContain('ReportSignatureInvalid')
    expect(codes).not.toContain('Unexpected')
  }, 600_000)

  it('is refused under a signature of another’s, or none (attack S5)', async () => {
    const good = await amd.report(bound)
    const other = await amd.report()
    const swapped = Uint8Array.from(good)
    swapped.set(other.subarray(at.signature), at.signature)
    const empty = Uint8Array.from(good).fill(0, at.signature)
    for (const report of [swapped, empty]) {
      const files = { 'report.bin': report, 'chain.pem': pemOf(chain), 'root.crl': crl }
      const verdict = await verifyFiles(files, { anchors: amd.anchors })
      expect([verdict.exit, verdict.reason]).toEqual([1, 'ReportSignatureInvalid snp.signature'])
      expect(verdict.text).not.toContain('Accepted')
      const answer = await test.post(path, snpBody(report, { pem: pemOf(chain), crl }))
      expect(refusal(answer)).toContain('400 InvalidParameter ReportSignatureInvalid:')
    }
  })

  it.each(['bootLoader', 'tee', 'snp', 'microcode'] as const)(
    'is of the versions that its key is endorsed for: %s (attack S6)',
    async (part) => {
      await refused({ chain: await amd.chain({ tcb: { [part]: tcb[part] + 1 } }) }, 'TcbMismatch', 'snp.tcb')
      const change: Change = (_, view) => view.setBigUint64(at.reportedTcb, rawTcb({ [part]: tcb[part] + 1 }), true)
      await refused({ change }, 'TcbMismatch', 'snp.tcb')
    },
  )

  it.each([
    ['reported', at.reportedTcb],
    ['committed', at.committedTcb],
    ['launch', at.launchTcb],
    ['current', at.currentTcb],
  ] as const)(
    'is held to the least %s versions, part by part, and to no other’s (attack S6)',
    async (which, offset) => {
      const least = { bootLoader: 3, snp: 28, microcode: 221 }
      const minimum = { snp: { tcb: { [which]: { minimum: least } } } }
      expect((await byFiles({ policy: minimum })).exit).toBe(0)
      for (const part of ['bootLoader', 'snp', 'microcode'] as const) {
        const below = { [part]: least[part] - 1 }
        const change: Change = (_, view) => {
          view.setBigUint64(offset, rawTcb(below), true)
          // The running version is never older than the committed one.
          if (which === 'current') view.setBigUint64(at.committedTcb, rawTcb(below), true)
        }
        const given = which === 'reported' ? { chain: await amd.chain({ tcb: below }) } : {}
        const verdict = await byFiles({ change, policy: minimum, ...given })
        expect([verdict.exit, verdict.reasons]).toEqual([1, [`BelowMinimum policy.${which}Tcb.${part}`]])
        // The same versions in another field are no fault of this one.
        const elsewhere = which === 'launch' ? at.committedTcb : at.launchTcb
        const other: Change = (_, view) => view.setBigUint64(elsewhere, rawTcb(below), true)
        expect((await byFiles({ change: other, policy: minimum })).exit).toBe(0)
      }
    },
  )

  it.each<[string, ChainChanges, number, string, string]>([
    ['a provider’s key for a chip’s', { signer: 'VLEK' }, 0, 'SigningKeyMismatch', 'snp.signingKey'],
    ['a chip’s key for a provider’s', {}, 1 << 2, 'SigningKeyMismatch', 'snp.signingKey'],
    [
      'a provider’s key under the chips’ authority',
      { signer: 'VLEK', intermediate: 'SEV-Milan' },
      1 << 2,
      'ProductMismatch',
      'snp.chain.product',
    ],
    [
      'a chip’s key under the providers’ authority',
      { intermediate: 'SEV-VLEK-Milan' },
      0,
      'ProductMismatch',
      'snp.chain.product',
    ],
  ])('is not taken with %s (attack S7)', async (_, changes, flags, code, check) => {
    const change: Change = (_bytes, view) => view.setUint32(at.keyFlags, flags, true)
    await refused({ change, chain: await amd.chain(changes) }, code, check)
  })

  it('of a provider’s key counts for the provider that a policy names, and at the service for none (attack S7)', async () => {
    const change: Change = (_, view) => view.setUint32(at.keyFlags, 1 << 2, true)
    const given = { change, chain: await amd.chain({ signer: 'VLEK', providerId: 'strongroom' }) }
    const policy = (name: string): object => ({ snp: { allow: { vlek: true }, providerIds: [name] } })
    expect((await byFiles({ ...given, policy: policy('strongroom') })).exit).toBe(0)
    const other = await byFiles({ ...given, policy: policy('somebody') })
    expect([other.exit, other.reasons]).toEqual([1, ['NotAllowed policy.endorsement.providerId']])
    const wire = await byWire(given)
    expect(wire).toContain('400 PolicyEvaluationError')
    expect(wire).toContain('endorsement.vlek')
  })

  it('is refused once the root has revoked what stands over it, or its list is not of this time (attack S8)', async () => {
    const past = { thisUpdate: new Date(Date.now() - 9e8), nextUpdate: new Date(Date.now() - 1000) }
    const future = { thisUpdate: new Date(Date.now() + 9e8), nextUpdate: new Date(Date.now() + 18e8) }
    const check = 'snp.chain.revocation'
    await refused({ crl: await amd.crl({ revoked: ['ask'] }) }, 'CertificateRevoked', check)
    await refused({ crl: await amd.crl({ revoked: ['ark', 'ask'] }) }, 'CertificateRevoked', check)
    await refused({ crl: await amd.crl(past) }, 'CrlExpired', check)
    await refused({ crl: await amd.crl(future) }, 'CrlNotYetValid', check)
  })

  it('is refused where a list is asked for and none was looked at (attack S8)', async () => {
    const files = { 'report.bin': await amd.report(bound), 'chain.pem': pemOf(chain) }
    const policy = { snp: { require: { revocation: true } } }
    const verdict = await verifyFiles(files, { anchors: amd.anchors, policy })
    expect([verdict.exit, verdict.reasons]).toEqual([1, ['Required policy.revocationChecked']])
    const answer = await test.post(path, snpBody(await amd.report(bound), { pem: pemOf(chain) }))
    expect(refusal(answer)).toContain('400 PolicyEvaluationError')
    expect(refusal(answer)).toContain('there is no revocation list of this root')
  })

  it('is of the chip whose key signed it (attack S9)', async () => {
    await refused({ change: (bytes) => (bytes[at.chipId]! ^= 1) }, 'ChipMismatch', 'snp.chip')
    const hardwareId = new Uint8Array(64).fill(9)
    await refused({ chain: await amd.chain({ hardwareId }) }, 'ChipMismatch', 'snp.chip')
  })

  it.each<[string, ChainChanges, Change, string]>([
    ['Genoa’s processor under Milan’s key', {}, (bytes) => bytes.set([0x19, 0x11], at.cpu), 'snp.product'],
    ['Turin’s processor under Milan’s key', {}, (bytes) => bytes.set([0x1a, 0x02], at.cpu), 'snp.product'],
    ['Milan’s processor under Genoa’s key', { line: 'Genoa', productName: 'Genoa' }, () => {}, 'snp.product'],
    ['Milan’s key under Genoa’s root', { line: 'Genoa' }, () => {}, 'snp.chain.product'],
    ['Genoa’s key under Milan’s root', { productName: 'Genoa' }, () => {}, 'snp.chain.product'],
  ])('is of the product whose root vouches for it: %s (attack S9)', async (_, changes, change, check) => {
    const line = changes.line ?? 'Milan'
    await refused({ change, chain: await amd.chain(changes), crl: await amd.crl({ line }) }, 'ProductMismatch', check)
  })

  it('of version 2, which names no processor, is none of Turin’s (attack S9)', async () => {
    const turin = {
      line: 'Turin',
      productName: 'Turin-B0',
      fmc: 0,
      hardwareId: (await amd.hardwareId()).subarray(0, 8),
    }
    const change: Change = (bytes, view) => {
      view.setUint32(0, 2, true)
      bytes.fill(0, at.cpu, at.cpu + 3).fill(0, at.chipId + 8, at.chipId + 64)
      for (const field of [at.reportedTcb, at.currentTcb, at.committedTcb, at.launchTcb])
        view.setBigUint64(field, rawTcb({}, 'Turin'), true)
    }
    await refused(
      { change, chain: await amd.chain(turin), crl: await amd.crl({ line: 'Turin' }) },
      'ProductMismatch',
      'snp.product',
    )
  })

  it('at a privilege level other than 0 is not a paravisor’s (attack S3)', async () => {
    expect(await byParavisor(0)).toMatchObject({ exit: 0, reason: 'accepted' })
    for (const vmpl of [1, 2, 3]) {
      const change: Change = (_, view) => view.setUint32(at.vmpl, vmpl, true)
      const wire = await byWire({ change })
      expect(wire).toContain('400 PolicyEvaluationError')
      expect(wire).toContain(`vmpl: expected 0, found ${vmpl}`)
      const named = await byFiles({ change, policy: { snp: { vmpls: [0] } } })
      expect([named.exit, named.reasons]).toEqual([1, ['NotAllowed policy.vmpl']])
      const asParavisor = await byParavisor(vmpl)
      expect([asParavisor.exit, asParavisor.reasons]).toEqual([1, ['NotAllowed policy.vmpl']])
    }
  })
})
