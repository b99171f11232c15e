import { beforeAll, describe, expect, it } from 'vitest'
import type { BootEvidence } from '@strongroom/contract'
import { toHex } from '@strongroom/evidence'
import { detect } from '@strongroom/evidence/files'
import { explain } from '../../packages/evidence/src/bundle/explain/explain.ts'
import { AmdAuthority, at, pemOf, type ForgedChain } from '../forged/support/amd-authority.ts'
import { verifyFiles } from '../forged/support/doors.ts'
import { makeBoot, makeSilicon, type Boot } from './boot.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 240_000
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64url'))
const pem = (...ders: Uint8Array[]): string =>
  ders
    .map((der) => `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`)
    .join('')

describe('what a person reads of a verdict', { timeout: making }, () => {
  let amd: AmdAuthority
  let chain: ForgedChain
  let snp: Boot
  let tdx: Boot
  beforeAll(async () => {
    amd = await AmdAuthority.open()
    chain = await amd.chain()
    const silicon = await makeSilicon()
    snp = await makeBoot('SNP', silicon)
    tdx = await makeBoot('TDX', silicon)
  }, making)

  const read = async (files: Record<string, Uint8Array | string>, policy?: object): Promise<string> =>
    (await verifyFiles(files, { anchors: amd.anchors, ...(policy === undefined ? {} : { policy }) })).text

  it('names measurement, report data, privilege level, TCB and debugging in words (attack E17)', async () => {
    const report = await amd.report((raw, view) => {
      raw.fill(0x5a, at.measurement, at.measurement + 48).fill(0x3c, at.reportData, at.reportData + 64)
      view.setUint32(at.vmpl, 1, true)
    })
    const text = await read({ 'report.bin': report, 'chain.pem': pemOf(chain) })
    expect(text).toContain(`launch measurement: ${'5a'.repeat(48)}`)
    expect(text).toContain(`report data: ${'3c'.repeat(64)}`)
    expect(text).toContain('privilege level: VMPL 1, below a paravisor or SVSM')
    expect(text).toContain('TCB: Milan: fmc 0, bootLoader 4, tee 0, snp 29, microcode 222')
    expect(text).toContain('debugging: not allowed')
    const debuggable = await amd.report((_, view) => view.setBigUint64(at.policy, 0xb001fn, true))
    const refused = await read({ 'report.bin': debuggable, 'chain.pem': pemOf(chain) })
    expect(refused).toContain('debugging: ALLOWED: the host can read the memory')
    expect(refused).toContain('says (not accepted):')
  })

  it('warns of each reference value that was not given, and of none that was (attack E17)', async () => {
    const report = await amd.report()
    const files = { 'report.bin': report, 'chain.pem': pemOf(chain) }
    const bare = await read(files)
    for (const name of ['snp.measurements', 'snp.reportData', 'snp.tcb']) expect(bare).toContain(`(${name})`)
    const measurements = [toHex(report.subarray(at.measurement, at.measurement + 48))]
    const reportData = toHex(report.subarray(at.reportData, at.reportData + 64))
    const tcb = { reported: { minimum: { snp: 1 } } }
    expect(await read(files, { snp: { measurements, reportData, tcb } })).not.toContain('Not checked')
    expect(await read(files, { snp: { measurements, reportData } })).toMatch(
      /Not checked.*\n {2}! lowest TCB \(snp\.tcb\).*\n\n/,
    )
    const { quote } = tdx.evidence.silicon as BootEvidence['silicon'] & { kind: 'TDX' }
    const td = (await verifyFiles({ 'quote.bin': bytes(quote) }, { anchors: tdx.anchors, at: tdx.at })).text
    for (const name of ['tdx.mrTds', 'tdx.rtmrs', 'tdx.reportData']) expect(td).toContain(`(${name})`)
    const boot = await verifyFiles(
      { 'hcl.bin': bytes(snp.evidence.vtpm!.hclReport), 'quote.json': JSON.stringify(snp.evidence.measuredBoot) },
      { anchors: snp.anchors, at: snp.at },
    )
    for (const name of ['snp.measurements', 'tpm.nonce', 'tpm.pcrs']) expect(boot.text).toContain(name)
    const token = { 'token.jwt': snp.evidence.attestation.token, 'certs.json': JSON.stringify(snp.jwks) }
    const tokenText = (await verifyFiles(token, { anchors: snp.anchors, at: snp.at })).text
    for (const name of ['token.issuer', 'token.claims']) expect(tokenText).toContain(`(${name})`)
    expect(tokenText).toContain('issued: 2026-06-01T12:00:00.000Z')
  })

  it('says dates as dates', () => {
    const [piece] = detect('token.jwt', Buffer.from(snp.evidence.attestation.token))
    const field = explain(piece!).fields.find(({ name }) => name === 'exp')
    expect(field!.value).toMatch(/^\d+ \(2026-06-01T13:00:00\.000Z\)$/)
  })

  it('says what is missing and where to get it (attack E17)', async () => {
    const report = await amd.report((_, view) => view.setUint32(0, 3, true))
    const chip = toHex(report.subarray(at.chipId, at.chipId + 64))
    const alone = await read({ 'report.bin': report })
    expect(alone).toContain('No certificate was given')
    expect(alone).toContain(`https://kdsintf.amd.com/vcek/v1/Milan/${chip}?blSPL=4&teeSPL=0&snpSPL=29&ucodeSPL=222`)
    expect(alone).toContain('https://kdsintf.amd.com/vcek/v1/Milan/cert_chain')
    expect(await read({ 'report.bin': report, 'chain.pem': pemOf(chain) })).toContain(
      'No revocation list was given: get it from https://kdsintf.amd.com/vcek/v1/Milan/crl',
    )
    const { quote } = tdx.evidence.silicon as BootEvidence['silicon'] & { kind: 'TDX' }
    const td = (await verifyFiles({ 'quote.bin': bytes(quote) }, { anchors: tdx.anchors, at: tdx.at })).text
    for (const path of ['/tcb?fmspc=', '/qe/identity', '/pckcrl?ca=platform&encoding=der', 'IntelSGXRootCA.der']) {
      expect(td).toContain(path)
    }
    const token = { 'token.jwt': snp.evidence.attestation.token }
    expect((await verifyFiles(token, { anchors: snp.anchors, at: snp.at })).text).toContain(
      'if you trust https://sharedlocal.attest.strongroom.internal, get them from https://sharedlocal.attest.strongroom.internal/certs',
    )
  })

  it('says whose chain was given instead, not that none was (attack E17)', async () => {
    const report = await amd.report()
    const genoa = await amd.chain({ line: 'Genoa' })
    const other = await read({
      'report.bin': report,
      'vcek.pem': pem(chain.vcek),
      'chain.pem': pem(genoa.ask, genoa.ark),
    })
    expect(other).toContain(
      'This chain does not belong to this VCEK: it needs SEV-Milan, and given were SEV-Genoa, ARK-Genoa',
    )
    expect(other).not.toContain('not given: get')
    const half = await read({ 'report.bin': report, 'vcek.pem': pem(chain.vcek), 'chain.pem': pem(chain.ask) })
    expect(half).toContain('it needs ARK-Milan')
    expect(await read({ 'report.bin': report, 'vcek.pem': pem(chain.vcek) })).toContain(
      'The chain of this VCEK was not given',
    )
    expect(await read({ 'report.bin': report, 'chain.pem': pem(chain.ask, chain.ark) })).toContain(
      'The VCEK was not given',
    )
    // Only certificates: a missing issuer does not make the last one a root.
    for (const [ders, issuer] of [
      [[chain.vcek], 'SEV-Milan'],
      [[chain.ask], 'ARK-Milan'],
      [[chain.vcek, chain.ask], 'ARK-Milan'],
    ] as const) {
      const alone = await read({ 'certificates.pem': pem(...ders) })
      expect(alone).toMatch(
        new RegExp(`Chain ends before a root: the certificate of [^\\n]*${issuer}[^\\n]* was not given`),
      )
      expect(alone).not.toContain('a root that is not trusted')
    }
  })
})
