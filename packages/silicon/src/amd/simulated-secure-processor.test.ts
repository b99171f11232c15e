import { type NameAttributes } from '@strongroom/der'
import {
  appraiseSnp,
  fromHex,
  genuineAmdAnchors,
  parseCertificate,
  parseCrl,
  parsePem,
  parseSnpReport,
  readEndorsement,
  spkiSha256,
  toHex,
  verifySnp,
  type SnpChain,
  type TrustAnchors,
  type VerifiedSnp,
} from '@strongroom/evidence'
import { snpLaunchDigest } from '@strongroom/evidence/expected'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCrl } from '../pki/crl-writer.ts'
import { loadOrCreateKey } from '../pki/keys.ts'
import { memoryKeyStore, settableClock, tinyFirmware } from '../testing.ts'
import { SimulatedSecureProcessor, type SnpGuest } from './simulated-secure-processor.ts'

const clock = settableClock()
const store = memoryKeyStore()
const firmware = tinyFirmware()
const start = { firmware, vCPUs: 2, vcpuType: 'EPYC-Milan' }
const reportData = new Uint8Array(64).fill(0xda)

let processor: SimulatedSecureProcessor
let guest: SnpGuest
let raw: Uint8Array
let chain: SnpChain
let crl: Uint8Array
let anchors: TrustAnchors
beforeAll(async () => {
  processor = await SimulatedSecureProcessor.open({ keys: store, clock })
  guest = await processor.launch(start)
  raw = await guest.report(reportData)
  const endorsed = await processor.endorsements()
  chain = { vcek: endorsed.vcek, ask: endorsed.ask, ark: endorsed.ark }
  crl = endorsed.crl
  const pin = { name: 'Simulated ARK-Milan', spkiSha256: await spkiSha256(parseCertificate(chain.ark)) }
  anchors = { simulated: true, amd: [pin], intel: [] }
})

const verify = (o: Partial<Parameters<typeof verifySnp>[0]> = {}, bytes = raw): Promise<VerifiedSnp> =>
  (async () => verifySnp({ report: parseSnpReport(bytes), chain, anchors, crl, at: clock.now(), ...o }))()

