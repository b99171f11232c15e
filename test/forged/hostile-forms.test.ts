import { createHash } from 'node:crypto'
import { concat, toHex, utf8, type TrustAnchors } from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { creationMessage, measuredLog, SoftwareTpm } from '../../packages/evidence/src/testing/software-tpm.ts'
import { issueReport } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { issueCollateral, issueQuote, type IntelHierarchy } from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { verifyFiles, type Verdict } from './support/doors.ts'
import { openMakers } from './support/makers.ts'
import { quoteBy } from './support/paravisor.ts'

/** An attacker’s files beside a valid report, given to `strongroom evidence verify`. */
let anchors: TrustAnchors
let own: Record<'report.bin' | 'chain.pem', Uint8Array | string>
let report: Uint8Array
let intel: IntelHierarchy
beforeAll(async () => {
  const made = await openMakers()
  ;({ anchors, intel } = made)
  report = await issueReport(made.amd.vcek)
  own = { 'report.bin': report, 'chain.pem': made.chain }
})
const verify = async (files: Record<string, Uint8Array | string>): Promise<Verdict> =>
  await verifyFiles(files, { anchors, at: now })

/** The report as the Rust crate `sev` writes it, member by member. */
function membersOf(bytes: Uint8Array): Record<string, unknown> {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const u32 = (at: number): number => view.getUint32(at, true)
  const list = (at: number, length: number): number[] => [...bytes.subarray(at, at + length)]
  const tcb = (at: number): object => ({
    bootloader: bytes[at],
    tee: bytes[at + 1],
    snp: bytes[at + 6],
    microcode: bytes[at + 7],
  })
  const version = (at: number): object => ({ build: bytes[at], minor: bytes[at + 1], major: bytes[at + 2] })
  return {
    version: u32(0),
    guest_svn: u32(4),
    policy: Number(view.getBigUint64(8, true)),
    family_id: list(0x10, 16),
    image_id: list(0x20, 16),
    vmpl: u32(0x30),
    sig_algo: u32(0x34),
    current_tcb: tcb(0x38),
    plat_info: u32(0x40),
    key_info: u32(0x48),
    report_data: list(0x50, 64),
    measurement: list(0x90, 48),
    host_data: list(0xc0, 32),
    id_key_digest: list(0xe0, 48),
    author_key_digest: list(0x110, 48),
    report_id: list(0x140, 32),
    report_id_ma: list(0x160, 32),
    reported_tcb: tcb(0x180),
    cpuid_fam_id: bytes[0x188],
    cpuid_mod_id: bytes[0x189],
    cpuid_step: bytes[0x18a],
    chip_id: list(0x1a0, 64),
    committed_tcb: tcb(0x1e0),
    current: version(0x1e8),
    committed: version(0x1ec),
    launch_tcb: tcb(0x1f0),
    signature: { r: list(0x2a0, 72), s: list(0x2e8, 72) },
  }
}

describe('a report by its members', () => {
  it('does not hide evidence that stands among them (attack E11)', async () => {
    const members = membersOf(report)
    const of = async (more: object): Promise<unknown[]> => {
      const found = await verify({
        'report.json': JSON.stringify({ ...members, ...more }),
        'chain.pem': own['chain.pem'],
      })
      return [found.exit, found.reason]
    }
    expect(await of({})).toEqual([0, 'accepted'])
    expect(await of({ quote: 'AAAA' })).toEqual([1, 'UnknownType file.kind'])
    expect(await of({ inner: { hcl_report: 'AAAA' } })).toEqual([1, 'UnknownType file.kind'])
    const foreign = Uint8Array.from(report)
    foreign[0x50]! ^= 1
    expect(await of({ other: [...foreign] })).toEqual([1, 'ReportSignatureInvalid snp.signature'])
  })
})

describe('a TPM’s statement of an object that it made, in the form of a quote', () => {
  it('meets no policy of registers, of a challenge or of the boot (attack E12)', async () => {
    const tpm = new SoftwareTpm()
    const object = new SoftwareTpm().akPublic(0x40072)
    const name = Uint8Array.of(0, 0x0b, ...createHash('sha256').update(object.subarray(2)).digest())
    const message = creationMessage(name)
    const { log } = measuredLog([[0, 8, utf8('firmware')]])
    const statement = { quoteMessage: toHex(message), quoteSignature: toHex(tpm.sign(message)), object: toHex(object) }
    const of = async (policy: object | undefined, more: object = {}): Promise<unknown[]> => {
      const files = { 'c.json': JSON.stringify({ ...statement, ...more }), 'ak.pub': tpm.akPublic() }
      const found = await verifyFiles(files, { anchors, at: now, ...(policy === undefined ? {} : { policy }) })
      return [found.exit, found.reason]
    }
    expect(await of(undefined)).toEqual([7, 'unendorsed'])
    for (const policy of [
      { tpm: { pcrs: { 0: '00'.repeat(32) } } },
      { tpm: { nonce: toHex(utf8('other')) } },
      { boot: { secureBoot: true } },
    ])
      expect([policy, await of(policy)]).toEqual([policy, [2, 'unjudged']])
    // No quote covers the log beside it.
    expect(await of(undefined, { eventLog: toHex(log) })).toEqual([2, 'unjudged'])
    expect((await of({ boot: { secureBoot: true } }, { eventLog: toHex(log) }))[0]).not.toBe(0)
    expect((await of(undefined, { eventLog: toHex(log.subarray(0, -1)) }))[0]).toBe(1)
  })
})

