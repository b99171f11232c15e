import type { BootFacts } from '@strongroom/contract'
import { integer } from '@strongroom/der'
import { toBase64Url, toHex, type TrustAnchors } from '@strongroom/evidence'
import { measureFirmware, snpLaunchDigests } from '@strongroom/evidence/expected'
import { createSilicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  chipTcb,
  issueChain,
  issueList,
  issueReport,
  openHierarchy,
  spkiPin,
  tcbAt,
  type EndorsementChange,
  type Hierarchy,
} from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import { measurementLink } from '../../packages/trust/src/links/measurement-link.ts'
import { siliconLink, type SiliconFinding } from '../../packages/trust/src/links/silicon-link.ts'
import type { KnownLaunch } from '../../packages/trust/src/provenance/asked.ts'
import { constant, vouch } from '../../packages/trust/src/provenance/known.ts'
import { judge, type Link } from '../../packages/trust/src/provenance/link.ts'
import { signedSilicon } from '../../packages/trust/src/provenance/silicon.ts'

type Silicon = Pick<BootFacts, 'tee' | 'silicon'>
let amd: Hierarchy
let anchors: TrustAnchors

beforeAll(async () => {
  amd = await openHierarchy()
  anchors = {
    simulated: true,
    amd: [{ name: 'ARK', spkiSha256: await spkiPin(amd.ark) }],
    intel: [],
  }
})

async function snp(
  change?: Parameters<typeof issueReport>[1],
  endorsement: EndorsementChange = {},
): Promise<Silicon & { silicon: { kind: 'SNP' } }> {
  const { vcek, ask, ark } = await issueChain(amd, { endorsement })
  const crl = toBase64Url(await issueList('ARK-Milan', amd.ark))
  const report = toBase64Url(
    await issueReport(amd.vcek, (bytes, view) => {
      // PLATFORM_INFO: memory was checked for aliases, as AMD-SB-3015 requires.
      bytes[0x40] = 0x25
      change?.(bytes, view)
    }),
  )
  return { tee: 'SNP', silicon: { kind: 'SNP', report, vcekChainPem: toPem([vcek, ask, ark]), crl } }
}

async function linked(evidence: Silicon, under = anchors): Promise<Link & { found: SiliconFinding | undefined }> {
  let found: SiliconFinding | undefined
  const link = await judge('silicon', '', async (proof) => {
    found = await siliconLink(evidence, { anchors: under, at: now, proof })
  })
  return { ...link, found }
}

