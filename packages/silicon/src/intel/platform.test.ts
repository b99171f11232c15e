import { readFileSync } from 'node:fs'
import {
  appraiseTdx,
  fromHex,
  parseTdReport,
  parseTdxQuote,
  sameTd,
  type TdxCollateral,
  toHex,
  type TrustAnchors,
  VerificationError,
  verifyTdx,
} from '@strongroom/evidence'
import { tdxShortfall } from '@strongroom/evidence/advisories'
import { mrtd } from '@strongroom/evidence/expected'
import { beforeAll, describe, expect, it } from 'vitest'
import type { KeyStore } from '../pki/keys.ts'
import type { TdxPlatform } from './tdx-platform.ts'
import { createIntelPlatform } from './platform.ts'

function memoryStore(): KeyStore & { values: Map<string, Uint8Array> } {
  const values = new Map<string, Uint8Array>()
  return {
    values,
    load: async (name) => values.get(name),
    save: async (name, bytes) => void values.set(name, bytes),
  }
}

const firmware = Uint8Array.from({ length: 20_000 }, (_, index) => (index * 7) & 0xff)
const reportData = Uint8Array.from({ length: 64 }, (_, index) => index + 1)
const store = memoryStore()
let time = new Date('2026-11-25T10:00:00.900Z')
const clock = { now: (): Date => time }
let platform: TdxPlatform
let anchors: TrustAnchors

beforeAll(async () => {
  platform = await createIntelPlatform({ keys: store, clock })
  anchors = { simulated: true, amd: [], intel: [platform.anchor] }
})

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof VerificationError) return error.code
    throw error
  }
  return 'accepted'
}

async function quoted(): Promise<{ tdReport: Uint8Array; quote: Uint8Array; collateral: TdxCollateral }> {
  const td = await platform.launch({ firmware })
  const tdReport = await td.tdReport(reportData)
  return { tdReport, quote: await platform.quote(tdReport), collateral: await platform.collateral() }
}