describe('a report whose versions cannot be read', () => {
  it('ends in a verdict also where its chain is missing', async () => {
    const reserved = Uint8Array.from(report)
    reserved[0x180 + 3] = 1
    expect(await verify({ 'report.bin': reserved })).toMatchObject({ exit: 2, reason: 'unjudged' })
    expect(await verify({ ...own, 'report.bin': reserved })).toMatchObject({ exit: 1 })
  })
})

describe('the public area of a TPM’s key', () => {
  it('is not passed over where it cannot be read (attack E11)', async () => {
    const broken = new SoftwareTpm().akPublic().fill(0xff, 4)
    for (const files of [
      { ...own, 'x.pub': broken },
      { ...own, 'x.json': JSON.stringify({ akPub: toHex(broken) }) },
    ]) {
      const found = await verify(files)
      expect([found.exit, found.reason]).toEqual([1, 'UnknownType file.kind'])
    }
  })
})

describe('the event log of one TD', () => {
  it('shows nothing of how another one booted (attack E12)', async () => {
    const { log, pcrs } = measuredLog([[2, 4, new Uint8Array(4)]], 'sha384')
    const rtmr1 = pcrs.get(2)!
    const quote = await issueQuote(intel, { td: (bytes) => bytes.set(rtmr1, 48 + 376) })
    const given = await issueCollateral(intel)
    const collateral = {
      'tcb.json': given.tcbInfo,
      'qe.json': given.qeIdentity,
      'signer.pem': given.tcbInfoIssuerChainPem,
      'pck.crl': given.pckCrl,
      'root.crl': given.rootCaCrl,
    }
    const one = { 'quote.bin': quote, ...collateral, 'ccel.bin': log }
    const both = { ...one, 'other.bin': await issueQuote(intel) }
    const tpm = new SoftwareTpm()
    const measured = measuredLog([[4, 4, new Uint8Array(4)]])
    const ofTpm = {
      'tpm.json': JSON.stringify(quoteBy(tpm, measured.pcrs)),
      'ak.pub': tpm.akPublic(),
      'tpm.log': measured.log,
    }
    const of = async (files: Record<string, Uint8Array | string>, boot?: object): Promise<unknown[]> => {
      const policy = { tdx: { septVeDisableRequired: false }, ...(boot && { boot }) }
      const found = await verifyFiles(files, { anchors, at: now, policy })
      return [found.exit, found.reason]
    }
    const boot = { applications: [] }
    expect(await of(both)).toEqual([0, 'accepted'])
    expect(await of(one, boot)).toEqual([0, 'accepted'])
    expect(await of(both, boot)).toEqual([2, 'unjudged'])
    // One TD may be judged by its TPM's log; with two, the log's owner is unknown.
    const { 'ccel.bin': _, ...without } = one
    expect(await of({ ...without, ...ofTpm }, boot)).toEqual([7, 'unendorsed'])
    expect(await of({ ...without, ...ofTpm, 'other.bin': both['other.bin'] }, boot)).toEqual([2, 'unjudged'])
    expect(await of({ ...both, ...ofTpm }, boot)).toEqual([2, 'unjudged'])
  })
})

describe('files that are meant to take the reader’s time or memory', () => {
  it('end in a verdict: keys and certificates by the hundred thousand, a key of megabytes, long blanks (attack E15)', async () => {
    const varint = (of: number): number[] => (of < 128 ? [of] : [(of & 127) | 128, ...varint(of >> 7)])
    const key = '-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n'.repeat(9_000)
    const first = concat(Uint8Array.of(0x30, 0x82, 0, 40, 0x30, 30, 0xa0), new Uint8Array(37))
    const empty = Uint8Array.of(0x30, 0x82, 0, 0)
    const certificates = new Uint8Array(first.length + 400_000).map((_, at) =>
      at < first.length ? first[at]! : empty[at % 4]!,
    )
    const blanks = `${own['chain.pem'] as string}${`${'A'.repeat(511)} `.repeat(6)}${' '.repeat(300_000)}.`
    const begun = process.cpuUsage()
    for (const [name, content, ...wanted] of [
      ['keys.json', JSON.stringify({ x: Array<string>(20).fill(key) }), 1, 'TooLarge file.kind'],
      ['many.der', certificates, 1, 'TooLarge file.kind'],
      [
        'key.pb',
        concat(Uint8Array.of(0x0a, ...varint(300_000)), new Uint8Array(300_000), Uint8Array.of(0x12, 0)),
        2,
        'unjudged',
      ],
      ['long.pem', blanks, 0, 'accepted'],
    ] as [string, string | Uint8Array, number, string][]) {
      const found = await verify({ ...own, [name]: content })
      expect([name, found.exit, found.reason]).toEqual([name, ...wanted])
    }
    expect(await verify({ 'report.bin': report, 'chain.pem': utf8(blanks) })).toMatchObject({ exit: 0 })
    // Microseconds in total: scanning from each blank takes more.
    expect(process.cpuUsage(begun).user).toBeLessThan(15_000_000)
  })
})