describe('the link from the silicon’s root to the report, SEV-SNP', () => {
  it('shows chip, TCB, VMPL and policy of a report under a pinned root', async () => {
    const { found, ...link } = await linked(await snp((bytes) => bytes.fill(7, 0x90, 0xc0)))
    expect(link).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon'],
      stated: [],
      shows: [
        'AMD SEV-SNP report v3, chip 0102030405060708…, signature and chain to a pinned ARK verified, CRL checked',
        `reported TCB fmc 0, bootLoader ${chipTcb.bootLoader}, tee 1, snp 29, microcode 222; VMPL 0; guest policy 0x3001f: ` +
          'ABI 0.31 or later, SMT allowed, migration agent refused, debugging refused',
      ],
    })
    expect([found?.kind.value, toHex(found!.measurement.value)]).toEqual(['SNP', '07'.repeat(48)])
    expect(found!.reportData.value).toHaveLength(64)
  })

  it.each([
    ['debugging', (_: Uint8Array, view: DataView) => view.setBigUint64(8, 0xb001fn, true), 'debug off', 'debug on'],
    ['another VMPL', (_: Uint8Array, view: DataView) => view.setUint32(0x30, 1, true), 'VMPL 0', 'VMPL 1'],
  ])('is refused for a guest with %s', async (_what, change, expected, actual) => {
    expect(await linked(await snp(change))).toMatchObject({ outcome: 'refused', expected, actual, found: undefined })
  })

  it('is refused for a platform that lacks the fix of an advisory, with its name', async () => {
    const none = integer(0)
    const outdated = await snp(
      (_, view) => {
        for (const at of Object.values(tcbAt)) view.setBigUint64(at, 0n, true)
      },
      { bootLoader: none, tee: none, snp: none, microcode: none },
    )
    const found = await linked(outdated)
    expect(found).toMatchObject({ outcome: 'refused', why: 'The platform is not up to date.' })
    expect(found.actual).toMatch(/^AMD-SB-\d+: snp \d+ wanted, 0 found.*; AMD-SB-\d+: /)
  })

  it('shows what its guest policy allows besides', async () => {
    const { shows } = await linked(await snp((_, view) => view.setBigUint64(8, 0x6001fn, true)))
    expect(shows[1]).toMatch(/guest policy 0x6001f: .*, SMT refused, migration agent allowed, debugging refused$/)
  })

  it('is refused with two certificates of three, and judged with lists that are valid then', async () => {
    const genuine = await snp()
    if (genuine.silicon.kind !== 'SNP') throw new TypeError('not SNP')
    const two = genuine.silicon.vcekChainPem.split(/(?<=-----END.*\n)/).slice(0, 2)
    const silicon = { ...genuine.silicon, vcekChainPem: two.join('') }
    expect(await linked({ tee: 'SNP', silicon })).toMatchObject({ actual: '2 certificates' })
  })

  it('is refused under another root, without a certificate, and where the host names another kind', async () => {
    const genuine = await snp()
    const foreign = { ...anchors, amd: [{ name: 'ARK', spkiSha256: '00'.repeat(32) }] }
    expect(await linked(genuine, foreign)).toMatchObject({ outcome: 'refused', code: 'UntrustedRoot' })
    const [leaf = ''] = genuine.silicon.kind === 'SNP' ? genuine.silicon.vcekChainPem.split(/(?<=-----END.*\n)/) : []
    const silicon = { ...genuine.silicon, vcekChainPem: leaf }
    expect(await linked({ tee: 'SNP', silicon })).toMatchObject({
      why: 'The certificate chain is incomplete.',
      actual: '1 certificates',
    })
    expect(await linked({ ...genuine, tee: 'TDX' })).toMatchObject({ expected: 'TDX', actual: 'SNP' })
  })

  it('is what report and product rest on, and nothing else', async () => {
    const signed = await signedSilicon(await snp(), anchors, now)
    if (signed.kind !== 'SNP') throw new TypeError(signed.kind)
    const sibling = await signed.verifySibling(await issueReport(amd.vcek))
    for (const each of [signed.report, signed.product, sibling.measurement, sibling.reportData])
      expect([...each!.restsOn]).toEqual(['silicon'])
  })

  it('vouches for another report of the same guest, and for none of another', async () => {
    const { found } = await linked(await snp())
    const sibling = await issueReport(amd.vcek, (bytes) => bytes.fill(9, 0x50, 0x90))
    const { reportData, measurement } = await found!.verifySibling(sibling)
    expect([toHex(reportData!.value), [...measurement.restsOn]]).toEqual(['09'.repeat(64), ['silicon']])
    const other = await issueReport(amd.vcek, (bytes) => bytes.fill(1, 0x140, 0x160))
    await expect(found!.verifySibling(other)).rejects.toMatchObject({
      message: "The vTPM's report belongs to another guest.",
      actual: expect.stringMatching(/^01/) as string,
    })
    const forged = await issueReport(amd.ask, (bytes) => bytes.fill(9, 0x50, 0x90))
    await expect(found!.verifySibling(forged)).rejects.toMatchObject({ code: 'ReportSignatureInvalid' })
  })
})

