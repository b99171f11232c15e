import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import type { BootEvidence } from '@strongroom/contract'
import {
  buildHclReport,
  ByteWriter,
  concat,
  hclReportData,
  parseTpm2bPublic,
  tpmName,
  utf8,
} from '@strongroom/evidence'
import { parseSnpFirmware } from '@strongroom/evidence/expected'
import { tinyFirmware } from '@strongroom/silicon/testing'
import { splitSignedJson } from '../../packages/evidence/src/tdx/signed-json.ts'
import { AmdAuthority, at, pemOf, rawTcb, type ForgedChain } from '../forged/support/amd-authority.ts'
import { verifyFiles, type Verdict } from '../forged/support/doors.ts'
import { akPublic, makeBoot, makeSilicon, rs256, type Boot, type RsaKey, rsaKey } from './boot.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 240_000
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64url'))

describe('a genuine report of a form that is seldom', { timeout: making }, () => {
  let amd: AmdAuthority
  let chain: ForgedChain
  beforeAll(async () => {
    amd = await AmdAuthority.open()
    chain = await amd.chain()
  }, making)

  const verify = async (
    report: Uint8Array,
    policy?: object,
    certificates: ForgedChain = chain,
  ): Promise<[exit: number, ...reasons: string[]]> => {
    const files = { 'report.bin': report, 'chain.pem': pemOf(certificates) }
    const found = await verifyFiles(files, { anchors: amd.anchors, ...(policy === undefined ? {} : { policy }) })
    return [found.exit, ...found.reasons]
  }

  it('is accepted behind a paravisor’s header of 20 bytes, with and without claims (attack E16)', async () => {
    const claims = utf8(
      '{"keys":[{"kid":"HCLAkPub","key_ops":["sign"],"kty":"RSA","e":"AQAB",' +
        `"n":"${Buffer.alloc(256, 0xc1).toString('base64url')}"}],"vm-configuration":{}}`,
    )
    const reportData = await hclReportData(claims)
    const hardwareReport = await amd.report((report) => report.set(reportData, at.reportData))
    const long = buildHclReport({ hardwareReport, reportType: 'SNP', claims })
    const short = concat(long.subarray(0, 20), long.subarray(32))
    new DataView(short.buffer).setUint32(8, short.length, true)
    expect(await verify(long)).toEqual([0])
    expect(await verify(short)).toEqual([0])
    expect(await verify(concat(long.subarray(0, 20), hardwareReport))).toEqual([0])
    const claimed = short.map((byte, index) => (index === short.length - 3 ? byte ^ 1 : byte))
    expect((await verify(claimed))[0]).toBe(1)
    const broken = concat(long.subarray(0, 20), hardwareReport)
    broken[20 + at.measurement]! ^= 1
    expect(await verify(broken)).toEqual([1, 'ReportSignatureInvalid snp.signature'])
  })

  it('is accepted with its chip hidden by the host, and no list of chips is evaded by that (attack E16)', async () => {
    const hidden = await amd.report((report) => report.fill(0, at.chipId, at.chipId + 64))
    const chip = Buffer.from(await amd.hardwareId()).toString('hex')
    const others = 'ab'.repeat(64)
    expect(await verify(hidden)).toEqual([0])
    expect(await verify(hidden, { snp: { chipIds: [chip], deniedChipIds: [others] } })).toEqual([0])
    expect(await verify(hidden, { snp: { deniedChipIds: [chip] } })).toEqual([1, 'Forbidden policy.chipId'])
    expect(await verify(hidden, { snp: { chipIds: [others] } })).toEqual([1, 'NotEqual policy.chipId'])
    // Under a provider’s key nothing identifies the chip.
    const provider = await amd.chain({ signer: 'VLEK' })
    const loaded = await amd.report((report, view) => {
      report.fill(0, at.chipId, at.chipId + 64)
      view.setUint32(at.keyFlags, 1 << 2, true)
    })
    const allow = { vlek: true }
    expect(await verify(loaded, { snp: { allow } }, provider)).toEqual([0])
    expect(await verify(loaded, { snp: { allow, deniedChipIds: [others] } }, provider)).toEqual([
      1,
      'Missing policy.chipId',
    ])
  })

  it('is refused where AMD’s firmware cannot have made it: policy bit 17, or older than committed (attack E16)', async () => {
    const without = await amd.report((_, view) => view.setBigUint64(at.policy, 0x1001fn, true))
    expect(await verify(without)).toEqual([1, 'InvalidValue snp.format'])
    for (const part of ['bootLoader', 'tee', 'snp', 'microcode'] as const) {
      const newer = rawTcb({ [part]: 250 })
      const older = await amd.report((_, view) => view.setBigUint64(at.committedTcb, newer, true))
      expect([part, ...(await verify(older))]).toEqual([part, 1, 'TcbMismatch snp.committed'])
    }
    for (const [index, version] of [0x1e8, 0x1e9, 0x1ea].entries()) {
      const back = await amd.report((report) => {
        report.set([5, 5, 5], 0x1ec)
        report.set([5, 5, 5], 0x1e8)
        report[version]! = 4
      })
      expect([index, ...(await verify(back))]).toEqual([index, 1, 'TcbMismatch snp.committed'])
    }
  })

  it('is read in versions 2 to 5, each with the fields it has, and in no other (attack E18)', async () => {
    for (const version of [3, 4, 5]) {
      const report = await amd.report((_, view) => view.setUint32(0, version, true))
      expect([version, ...(await verify(report))]).toEqual([version, 0])
      const mitigated = await amd.report((raw, view) => {
        view.setUint32(0, version, true)
        raw[0x1f8] = 1
      })
      const reserved = version < 5 ? [1, 'ReservedNotZero snp.format'] : [0]
      expect([version, ...(await verify(mitigated))]).toEqual([version, ...reserved])
    }
    for (const version of [1, 6]) {
      const report = await amd.report((_, view) => view.setUint32(0, version, true))
      expect(await verify(report)).toEqual([1, 'UnknownVersion snp.format'])
    }
  })
})

