import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { parseEventLog } from '../eventlog/event-log.ts'
import { replayRtmrs } from '../eventlog/replay.ts'
import { EvidenceError, ParseError, VerificationError } from '../core/errors.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { parseCrl } from '../x509/crl.ts'
import { appraiseTdx } from './appraise.ts'
import { genuineIntelAnchors, type TdxCollateral, verifySignedText } from './collateral.ts'
import { readPckExtension } from './pck.ts'
import { assessQe, parseQeIdentity } from './qe-identity.ts'
import { parseTdxQuote, type TdxQuote } from './quote.ts'
import { splitSignedJson } from './signed-json.ts'
import { assessModule, assessPlatform, parseTcbInfo } from './tcb-info.ts'
import { parseTdReport, verifyTdReportHashes } from './td-report.ts'
import { verifySignatures, verifyTdx } from './verify.ts'
import { corpusDirectory, hasCorpus } from '../testing/corpus-directory.ts'

const corpus = `${corpusDirectory}/`
const present = hasCorpus

interface Tcb {
  collateral: string
  platformStatus: string
  advisoryIDs: string[]
  module: { id: string; status: string; advisoryIDs: string[] } | null
}

interface Entry {
  path: string
  kind: string
  machineVerified: boolean
  expected: {
    outcome: string
    pckValidFrom?: string | null
    tcb?: Tcb[]
    fmspc?: string
    qeIdentity?: [boolean, string][]
    windows?: { type: string }[]
  }
  parsed: {
    quote?: Record<string, string>
    collateral?: { type: string; id?: string; signatureOk?: boolean; signer?: string }[]
  }
}

interface Edit {
  offset?: number
  xor?: number
  truncate?: number
  replace?: [string, string]
  reserialize?: string
}

const read = (path: string): Buffer => readFileSync(corpus + path)
const text = (path: string): string => read(path).toString('utf8')
const entries = present ? (JSON.parse(text('MANIFEST.json')) as Entry[]) : []
const mutations = present
  ? (
      JSON.parse(text('NEGATIVES.json')) as {
        mutations: { base: string; edits: Edit[]; expect: string; field: string }[]
      }
    ).mutations
  : []
const anchors: TrustAnchors = { simulated: false, amd: [], intel: [...genuineIntelAnchors] }
const signerChain = 'confidential-dot-ai-attestation-rs/collateral/qe_identity_signing_chain.pem'
/** Within the validity of the signer's certificate and of the root's revocation list. */
const signerTime = new Date('2026-03-20T00:00:00Z')

function quoteBytes(path: string): Uint8Array {
  if (path.endsWith('.hex')) return fromHex(text(path).trim().replace(/^0x/, ''))
  if (path.endsWith('.json')) return fromHex((JSON.parse(text(path)) as { quote: string }).quote)
  return read(path)
}

/** `{"tcbInfo":…,"signature":…}` as Intel sent it, taken from other projects' wrappings. */
function signedText(path: string, member: 'tcbInfo' | 'enclaveIdentity'): string {
  const whole = text(path)
  if (whole.trimStart().startsWith(`{"${member}"`)) return whole
  const object = JSON.parse(whole) as Record<string, string>
  if (object.tcb_info_json !== undefined) return object.tcb_info_json
  const [body, signature] =
    member === 'tcbInfo'
      ? [object.tcb_info, object.tcb_info_signature]
      : [object.qe_identity, object.qe_identity_signature]
  return `{"${member}":${body},"signature":"${signature}"}`
}

function bundle(path: string): TdxCollateral {
  const object = JSON.parse(text(path)) as Record<string, string>
  return {
    tcbInfo: signedText(path, 'tcbInfo'),
    tcbInfoIssuerChainPem: object.tcb_info_issuer_chain ?? '',
    qeIdentity: signedText(path, 'enclaveIdentity'),
    qeIdentityIssuerChainPem: object.qe_identity_issuer_chain ?? '',
    pckCrl: fromHex(object.pck_crl ?? ''),
    pckCrlIssuerChainPem: object.pck_crl_issuer_chain ?? '',
    rootCaCrl: fromHex(object.root_ca_crl ?? ''),
  }
}

function pckOf(quote: TdxQuote): ReturnType<typeof readPckExtension> {
  if (quote.certification.type !== 'pckChain') throw new TypeError('no chain')
  return readPckExtension(parseCertificate(quote.certification.chain[0] ?? new Uint8Array()))
}