describe('the link from the silicon’s root to the quote, TDX', () => {
  let platform: Awaited<ReturnType<typeof createSilicon>>
  beforeAll(async () => {
    platform = await createSilicon({ keys: memoryKeyStore(), clock: settableClock(now) })
  })
  const reportOf = async (fill: number): Promise<Uint8Array> => {
    const guest = await platform.intel.launch({ firmware: tinyFirmware() })
    return await guest.tdReport(new Uint8Array(64).fill(fill))
  }
  async function tdx(o: { report?: Uint8Array; quoted?: Uint8Array; tcbInfo?: string } = {}): Promise<Silicon> {
    const report = o.report ?? (await reportOf(1))
    const { pckCrl, rootCaCrl, ...texts } = await platform.intel.collateral()
    if (o.tcbInfo !== undefined) texts.tcbInfo = o.tcbInfo
    const collateral = { ...texts, pckCrl: toBase64Url(pckCrl), rootCaCrl: toBase64Url(rootCaCrl) }
    const quote = toBase64Url(await platform.intel.quote(o.quoted ?? report))
    return { tee: 'TDX', silicon: { kind: 'TDX', quote, tdReport: toBase64Url(report), collateral } }
  }
  const own = (): TrustAnchors => platform.anchors

  it('shows TCB and attributes of a quote under a pinned root', async () => {
    const { found, ...link } = await linked(await tdx(), own())
    expect(link).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'pinned key'],
      shows: [
        'Intel TDX quote v4, TCB UpToDate, PCK chain to a pinned root, collateral and CRLs verified',
        expect.stringMatching(/^TEE TCB SVN [0-9a-f]{32}, TD attributes 0x[0-9a-f]+, debugging refused$/),
      ],
    })
    expect([found?.kind.value, toHex(found!.reportData.value)]).toEqual(['TDX', '01'.repeat(64)])
  })

  it('is refused for a debuggable TD, and for a platform that is out of date', async () => {
    const guest = await platform.intel.launch({ firmware: tinyFirmware(), attributes: 1n })
    const report = await guest.tdReport(new Uint8Array(64))
    expect(await linked(await tdx({ report }), own())).toMatchObject({
      outcome: 'refused',
      why: 'The TD is debuggable: the host could read its memory.',
      expected: 'debug off',
      actual: 'debug on',
    })
    const tcbInfo = await platform.intel.earlyTcbInfo()
    expect(await linked(await tdx({ tcbInfo }), own())).toMatchObject({
      outcome: 'refused',
      why: 'The platform is not up to date.',
      actual: 'OutOfDate',
    })
  })

  it('is refused with a TDREPORT of another TD, and under another root', async () => {
    const [report, changed] = [await reportOf(1), await reportOf(1)]
    changed[600]! ^= 1
    expect(await linked(await tdx({ report: changed, quoted: report }), own())).toMatchObject({ outcome: 'refused' })
    const other = await platform.intel.launch({ firmware: tinyFirmware(1) })
    const foreignReport = await other.tdReport(new Uint8Array(64).fill(1))
    expect(await linked(await tdx({ report: foreignReport, quoted: report }), own())).toMatchObject({
      why: 'Quote and TDREPORT belong to different guests.',
      actual: toHex(other.mrtd),
    })
    const foreign = { ...own(), intel: [{ name: 'root', spkiSha256: '00'.repeat(32) }] }
    expect(await linked(await tdx(), foreign)).toMatchObject({ outcome: 'refused', code: 'UntrustedRoot' })
  })

  it('is what quote and TCB rest on; for the TCB also Intel’s pinned key', async () => {
    const signed = await signedSilicon(await tdx(), own(), now)
    if (signed.kind !== 'TDX') throw new TypeError(signed.kind)
    const report = await reportOf(2)
    const sibling = await signed.verifySibling(report, await platform.intel.quote(report))
    for (const each of [signed.quote, sibling.measurement, sibling.reportData])
      expect([...each!.restsOn]).toEqual(['silicon'])
    expect([...signed.tcbStatus.restsOn]).toEqual(['silicon', 'pinned key'])
  })

  it('vouches for what another TDREPORT says only with a quote of it', async () => {
    const { found } = await linked(await tdx(), own())
    const sibling = await reportOf(2)
    const bare = await found!.verifySibling(sibling)
    expect([toHex(bare.measurement.value), bare.reportData]).toEqual([toHex(found!.measurement.value), undefined])
    const { reportData } = await found!.verifySibling(sibling, await platform.intel.quote(sibling))
    expect([toHex(reportData!.value), [...reportData!.restsOn]]).toEqual(['02'.repeat(64), ['silicon']])
    const other = await platform.intel.quote(await reportOf(3))
    await expect(found!.verifySibling(sibling, other)).rejects.toThrow('belongs to another TD')
    const foreign = await createSilicon({ keys: memoryKeyStore(), clock: settableClock(now) })
    const guest = await foreign.intel.launch({ firmware: tinyFirmware() })
    const forged = await foreign.intel.quote(await guest.tdReport(new Uint8Array(64).fill(2)))
    await expect(found!.verifySibling(sibling, forged)).rejects.toMatchObject({ code: 'UntrustedRoot' })
  })
})