describe('the simulated secure processor', () => {
  it('reports the firmware that it was given, provably under its own root', async () => {
    const verified = await verify()
    const measurement = await snpLaunchDigest(start)
    expect(guest.measurement).toEqual(measurement)
    expect(appraiseSnp(verified, { measurements: [measurement], reportData, products: ['Milan'] })).toEqual([])
    expect(verified).toMatchObject({ product: 'Milan', anchor: anchors.amd[0], report: { version: 3, vmpl: 0 } })
    expect(verified.report.policy).toMatchObject({ debugAllowed: false, migrationAgentAllowed: false })
  })

  it('does not pass for hardware: the genuine roots do not vouch for it', async () => {
    const genuine = { simulated: false, amd: [...genuineAmdAnchors], intel: [] }
    await expect(verify({ anchors: genuine })).rejects.toMatchObject({ code: 'UntrustedRoot' })
    for (const der of Object.values(chain)) {
      const { subject, issuer } = parseCertificate(der as Uint8Array)
      for (const name of [subject, issuer]) {
        expect(name.attributes.map(({ value }) => value).join()).toMatch(/Simulated/)
        expect(name.attributes.map(({ value }) => value).join()).not.toMatch(/Advanced Micro/)
      }
    }
  })

  it('signs so that a report with any byte changed is refused', async () => {
    for (let at = 0; at < raw.length; at++) {
      const changed = Uint8Array.from(raw)
      changed[at]! ^= 1 << (at % 8)
      await expect(verify({}, changed), `byte ${at}`).rejects.toMatchObject({
        name: expect.stringMatching(/^(Parse|Verification)Error$/),
      })
    }
  })

  it('refuses reports whose signature is zero or not a number of the curve', async () => {
    for (const fill of [0, 0xff]) {
      const changed = Uint8Array.from(raw)
      changed.fill(fill, 0x2a0, 0x2a0 + 48).fill(fill, 0x2a0 + 72, 0x2a0 + 120)
      await expect(verify({}, changed)).rejects.toMatchObject({ code: 'ReportSignatureInvalid' })
    }
  })

  it('gives every guest an identity and the data that it asked for', async () => {
    const second = await processor.launch(start)
    const a = parseSnpReport(await guest.report(new Uint8Array(64).fill(1)))
    const b = parseSnpReport(await guest.report(new Uint8Array(64).fill(2)))
    const c = parseSnpReport(await second.report(new Uint8Array(64).fill(1)))
    expect(toHex(a.reportId)).toBe(toHex(b.reportId))
    expect(toHex(a.reportId)).not.toBe(toHex(c.reportId))
    expect(toHex(a.measurement)).toBe(toHex(c.measurement))
    expect(toHex(b.reportData)).toBe('02'.repeat(64))
  })

  it('carries what the host and the id block say', async () => {
    const familyId = fromHex('01000000000000000000000000000000')
    const imageId = fromHex('02000000000000000000000000000000')
    const hostData = new Uint8Array(32).fill(9)
    const other = await processor.launch({ ...start, familyId, imageId, hostData, guestSvn: 5, policy: 0xb001fn })
    const report = parseSnpReport(await other.report(reportData))
    expect(report).toMatchObject({ familyId, imageId, hostData, guestSvn: 5, policy: { debugAllowed: true } })
    const failures = appraiseSnp(await verify({ report }), { measurements: 'any', reportData: 'any' })
    expect(failures.map(({ path }) => path)).toEqual(['policy.debugAllowed'])
  })

  it('measures another image differently', async () => {
    const other = await processor.launch({ ...start, firmware: tinyFirmware(1) })
    expect(toHex(other.measurement)).not.toBe(toHex(guest.measurement))
  })

  it.each([
    ['a policy without its fixed bit', { policy: 0x1001fn }, 'InvalidParameter'],
    ['a policy with bits of the future', { policy: 0x3001fn | (1n << 40n) }, 'InvalidParameter'],
    ['a policy that wants newer firmware', { policy: 0x3ff1fn }, 'PolicyFailure'],
    ['host data of another length', { hostData: new Uint8Array(31) }, 'InvalidParameter'],
    ['firmware without SEV metadata', { firmware: new Uint8Array(4096) }, 'WrongMagic'],
    ['an unknown processor', { vcpuType: 'Nehalem' }, 'UnknownType'],
  ])('refuses %s', async (_, change, code) => {
    await expect(processor.launch({ ...start, ...change })).rejects.toMatchObject({ code })
  })

  it('refuses report data of another length', () => {
    expect(() => guest.report(new Uint8Array(63))).toThrow(expect.objectContaining({ code: 'InvalidParameter' }))
  })
})