async function outcome(action: () => Promise<unknown>): Promise<string> {
  try {
    await action()
    return 'accepted'
  } catch (error) {
    if (error instanceof EvidenceError) return (error as ParseError | VerificationError).code
    throw error
  }
}

describe.skipIf(!present)('TD quotes of real machines', () => {
  const quotes = entries.filter(
    (entry) => entry.kind === 'tdx-quote' && typeof entry.expected.pckValidFrom === 'string',
  )

  it.each(quotes.map((entry) => [entry.path, entry] as const))(
    '%s: signatures and chain are judged as known',
    async (path, { expected, parsed }) => {
      const quote = parseTdxQuote(quoteBytes(path))
      const at = new Date(new Date(expected.pckValidFrom ?? '').getTime() + 86_400_000)
      const negative = expected.outcome.includes('root that is not')
      expect(await outcome(() => verifySignatures({ quote, anchors: anchors.intel, at }))).toBe(
        negative ? 'UntrustedRoot' : 'accepted',
      )
      expect(toHex(pckOf(quote).fmspc)).toBe(expected.fmspc)
      expect(toHex(quote.body.mrTd)).toBe(parsed.quote?.mr_td)
      expect(toHex(quote.body.reportData)).toBe(parsed.quote?.report_data)
      expect(toHex(quote.body.rtmrs[2])).toBe(parsed.quote?.rtmr2)
    },
  )

  const levels = quotes.flatMap((entry) =>
    (entry.expected.tcb ?? [])
      .filter((tcb) => existsSync(corpus + tcb.collateral))
      .map((tcb) => [entry.path, tcb.collateral, tcb] as const),
  )

  it.each(levels)('%s under %s: has the known TCB level', (path, collateral, tcb) => {
    const quote = parseTdxQuote(quoteBytes(path))
    const tcbInfo = parseTcbInfo(splitSignedJson(signedText(collateral, 'tcbInfo'), 'tcbInfo').body)
    const platform = assessPlatform({ tcbInfo, pck: pckOf(quote), teeTcbSvn: quote.body.teeTcbSvn })
    expect(platform.status).toBe(tcb.platformStatus)
    expect(platform.advisoryIds).toEqual(tcb.advisoryIDs)
    if (tcb.module?.status === 'NoModuleIdentity') {
      expect(() => assessModule(tcbInfo, quote.body)).toThrow(VerificationError)
      return
    }
    const module = assessModule(tcbInfo, quote.body)
    expect(
      module === undefined ? null : { id: module.id, status: module.status, advisoryIDs: module.advisoryIds },
    ).toEqual(tcb.module)
  })

  it.each(quotes.filter((entry) => !entry.expected.outcome.startsWith('NEGATIVE')).map((entry) => entry.path))(
    '%s: comes from Intel’s quoting enclave',
    (path) => {
      const identity = parseQeIdentity(
        splitSignedJson(text('Fraunhofer-AISEC-cmc/azure/qeidentity.json'), 'enclaveIdentity').body,
      )
      expect(assessQe(identity, parseTdxQuote(quoteBytes(path)).qeReport).status).toBe('UpToDate')
    },
  )

  it('refuses a quote of an Intel sample, which lies under a test root', async () => {
    const bytes = quoteBytes('intel-SGX-TDX-DCAP-QuoteVerificationLibrary/quote.dat')
    expect(
      await outcome(async () =>
        verifySignatures({ quote: parseTdxQuote(bytes), anchors: anchors.intel, at: signerTime }),
      ),
    ).not.toBe('accepted')
  })

  const codes: Record<string, string[]> = {
    'quote signature failure': ['QuoteSignatureInvalid'],
    'QE report signature failure': ['QeReportSignatureInvalid'],
    // Both the QE's binding and the signature by the altered key fail; a key off the curve is not a key at all.
    'attestation key not bound by QE report': ['QeReportDataMismatch'],
    'parse error: truncated signature data': ['Truncated'],
  }
  const edits = mutations.filter((mutation) => quotes.some((entry) => entry.path === mutation.base))

  it.each(edits.map((mutation) => [mutation.base, mutation.field, mutation] as const))(
    '%s with its %s altered is refused for that reason',
    async (base, _field, mutation) => {
      const bytes = Uint8Array.from(quoteBytes(base))
      const [edit = {}] = mutation.edits
      if (edit.offset !== undefined) bytes[edit.offset] = (bytes[edit.offset] ?? 0) ^ (edit.xor ?? 0)
      const altered = edit.truncate === undefined ? bytes : bytes.subarray(0, edit.truncate)
      const from = quotes.find((entry) => entry.path === base)?.expected.pckValidFrom ?? ''
      const at = new Date(new Date(from).getTime() + 86_400_000)
      expect(codes[mutation.expect]).toContain(
        await outcome(async () => verifySignatures({ quote: parseTdxQuote(altered), anchors: anchors.intel, at })),
      )
    },
  )
})