describe('the link from the report to the launch measurement', () => {
  const firmware = tinyFirmware()
  async function launched(
    kind: 'SNP' | 'TDX',
    measurement: Uint8Array,
    o: { asked?: KnownLaunch; size?: string; stated?: string } = {},
  ): Promise<Link> {
    const silicon: SiliconFinding = {
      kind: kind === 'SNP' ? constant('SNP') : constant('TDX'),
      measurement: vouch(measurement, 'silicon'),
      reportData: vouch(new Uint8Array(64), 'silicon'),
      verifySibling: async () => ({ measurement: vouch(measurement, 'silicon'), reportData: undefined }),
    }
    const asked = {
      firmware: o.asked ?? { own: vouch({ name: 'own.fd', bytes: firmware }, 'verifier') },
      size: vouch(o.size ?? 'Standard_DC4as_v5', 'first use'),
    }
    const evidence = { expected: { firmwareSha256: o.stated ?? 'aa' } }
    return await judge(
      'measurement',
      '',
      async (proof) => await measurementLink(evidence, silicon, { ...asked, proof }),
    )
  }
  const digests = async (vCPUs: number): Promise<Uint8Array[]> =>
    await snpLaunchDigests({ ...(await measureFirmware(firmware)).snp, vCPUs, vcpuType: 'EPYC-Milan' })

  it('holds for the verifier’s own firmware and as many processors as were asked for, or fewer', async () => {
    const all = await digests(8)
    expect(await launched('SNP', all[3]!)).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'verifier', 'first use'],
      shows: [
        expect.stringMatching(/^launch digest [0-9a-f]{16}… computed from own.fd \(SHA-256 .*\), 4 vCPUs EPYC-Milan$/),
      ],
    })
    const fewer = await launched('SNP', all[1]!)
    expect(fewer.shows[1]).toBe('Standard_DC4as_v5 has 4 vCPUs: the host provided 2')
    expect(await launched('SNP', all[3]!)).toMatchObject({ shows: [expect.anything()] })
    expect((await launched('SNP', all[0]!)).shows[1]).toBe('Standard_DC4as_v5 has 4 vCPUs: the host provided 1')
    expect(await launched('SNP', all[4]!)).toMatchObject({
      outcome: 'refused',
      why: expect.stringMatching(
        /^The launch digest is not that of own\.fd, of 1 to 4 vCPUs EPYC-Milan \(Standard_DC4as_v5\)\. The host reports/,
      ) as string,
      expected: toHex(all[3]!),
      actual: toHex(all[4]!),
    })
    const { mrtd } = await measureFirmware(firmware)
    expect(await launched('TDX', mrtd)).toMatchObject({ outcome: 'verified', restsOn: ['silicon', 'verifier'] })
  })

  it('is refused for other firmware, with what the host says that it launched as a hint', async () => {
    for (const kind of ['SNP', 'TDX'] as const)
      expect(await launched(kind, new Uint8Array(48), { stated: 'ab' })).toMatchObject({
        outcome: 'refused',
        why: expect.stringContaining('The host reports that it launched firmware with SHA-256 ab') as string,
        actual: '00'.repeat(48),
      })
    expect((await launched('TDX', new Uint8Array(48))).why).toMatch(/^The MRTD is not that of own\.fd\. The host/)
    const { sha256 } = await measureFirmware(firmware)
    expect((await launched('TDX', new Uint8Array(48), { stated: toHex(sha256) })).why).toContain(
      'The host reports that it launched this firmware.',
    )
  })

  it('is compared with the boot that was trusted, or not checked where nothing is known', async () => {
    const measurement = new Uint8Array(48).fill(5)
    const pinned = { pinned: vouch(toHex(measurement), 'first use') } as const
    expect(await launched('SNP', measurement, { asked: pinned })).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'first use'],
      shows: [
        'launch digest 0505050505050505… is that of the boot that you trusted; its firmware was not computed here',
      ],
    })
    expect(await launched('TDX', new Uint8Array(48), { asked: pinned })).toMatchObject({
      outcome: 'refused',
      why: expect.stringMatching(/^The MRTD differs from the boot that you trusted: /) as string,
      expected: '05'.repeat(48),
      actual: '00'.repeat(48),
    })
    expect((await launched('TDX', measurement, { asked: pinned })).shows[0]).toMatch(/^MRTD 0505050505050505…/)
    expect(await launched('SNP', measurement, { asked: { unknown: 'no copy' } })).toMatchObject({
      outcome: 'not checked',
      why: 'no copy',
    })
    expect(await launched('SNP', measurement, { size: 'Standard' })).toMatchObject({ outcome: 'not checked' })
  })
})