describe('its endorsements', () => {
  it('are the chip: identity and versions of the report', async () => {
    const endorsed = await processor.endorsements()
    const report = parseSnpReport(raw)
    expect(toHex(endorsed.hardwareId)).toBe(toHex(report.chipId))
    expect(endorsed.tcbm).toBe(report.reportedTcb.toString(16).padStart(16, '0'))
    expect(readEndorsement(parseCertificate(endorsed.vcek))).toMatchObject({
      signer: 'VCEK',
      product: 'Milan',
      tcb: endorsed.tcb,
    })
    expect(parsePem(endorsed.chainPem)).toEqual([endorsed.ask, endorsed.ark])
    expect(parsePem(endorsed.vcekPem)).toEqual([endorsed.vcek])
  })

  it('stay under the same root after a restart, whose reports the old ones still vouch for', async () => {
    const again = await SimulatedSecureProcessor.open({ keys: store, clock })
    expect(toHex(again.rootSpki)).toBe(toHex(processor.rootSpki))
    const report = parseSnpReport(await (await again.launch(start)).report(reportData))
    await verify({ report })
    expect(store.names().toSorted()).toEqual(['simulated-amd-ark', 'simulated-amd-ask', 'simulated-amd-vcek'])
  })

  it('of another installation vouch for nothing here', async () => {
    const stranger = await SimulatedSecureProcessor.open({ keys: memoryKeyStore(), clock })
    const { vcek, ask, ark } = await stranger.endorsements()
    await expect(verify({ chain: { vcek, ask, ark } })).rejects.toMatchObject({ code: 'UntrustedRoot' })
    // Same names, other keys: a mix of both is not a chain.
    await expect(verify({ chain: { vcek, ask, ark: chain.ark } })).rejects.toMatchObject({
      code: 'CertificateSignatureInvalid',
    })
    await expect(verify({ chain: { vcek, ask: chain.ask, ark: chain.ark } })).rejects.toMatchObject({
      code: 'CertificateSignatureInvalid',
    })
  })

  it('of another product do not vouch', async () => {
    const genoa = await SimulatedSecureProcessor.open({ keys: store, clock, product: 'Genoa' })
    const { vcek, ask, ark, product } = await genoa.endorsements()
    expect(product).toBe('Genoa')
    await expect(verify({ chain: { vcek, ask, ark }, crl: (await genoa.endorsements()).crl })).rejects.toMatchObject({
      code: 'ProductMismatch',
    })
    const report = parseSnpReport(await (await genoa.launch({ ...start, vcpuType: 'EPYC-Genoa' })).report(reportData))
    const own = (await genoa.endorsements()).crl
    expect((await verify({ report, chain: { vcek, ask, ark }, crl: own })).product).toBe('Genoa')
  })

  it('keep their revocation list fresh while time passes', async () => {
    const moving = settableClock()
    const later = await SimulatedSecureProcessor.open({ keys: store, clock: moving })
    const first = parseCrl((await later.endorsements()).crl)
    for (const days of [1, 14, 16, 40, 400, 3000]) {
      moving.set(new Date(first.thisUpdate.getTime() + days * 86_400_000))
      const endorsed = await later.endorsements()
      const left = parseCrl(endorsed.crl).nextUpdate!.getTime() - moving.now().getTime()
      expect(left).toBeGreaterThan(10 * 86_400_000)
      const { vcek, ask, ark } = endorsed
      await verify({ chain: { vcek, ask, ark }, crl: endorsed.crl, at: moving.now() })
    }
  })

  it('are refused with a revocation list that is not of the root', async () => {
    const store = memoryKeyStore()
    const signer = await loadOrCreateKey(store, 'other', 'ecdsa-p384-sha384')
    const [now, later] = [clock.now(), new Date(clock.now().getTime() + 86_400_000)]
    const dates = { number: 1n, thisUpdate: now, nextUpdate: later, signer }
    const { ask } = chain
    const intermediate = parseCertificate(ask).subject.attributes.map(({ value }) => value)
    const named: NameAttributes = [
      ['OU', intermediate[0]!],
      ['O', intermediate[1]!],
      ['CN', intermediate[2]!],
    ]
    const refused = { code: 'CrlIssuerMismatch' }
    await expect(verify({ crl: await issueCrl({ ...dates, issuer: named }) })).rejects.toMatchObject(refused)
    await expect(verify({ crl: await issueCrl({ ...dates, issuer: [['CN', 'ARK-Milan']] }) })).rejects.toMatchObject(
      refused,
    )
    const root: NameAttributes = [...named.slice(0, 2), ['CN', 'ARK-Milan']]
    await expect(verify({ crl: await issueCrl({ ...dates, issuer: root }) })).rejects.toMatchObject({
      code: 'AlgorithmNotAllowed',
    })
  })

  it('are refused with a list that is out of date', async () => {
    const at = new Date(clock.now().getTime() + 31 * 86_400_000)
    await expect(verify({ at })).rejects.toMatchObject({ code: 'CrlExpired' })
  })
})