describe.skipIf(!present)('Intel’s collateral', () => {
  const members = entries
    .filter((entry) => entry.kind === 'tdx-collateral')
    .flatMap((entry) =>
      (entry.parsed.collateral ?? [])
        .filter((part) => part.signer === signerChain)
        .map((part) => [entry.path, part.type as 'tcbInfo' | 'enclaveIdentity'] as const),
    )
  const crls = present ? [parseCrl(read('confidential-dot-ai-attestation-rs/collateral/root_ca_crl.der'))] : []
  const keep = (body: string): { body: string } => ({ body })
  const verify = (
    signed: string,
    member: 'tcbInfo' | 'enclaveIdentity',
    chain = text(signerChain),
  ): Promise<{ body: string }> =>
    verifySignedText({
      text: signed,
      member,
      issuerChainPem: chain,
      anchors: anchors.intel,
      crls,
      at: signerTime,
      read: keep,
    })

  it.each(members)('%s: %s is as Intel signed it, and with one digit changed it is not', async (path, member) => {
    const signed = signedText(path, member)
    await expect(verify(signed, member)).resolves.toEqual({ body: splitSignedJson(signed, member).body })
    const changed = signed.replace(/"version":(\d)/, (_, digit: string) => `"version":${(Number(digit) + 1) % 10}`)
    expect(changed).not.toBe(signed)
    expect(await outcome(() => verify(changed, member))).toBe('CollateralSignatureInvalid')
  })

  it('is refused when its text is written again in another form, and when a status is made better', async () => {
    const signed = text('Fraunhofer-AISEC-cmc/azure/tcbinfo.json')
    const object = JSON.parse(signed) as { tcbInfo: object; signature: string }
    const pretty = JSON.stringify(object, null, 2)
    expect(await outcome(() => verify(pretty, 'tcbInfo'))).toBe('CollateralSignatureInvalid')
    const reordered = JSON.stringify({
      tcbInfo: Object.fromEntries(Object.entries(object.tcbInfo).toReversed()),
      signature: object.signature,
    })
    expect(await outcome(() => verify(reordered, 'tcbInfo'))).toBe('CollateralSignatureInvalid')
    expect(await outcome(() => verify(signed.replace('"OutOfDate"', '"UpToDate"'), 'tcbInfo'))).toBe(
      'CollateralSignatureInvalid',
    )
    expect(await outcome(() => verify(`{"signature":"${object.signature}",${signed.slice(1)}`, 'tcbInfo'))).toBe(
      'InvalidEncoding',
    )
  })

  it('of Intel’s test root, or without the list of revoked certificates, is refused', async () => {
    const sample = 'intel-SGX-TDX-DCAP-QuoteVerificationLibrary/'
    expect(
      await outcome(() => verify(text(`${sample}tcbInfo.json`), 'tcbInfo', text(`${sample}tcbSignChain.pem`))),
    ).toBe('UntrustedRoot')
    const signed = text('Fraunhofer-AISEC-cmc/azure/tcbinfo.json')
    expect(
      await outcome(() =>
        verifySignedText({
          text: signed,
          member: 'tcbInfo',
          issuerChainPem: text(signerChain),
          anchors: anchors.intel,
          crls: [],
          at: signerTime,
          read: keep,
        }),
      ),
    ).toBe('CollateralMissing')
    // Without revocation, no root list is given.
    const alone = { text: signed, issuerChainPem: text(signerChain), anchors: anchors.intel, at: signerTime }
    expect(await verifySignedText({ ...alone, member: 'tcbInfo', read: keep })).toHaveProperty('body')
  })
})