describe('the simulated Intel platform', () => {
  it('makes a quote that verifies as up to date under its own root and passes a strict policy', async () => {
    const { quote, collateral, tdReport } = await quoted()
    const verified = await verifyTdx({ quote: parseTdxQuote(quote), collateral, anchors, at: time })
    expect(verified.tcbStatus).toBe('UpToDate')
    expect(verified.module?.id).toBe('TDX_01')
    expect(verified.advisoryIds).toEqual([])
    expect(verified.root).toEqual(platform.anchor)
    expect(verified.simulated).toBe(true)
    expect(sameTd(verified.body, parseTdReport(tdReport).body)).toBe(true)
    const expected = toHex(await mrtd({ firmware }))
    expect(appraiseTdx(verified, { mrTds: [expected], reportData, mrConfigId: '00'.repeat(48) })).toEqual([])
  })

  it('is at the best level now, and a microcode behind at the next set, which says what to update', async () => {
    const { quote, collateral } = await quoted()
    const { pck, body } = await verifyTdx({ quote: parseTdxQuote(quote), collateral, anchors, at: time })
    const against = (tcbInfo: string): ReturnType<typeof tdxShortfall> =>
      tdxShortfall({ tcbInfo, pck, teeTcbSvn: body.teeTcbSvn })
    expect(against(collateral.tcbInfo)).toMatchObject({ status: 'UpToDate', tcbEvaluationDataNumber: 18, lacks: [] })
    expect(against(await platform.earlyTcbInfo())).toMatchObject({
      status: 'OutOfDate',
      tcbEvaluationDataNumber: 19,
      lacks: [
        {
          component: 'SGX component 1 (Early Microcode Update)',
          found: 3,
          wanted: 4,
          update: expect.stringContaining('BIOS'),
        },
      ],
    })
    // The module, Intel's enclave and other components are distinguished.
    const lower = { ...pck, pceSvn: 12, componentSvns: pck.componentSvns.map((svn) => Math.max(0, svn - 1)) }
    const tee = Uint8Array.from(body.teeTcbSvn)
    tee[0]! -= 1
    tee[2]! -= 1
    const { lacks, status } = tdxShortfall({ tcbInfo: collateral.tcbInfo, pck: lower, teeTcbSvn: tee })
    expect(status).toBe('NoMatchingLevel')
    expect(lacks.map(({ component }) => component)).toEqual([
      ...[1, 2, 3, 4, 5, 6, 8].map((index) =>
        index === 1 ? 'SGX component 1 (Early Microcode Update)' : `SGX component ${index}`,
      ),
      'TDX component 3',
      'provisioning certification enclave',
      'TDX module TDX_01',
    ])
  })

  it('keeps its root over a restart, and evidence made before verifies after', async () => {
    const { quote, collateral } = await quoted()
    const again = await createIntelPlatform({ keys: store, clock })
    expect(again.anchor).toEqual(platform.anchor)
    const verified = await verifyTdx({
      quote: parseTdxQuote(quote),
      collateral: await again.collateral(),
      anchors,
      at: time,
    })
    expect(verified.tcbStatus).toBe('UpToDate')
    expect(await refusal(verifyTdx({ quote: parseTdxQuote(quote), collateral, anchors, at: time }))).toBe('accepted')
  })

  it('is trusted by nobody who pins the root of another installation', async () => {
    const other = await createIntelPlatform({ keys: memoryStore(), clock })
    const { quote, collateral } = await quoted()
    const foreign = { ...anchors, intel: [other.anchor] }
    expect(await refusal(verifyTdx({ quote: parseTdxQuote(quote), collateral, anchors: foreign, at: time }))).toBe(
      'UntrustedRoot',
    )
    const none = { ...anchors, intel: [] }
    expect(await refusal(verifyTdx({ quote: parseTdxQuote(quote), collateral, anchors: none, at: time }))).toBe(
      'NoTrustAnchors',
    )
  })

  it('quotes no report that it did not make, not even one with one bit changed anywhere under the MAC', async () => {
    const { tdReport } = await quoted()
    for (const offset of [16, 32, 80, 128, 191, 224, 255]) {
      const altered = Uint8Array.from(tdReport)
      altered[offset] = (altered[offset] ?? 0) ^ 1
      expect(await refusal(platform.quote(altered)), `offset ${offset}`).toBe('ReportMacInvalid')
    }
    for (const offset of [264, 300, 512, 520, 528, 1023]) {
      const altered = Uint8Array.from(tdReport)
      altered[offset] = (altered[offset] ?? 0) ^ 1
      expect(await refusal(platform.quote(altered)), `offset ${offset}`).toBe('BindingMismatch')
    }
    const other = await createIntelPlatform({ keys: memoryStore(), clock })
    expect(await refusal(other.quote(tdReport))).toBe('ReportMacInvalid')
  })

  it('is caught in every altered bit of a quote', async () => {
    const { quote, collateral } = await quoted()
    const offsets = [2, 14, 40, 50, 100, 168, 190, 240, 400, 570, 640, 700, 770, 900, 1030, 1160, 1220]
    for (const offset of offsets) {
      const altered = Uint8Array.from(quote)
      altered[offset] = (altered[offset] ?? 0) ^ 4
      await expect(
        (async () => verifyTdx({ quote: parseTdxQuote(altered), collateral, anchors, at: time }))(),
        `offset ${offset}`,
      ).rejects.toThrow()
    }
  })

  it('is caught when any text or list of its collateral is altered, swapped or missing', async () => {
    const { quote, collateral } = await quoted()
    const parsed = parseTdxQuote(quote)
    const attempt = (changed: Partial<TdxCollateral>): Promise<string> =>
      refusal(verifyTdx({ quote: parsed, collateral: { ...collateral, ...changed }, anchors, at: time }))
    expect(await attempt({ tcbInfo: collateral.tcbInfo.replace('OutOfDate', 'UpToDate') })).toBe(
      'CollateralSignatureInvalid',
    )
    expect(await attempt({ tcbInfo: collateral.tcbInfo.replace('"version":3', '"version": 3') })).toBe(
      'CollateralSignatureInvalid',
    )
    expect(await attempt({ qeIdentity: collateral.qeIdentity.replace('"isvprodid":2', '"isvprodid":3') })).toBe(
      'CollateralSignatureInvalid',
    )
    expect(await attempt({ pckCrl: collateral.rootCaCrl })).toBe('CollateralMissing')
    expect(await attempt({ rootCaCrl: collateral.pckCrl })).toBe('CollateralMissing')
    expect(await attempt({ tcbInfoIssuerChainPem: collateral.pckCrlIssuerChainPem })).toBe('CertificateNotForThisUse')
  })

  it('hands out collateral whose next update is 29 to 30 days ahead, however long it runs', async () => {
    const start = time
    const first = await platform.collateral()
    time = new Date(start.getTime() + 20 * 86_400_000)
    const later = await platform.collateral()
    expect(later.tcbInfo).not.toBe(first.tcbInfo)
    const { quote } = await quoted()
    const verified = await verifyTdx({ quote: parseTdxQuote(quote), collateral: later, anchors, at: time })
    expect(verified.validUntil.getTime() - time.getTime()).toBeGreaterThan(29 * 86_400_000)
    time = new Date(start.getTime() + 40 * 86_400_000)
    expect(await refusal(verifyTdx({ quote: parseTdxQuote(quote), collateral: first, anchors, at: time }))).toMatch(
      /Expired$/,
    )
    expect(await refusal(verifyTdx({ quote: parseTdxQuote(quote), collateral: later, anchors, at: start }))).toMatch(
      /NotYetValid$/,
    )
    time = start
  })

  it('shows a debuggable TD, and a policy that does not allow debugging names it', async () => {
    const td = await platform.launch({ firmware, attributes: 1n, mrConfigId: fromHex('ab'.repeat(48)) })
    const quote = parseTdxQuote(await platform.quote(await td.tdReport(reportData)))
    const verified = await verifyTdx({ quote, collateral: await platform.collateral(), anchors, at: time })
    const failures = appraiseTdx(verified, { mrConfigId: '00'.repeat(48) })
    expect(failures.map((failure) => failure.path)).toEqual([
      'attributes.debug',
      'attributes.septVeDisable',
      'mrConfigId',
    ])
  })

  it('measures firmware: one changed byte gives another MRTD', async () => {
    const changed = Uint8Array.from(firmware)
    changed[12_345] = (changed[12_345] ?? 0) ^ 1
    const [left, right] = [await platform.launch({ firmware }), await platform.launch({ firmware: changed })]
    expect(toHex(left.mrtd)).not.toBe(toHex(right.mrtd))
  })
})

const ovmf = '/usr/share/OVMF/OVMF_CODE_4M.fd'
describe.skipIf(!exists(ovmf))('with the firmware of this machine', () => {
  it('measures the code file as the whole image: the variables before it are not measured', async () => {
    const td = await platform.launch({ firmware: readFileSync(ovmf) })
    expect(td.mrtd).toHaveLength(48)
    if (exists('/usr/share/ovmf/OVMF.fd')) {
      expect(toHex(await mrtd({ firmware: readFileSync('/usr/share/ovmf/OVMF.fd') }))).toBe(toHex(td.mrtd))
    }
  })
})

function exists(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}