describe('genuine files of other tools', { timeout: making }, () => {
  let snp: Boot
  let tdx: Boot
  let ak: RsaKey
  beforeAll(async () => {
    const silicon = await makeSilicon()
    snp = await makeBoot('SNP', silicon)
    tdx = await makeBoot('TDX', silicon)
    ak = await rsaKey()
  }, making)

  const verify = async (files: Record<string, Uint8Array | string>, boot: Boot = snp): Promise<Verdict> =>
    verifyFiles(files, { anchors: boot.anchors, at: boot.at })
  const hardware = (): BootEvidence['silicon'] & { kind: 'SNP' } =>
    snp.evidence.silicon as BootEvidence['silicon'] & { kind: 'SNP' }
  const intel = (): BootEvidence['silicon'] & { kind: 'TDX' } =>
    tdx.evidence.silicon as BootEvidence['silicon'] & { kind: 'TDX' }

  it('are event logs whose firmware measured another form of its version than it logged (attack E16)', async () => {
    const log = bytes(snp.evidence.measuredBoot!.eventLog)
    const text = Buffer.from(log).indexOf('firmware')
    const other = log.map((byte, index) => (index === text ? byte ^ 0x20 : byte))
    const files = (eventLog: Uint8Array): Record<string, Uint8Array | string> => ({
      'hcl.bin': bytes(snp.evidence.vtpm!.hclReport),
      'chain.pem': hardware().vcekChainPem,
      'quote.json': JSON.stringify({ ...snp.evidence.measuredBoot, eventLog: undefined }),
      'log.bin': eventLog,
    })
    expect((await verify(files(other))).reason).toBe('accepted')
    // Claims about the boot stay bound to their digest.
    const action = Buffer.from(log).indexOf('Calling EFI')
    const lie = log.map((byte, index) => (index === action ? byte ^ 0x20 : byte))
    expect((await verify(files(lie))).reasons).toContain('EventLogMismatch log.data')
  })

  const created = async (name: Uint8Array, signer: RsaKey): Promise<Record<string, Uint8Array>> => {
    const head = new ByteWriter().u32be(0xff544347).u16be(0x801a).u16be(34).zero(34).u16be(0).zero(17).zero(8)
    const message = head.u16be(name.length).bytes(name).u16be(32).zero(32).finish()
    const signature = await rs256(signer, message)
    return {
      'create.attest': message,
      'create.sig': new ByteWriter().u16be(0x14).u16be(0x0b).u16be(signature.length).bytes(signature).finish(),
    }
  }

  it('are a TPM’s statement of the key that it made, by that key (attack E16)', async () => {
    const area = akPublic(ak)
    const statement = await created(await tpmName(parseTpm2bPublic(area)), ak)
    expect(await verify({ ...statement, 'ak.pub': area })).toMatchObject({ exit: 7, reason: 'unendorsed' })
    expect(await verify(statement)).toMatchObject({ exit: 2 })
    const another = await created(new Uint8Array(34).fill(9), ak)
    expect(await verify({ ...another, 'ak.pub': area })).toMatchObject({ exit: 2 })
    const forged = await created(await tpmName(parseTpm2bPublic(area)), await rsaKey())
    expect((await verify({ ...forged, 'ak.pub': area })).reason).toBe('TpmSignatureInvalid tpm.signature')
    // It does not cover registers: it does not satisfy a challenge or a policy on them.
    const asked = { anchors: snp.anchors, at: snp.at, policy: { tpm: { nonce: '00' } } }
    expect(await verifyFiles({ ...statement, 'ak.pub': area }, asked)).toMatchObject({ exit: 2 })
  })

  /** Intel's header form of a chain: every character except letters and digits as %XX. */
  const header = (pem: string): string => encodeURIComponent(pem)
  const collateral = (): Record<string, Uint8Array | string> => {
    const { quote, collateral: k } = intel()
    return {
      'quote.bin': bytes(quote),
      'tcb.json': k.tcbInfo,
      'qe.json': k.qeIdentity,
      'signer.pem': k.tcbInfoIssuerChainPem,
      'pck.crl': bytes(k.pckCrl),
      'root.crl': bytes(k.rootCaCrl),
    }
  }

  it('are issuer chains as Intel’s service sends them in headers (attack E16)', async () => {
    const pem = intel().collateral.tcbInfoIssuerChainPem
    const http = `HTTP/1.1 200 OK\r\nTCB-Info-Issuer-Chain: ${header(pem)}\r\nRequest-ID: 1\r\n\r\n`
    const json = JSON.stringify({ 'TCB-Info-Issuer-Chain': header(pem) })
    for (const text of [pem, header(pem), http, json]) {
      expect((await verify({ ...collateral(), 'signer.pem': text }, tdx)).reason).toBe('accepted')
    }
    for (const text of [
      header(pem).replace('%0A', '%0'),
      header(pem).slice(0, -40),
      header(pem).replace('MII', 'MIJ'),
    ]) {
      expect((await verify({ ...collateral(), 'signer.pem': text }, tdx)).exit).not.toBe(0)
    }
  })

  /** Collateral as dcap-qvl stores it: every field after its length in SCALE's compact form. */
  const scale = (): Uint8Array => {
    const { collateral: k } = intel()
    const writer = new ByteWriter()
    const field = (value: Uint8Array | string): void => {
      const data = typeof value === 'string' ? utf8(value) : value
      if (data.length < 64) writer.u8(data.length << 2)
      else if (data.length < 16_384) writer.u16le((data.length << 2) | 1)
      else writer.u32le((data.length << 2) | 2)
      writer.bytes(data)
    }
    const signed = (text: string, member: 'tcbInfo' | 'enclaveIdentity'): void => {
      const { body } = splitSignedJson(text, member)
      field(body)
      field(Uint8Array.from(Buffer.from(/"signature":"([0-9a-f]+)"/i.exec(text.slice(body.length))![1]!, 'hex')))
    }
    field(k.tcbInfoIssuerChainPem)
    field(bytes(k.rootCaCrl))
    field(bytes(k.pckCrl))
    field(k.tcbInfoIssuerChainPem)
    signed(k.tcbInfo, 'tcbInfo')
    field(k.tcbInfoIssuerChainPem)
    signed(k.qeIdentity, 'enclaveIdentity')
    return writer.finish()
  }

  it('are collateral in SCALE, which is refused for any byte of it that is cut, added or changed (attack E16)', async () => {
    const stored = scale()
    const quote = bytes(intel().quote)
    const judged = async (container: Uint8Array): Promise<Verdict> =>
      verify({ 'quote.bin': quote, 'collateral.scale': container }, tdx)
    expect((await judged(stored)).reason).toBe('accepted')
    expect((await judged(concat(stored, Uint8Array.of(0)))).reason).toBe('accepted')
    for (const broken of [stored.slice(0, -1), concat(stored, Uint8Array.of(2)), concat(stored, Uint8Array.of(0, 0))]) {
      expect((await judged(broken)).exit).toBe(1)
    }
    const chain = utf8(intel().collateral.tcbInfoIssuerChainPem)
    const chains: [from: number, to: number][] = []
    for (
      let from = Buffer.from(stored).indexOf(chain);
      from >= 0;
      from = Buffer.from(stored).indexOf(chain, from + 1)
    ) {
      chains.push([from, from + chain.length])
    }
    expect(chains.length).toBe(3)
    for (let index = 0; index < stored.length; index += 31) {
      const changed = stored.map((byte, place) => (place === index ? byte ^ (1 << (index % 8)) : byte))
      // It contains the chain three times, and one valid copy is enough.
      const chained = chains.some(([from, to]) => index >= from && index < to)
      expect([index, chained || (await judged(changed)).exit > 0]).toEqual([index, true])
    }
  })

  it('are gzip streams, unpacked to a bound and to their end (attack E16)', async () => {
    const { report, vcekChainPem } = hardware()
    const packed = gzipSync(bytes(report))
    const judged = async (container: Uint8Array): Promise<Verdict> =>
      verify({ 'report.gz': container, 'chain.pem': vcekChainPem })
    expect((await judged(packed)).reason).toBe('accepted')
    expect((await judged(gzipSync(gzipSync(bytes(report))))).reason).toBe('accepted')
    for (const broken of [
      packed.subarray(0, -3),
      concat(packed, Uint8Array.of(1, 2)),
      concat(packed, Uint8Array.of(0, 7, 7)),
    ]) {
      expect((await judged(broken)).reason).toBe('InvalidEncoding file.kind')
    }
    // A bomb: 40 MB of zeros in 40 kB.
    expect((await judged(gzipSync(new Uint8Array(40 * 1024 * 1024)))).reason).toBe('InvalidEncoding file.kind')
    let nested: Uint8Array = bytes(report)
    for (let level = 0; level < 6; level++) nested = gzipSync(nested)
    expect((await judged(nested)).reason).toBe('accepted')
    expect((await judged(gzipSync(nested))).exit).not.toBe(0)
  })

  it('are firmware images with entries of no pages in their metadata (attack E16)', () => {
    const image = tinyFirmware()
    // The image's only section, made empty: at address 0, of no length.
    new DataView(image.buffer).setUint32(16, 0, true)
    new DataView(image.buffer).setUint32(20, 0, true)
    expect(parseSnpFirmware(image).sections).toEqual([])
  })
})