describe.skipIf(!present)('verification with everything that Intel says', () => {
  it('finds a real quote up to date at its time', async () => {
    const quote = parseTdxQuote(quoteBytes('Phala-Network-dcap-qvl/tdx_quote'))
    const collateral = bundle('Phala-Network-dcap-qvl/tdx_quote_collateral.json')
    const verified = await verifyTdx({ quote, collateral, anchors, at: new Date('2025-06-25T00:00:00Z') })
    expect(verified).toMatchObject({
      tcbStatus: 'UpToDate',
      advisoryIds: [],
      simulated: false,
      tcbEvaluationDataNumber: 17,
      root: { name: 'Intel SGX Root CA' },
    })
    expect(verified.validUntil.toISOString()).toBe('2025-07-19T10:00:35.000Z')
    expect(appraiseTdx(verified, { minimumTcbEvaluationDataNumber: 17 })).toEqual([])
    expect(
      await outcome(() => verifyTdx({ quote, collateral, anchors, at: new Date('2025-08-25T00:00:00Z') })),
    ).toMatch(/Expired$/)
    expect(
      await outcome(() => verifyTdx({ quote, collateral, anchors, at: new Date('2025-06-19T10:00:00Z') })),
    ).toMatch(/NotYetValid$/)
  })

  it('says of a platform below every level that no level matches, and a policy then refuses it', async () => {
    const quote = parseTdxQuote(quoteBytes('Phala-Network-dcap-qvl/tdx_quote_outdated'))
    const collateral = bundle('Phala-Network-dcap-qvl/tdx_quote_outdated_collateral.json')
    const verified = await verifyTdx({ quote, collateral, anchors, at: new Date('2026-03-01T00:00:00Z') })
    expect(verified.tcbStatus).toBe('NoMatchingLevel')
    expect(appraiseTdx(verified, {}).map((failure) => failure.path)).toContain('tcbStatus')
  })

  it('verifies the quote of an Azure TD, whose collateral a month later is too old', async () => {
    const folder = 'Fraunhofer-AISEC-cmc/azure/'
    const collateral: TdxCollateral = {
      tcbInfo: text(`${folder}tcbinfo.json`),
      tcbInfoIssuerChainPem: text(signerChain),
      qeIdentity: text(`${folder}qeidentity.json`),
      qeIdentityIssuerChainPem: text(signerChain),
      pckCrl: read(`${folder}pckcrl.der`),
      pckCrlIssuerChainPem: '',
      rootCaCrl: read('confidential-dot-ai-attestation-rs/collateral/root_ca_crl.der'),
    }
    const quote = parseTdxQuote(quoteBytes(`${folder}td-quote.bin`))
    const verified = await verifyTdx({ quote, collateral, anchors, at: signerTime })
    expect(verified.tcbStatus).toBe('UpToDate')
    expect(appraiseTdx(verified, {})).toEqual([])
    expect(
      await outcome(() => verifyTdx({ quote, collateral, anchors, at: new Date('2026-06-18T12:00:00Z') })),
    ).toMatch(/Expired$/)
    const other = {
      ...collateral,
      tcbInfo: text('confidential-dot-ai-attestation-rs/collateral/tcb_info_50806f000000.json'),
    }
    expect(await outcome(() => verifyTdx({ quote, collateral: other, anchors, at: signerTime }))).toBe('FmspcMismatch')
  })

  it('names what a debuggable TD lacks', () => {
    const { body } = parseTdxQuote(quoteBytes('confidential-containers-trustee/tdx_quote_4.dat'))
    const verified = {
      body,
      tcbStatus: 'UpToDate',
      advisoryIds: [],
      tcbEvaluationDataNumber: 18,
      platform: { status: 'UpToDate', advisoryIds: [] },
      pck: {},
    } as unknown as Parameters<typeof appraiseTdx>[0]
    expect(appraiseTdx(verified, {}).map((failure) => failure.path)).toContain('attributes.debug')
  })
})

describe.skipIf(!present)('TDREPORTs of real machines', () => {
  it('name their own parts, and a changed measurement is noticed', async () => {
    const samples = [
      read('confidential-dot-ai-attestation-rs/tdx_tdreport_live.bin'),
      read('kinvolk-azure-cvm-tooling/hcl-report-tdx.bin').subarray(32, 32 + 1024),
    ]
    for (const bytes of samples) {
      await verifyTdReportHashes(parseTdReport(bytes))
      for (const offset of [264, 528, 900]) {
        const changed = Uint8Array.from(bytes)
        changed[offset] = (changed[offset] ?? 0) ^ 1
        await expect(verifyTdReportHashes(parseTdReport(changed))).rejects.toMatchObject({ code: 'BindingMismatch' })
      }
    }
  })

  it('show the RTMRs to which the machine’s log replays', async () => {
    const report = parseTdReport(read('confidential-dot-ai-attestation-rs/tdx_tdreport_live.bin'))
    const rtmrs = await replayRtmrs(parseEventLog(read('confidential-dot-ai-attestation-rs/tdx_ccel_live.bin')))
    expect(
      [...rtmrs].map(([register, value]) => toHex(value) === toHex(report.body.rtmrs[register] ?? new Uint8Array())),
    ).toContain(true)
  })
})
