import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../core/bytes/bytes.ts'
import { detect } from '../bundle/detect.ts'
import type { PieceKind, PieceOf } from '../bundle/pieces/piece.ts'
import { checkAzure } from '../checks/check-azure.ts'
import { firstFailure } from '../checks/check.ts'
import { genuineAmdAnchors } from '../snp/products.ts'
import { parsePem } from '../x509/pem.ts'
import { type AzureEvidence, verifyAzureEvidence } from './bundle.ts'
import { buildHclReport, parseHclReport } from './hcl-report.ts'
import { attestationKeyOf, parseRuntimeClaims, requireSameKey } from './runtime-claims.ts'
import { corpusDirectory, hasCorpus } from '../testing/corpus-directory.ts'

const corpus = corpusDirectory
const present = hasCorpus
const anchors = { simulated: false, amd: [...genuineAmdAnchors], intel: [] }

function bundle(path: string): AzureEvidence {
  const pieces = detect('', new Uint8Array(readFileSync(join(corpus, path))))
  const find = <K extends PieceKind>(kind: K): PieceOf<K> =>
    pieces.find((piece): piece is PieceOf<K> => piece.kind === kind)!
  const [ask, ark] = parsePem(readFileSync(join(corpus, 'google-go-sev-guest/ask_ark_milan.pem'), 'utf8'))
  const quote = find('tpm-quote')
  return {
    hclReport: find('hcl-report').bytes,
    hardware: { kind: 'SNP', chain: { vcek: find('certificates').certificates[0]!, ask: ask!, ark: ark! } },
    tpmQuote: { message: quote.message, signature: quote.signature, pcrs: quote.pcrs, nonce: utf8('challenge') },
    anchors,
    at: new Date('2025-06-01T00:00:00Z'),
  }
}

async function outcome(evidence: AzureEvidence): Promise<string> {
  const { hardware, tpmQuote, ...rest } = evidence
  const tree = await checkAzure({
    ...rest,
    ...(hardware.kind === 'SNP'
      ? { chain: hardware.chain }
      : { tdQuote: hardware.quote, collateral: hardware.collateral }),
    ...(tpmQuote === undefined ? {} : { quotes: [tpmQuote] }),
  })
  try {
    await verifyAzureEvidence(evidence)
    expect(tree.check.outcome).toBe('passed')
    return 'accepted'
  } catch (error) {
    expect(tree.check.outcome).toBe('failed')
    expect(firstFailure(tree.check)?.code).toBeDefined()
    return (error as { code: string }).code
  }
}

describe.skipIf(!present)('the evidence of an Azure confidential VM', () => {
  let first: AzureEvidence
  let second: AzureEvidence
  beforeAll(() => {
    first = bundle('confidential-dot-ai-attestation-rs/az_snp_evidence-v1.json')
    second = bundle('confidential-containers-trustee/az-snp-vtpm/evidence-v1.json')
  })

  it('holds as one bundle, and names VM, hardware, key and registers', async () => {
    expect(await outcome(first)).toBe('accepted')
    const verified = await verifyAzureEvidence(first)
    expect(verified.hardware.kind).toBe('SNP')
    expect(verified.tpm?.quote.pcrs.size).toBe(24)
    expect(verified.claims.configuration['vmUniqueId']).toMatch(/^[0-9A-F-]{36}$/)
  })

  it('is refused with a part of another VM, whichever part it is', async () => {
    expect(await outcome({ ...first, tpmQuote: second.tpmQuote! })).toBe('TpmSignatureInvalid')
    expect(await outcome({ ...first, hardware: second.hardware })).toMatch(/^(TcbMismatch|ChipMismatch)$/)
    const [own, other] = [parseHclReport(first.hclReport), parseHclReport(second.hclReport)]
    const foreign = buildHclReport({ hardwareReport: own.hardwareReport, reportType: 'SNP', claims: other.claims })
    expect(await outcome({ ...first, hclReport: foreign })).toBe('BindingMismatch')
  })

  it('is refused with claims of the attacker’s making, another nonce, or a changed register', async () => {
    const { hardwareReport, claims } = parseHclReport(first.hclReport)
    const changed = new TextDecoder().decode(claims).replace('"secure-boot":true', '"secure-boot":false')
    const forged = buildHclReport({ hardwareReport, reportType: 'SNP', claims: utf8(`${changed} `) })
    expect(await outcome({ ...first, hclReport: forged })).toBe('BindingMismatch')
    expect(await outcome({ ...first, tpmQuote: { ...first.tpmQuote!, nonce: utf8('egnellahc') } })).toBe(
      'NonceMismatch',
    )
    const pcrs = new Map(
      [...first.tpmQuote!.pcrs].map(([index, value]) => [index, index === 7 ? value.map((byte) => byte ^ 1) : value]),
    )
    expect(await outcome({ ...first, tpmQuote: { ...first.tpmQuote!, pcrs } })).toBe('PcrDigestMismatch')
  })

  it('is refused as TDX where it is SNP', async () => {
    const collateral = {
      tcbInfo: '',
      tcbInfoIssuerChainPem: '',
      qeIdentity: '',
      qeIdentityIssuerChainPem: '',
      pckCrl: new Uint8Array(),
      pckCrlIssuerChainPem: '',
      rootCaCrl: new Uint8Array(),
    }
    await expect(
      verifyAzureEvidence({ ...first, hardware: { kind: 'TDX', quote: new Uint8Array(), collateral } }),
    ).rejects.toMatchObject({ code: 'BindingMismatch' })
  })
})

describe('runtime claims', () => {
  const key = { kid: 'HCLAkPub', kty: 'RSA', n: 'AQAB', e: 'AQAB' }
  const claims = (value: unknown): ReturnType<typeof parseRuntimeClaims> =>
    parseRuntimeClaims(utf8(typeof value === 'string' ? value : JSON.stringify(value)))

  it('name one attestation key, or are refused', () => {
    expect(attestationKeyOf(claims({ keys: [key] })).kind).toBe('rsa')
    for (const [value, code] of [
      [{ keys: [] }, 'Missing'],
      [{ keys: [key, key] }, 'Duplicate'],
      [{ keys: [{ ...key, kty: 'EC' }] }, 'UnknownType'],
    ] as const) {
      expect(() => attestationKeyOf(claims(value))).toThrow(expect.objectContaining({ code }))
    }
  })

  it('that could be read in two ways are refused', () => {
    for (const [value, code] of [
      ['{"keys":[],"keys":[]}', 'Duplicate'],
      [{}, 'Missing'],
      [{ keys: [1] }, 'InvalidValue'],
      [{ keys: [], 'vm-configuration': [] }, 'InvalidValue'],
      [{ keys: [], 'user-data': 1 }, 'InvalidValue'],
      [{ keys: [], 'user-data': 'xy' }, 'InvalidEncoding'],
      ['\u00ff{', 'InvalidEncoding'],
    ] as const) {
      expect(() => claims(value)).toThrow(expect.objectContaining({ code }))
    }
  })

  it('do not vouch for a TPM key that may sign anything', () => {
    const loose = Uint8Array.of(0, 20, 0, 1, 0, 11, 0, 4, 0, 0x72, 0, 0, 0, 0x10, 0, 0x10, 0, 24, 0, 0, 0, 0)
    expect(() => requireSameKey(loose, attestationKeyOf(claims({ keys: [key] })))).toThrow()
  })
})
