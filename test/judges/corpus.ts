import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  fromHex,
  genuineAmdAnchors,
  genuineIntelAnchors,
  parseCertificate,
  parseHclReport,
  parsePem,
  parseTdxQuote,
  pckOids,
  findExtension,
  readEndorsement,
  type SnpChain,
  type TdxCollateral,
  type TrustAnchors,
} from '@strongroom/evidence'
import { corpusDirectory, hasCorpus } from '../../packages/evidence/src/testing/corpus-directory.ts'
import { sevTestdata, tdxTestdata } from './go-judge.ts'

/** Evidence of real silicon, from Debian's packages and, if available, from the corpus beside the source tree. */

const corpus = corpusDirectory
export const anchors: TrustAnchors = {
  simulated: false,
  amd: [...genuineAmdAnchors],
  intel: [...genuineIntelAnchors],
}

export interface SnpCase {
  name: string
  report: Uint8Array
  chain: SnpChain
  vlek: boolean
  at: Date
}

export interface TdxCase {
  name: string
  quote: Uint8Array
  version: number
  /** Absent: only signatures and chain can be judged. */
  collateral: TdxCollateral | undefined
  at: Date
}

interface Entry {
  path: string
  kind: string
  bundle?: boolean
  expected: { signerCert?: string; validFrom?: string; pckValidFrom?: string | null }
}

const bytes = (path: string): Uint8Array => new Uint8Array(readFileSync(path))
const day = 86_400_000

function entries(): Entry[] {
  return hasCorpus ? (JSON.parse(readFileSync(join(corpus, 'MANIFEST.json'), 'utf8')) as Entry[]) : []
}

export function snpCases(): SnpCase[] {
  const cases: SnpCase[] = []
  if (existsSync(sevTestdata)) {
    const [ask, ark] = pem(join(sevTestdata, 'milan.testcer'))
    cases.push({
      name: 'Debian: go-sev-guest attestation.bin',
      report: bytes(join(sevTestdata, 'attestation.bin')),
      chain: { vcek: bytes(join(sevTestdata, 'vcek.testcer')), ask: ask!, ark: ark! },
      vlek: false,
      at: new Date('2023-01-01T00:00:00Z'),
    })
  }
  for (const { path, kind, bundle, expected } of entries()) {
    if (!['snp-report', 'hcl-report'].includes(kind) || bundle === true || expected.signerCert === undefined) continue
    if (path.endsWith('.json') || expected.signerCert.endsWith('.json')) continue
    const file = bytes(join(corpus, path))
    const raw = path.endsWith('.hex') ? fromHex(new TextDecoder().decode(file).trim()) : file
    const signer = bytes(join(corpus, expected.signerCert))
    const vcek = signer[0] === 0x30 ? signer : pem(join(corpus, expected.signerCert))[0]!
    const { product, signer: key } = readEndorsement(parseCertificate(vcek))
    const vlek = key === 'VLEK'
    const [ask, ark] = pem(
      join(corpus, `google-go-sev-guest/${vlek ? 'asvk' : 'ask'}_ark_${product.toLowerCase()}.pem`),
    )
    cases.push({
      name: path,
      report: kind === 'hcl-report' ? parseHclReport(raw).hardwareReport : raw,
      chain: { vcek, ask: ask!, ark: ark! },
      vlek,
      at: new Date(Date.parse(expected.validFrom!) + day),
    })
  }
  return cases
}

export function tdxCases(): TdxCase[] {
  const cases: TdxCase[] = []
  const add = (name: string, quote: Uint8Array, collateral: TdxCollateral | undefined, at: Date): void => {
    cases.push({ name, quote, version: quote[0] ?? 0, collateral, at })
  }
  if (existsSync(tdxTestdata)) {
    const quote = bytes(join(tdxTestdata, 'tdx_prod_quote_SPR_E4.dat'))
    add('Debian: go-tdx-guest tdx_prod_quote_SPR_E4.dat', quote, debianCollateral(), new Date('2023-07-01T01:00:00Z'))
  }
  for (const { path, kind, expected } of entries()) {
    if (kind !== 'tdx-quote' || typeof expected.pckValidFrom !== 'string' || path.startsWith('cc-api')) continue
    const quote = quoteBytes(join(corpus, path))
    const known = collateralOf(quote)
    add(path, quote, known?.collateral, known?.at ?? new Date(Date.parse(expected.pckValidFrom) + day))
  }
  return cases
}

/** Collateral from the package's own tests, with the chains from their source. */
function debianCollateral(): TdxCollateral {
  const read = (name: string): string => readFileSync(join(tdxTestdata, name), 'utf8')
  const source = readFileSync(join(tdxTestdata, '../test_cases.go'), 'utf8')
  const chain = (name: string): string => {
    const text = new RegExp(`${name} = \\[\\]string\\{\\s*"([^"]+)"`).exec(source)?.[1] ?? ''
    return decodeURIComponent(text.replaceAll('\\n', '\n'))
  }
  return {
    tcbInfo: read('sample_tcbInfo_response'),
    tcbInfoIssuerChainPem: chain('tcbInfoIssuerChain'),
    qeIdentity: read('sample_qeIdentity_response'),
    qeIdentityIssuerChainPem: chain('qeIdentityIssuerChain'),
    pckCrl: bytes(join(tdxTestdata, 'pckcrl')),
    pckCrlIssuerChainPem: chain('pckCrlIssuerChain'),
    rootCaCrl: bytes(join(tdxTestdata, 'rootcrl.der')),
  }
}

/** The corpus's collateral for a quote's platform, and a time within all validities. */
function collateralOf(quote: Uint8Array): { collateral: TdxCollateral; at: Date } | undefined {
  const { certification } = parseTdxQuote(quote)
  if (certification.type !== 'pckChain') return undefined
  const extension = findExtension(parseCertificate(certification.chain[0]!).extensions, pckOids.extension)
  const text = Buffer.from(extension?.value ?? []).toString('hex')
  const intermediates = certification.chain.slice(1).map(toPem).join('')
  const read = (path: string): string => readFileSync(join(corpus, path), 'utf8')
  if (text.includes('0406b0c06f000000')) {
    const bundle = JSON.parse(read('Phala-Network-dcap-qvl/tdx_quote_collateral.json')) as Record<string, string>
    const collateral = {
      tcbInfo: `{"tcbInfo":${bundle['tcb_info']},"signature":"${bundle['tcb_info_signature']}"}`,
      tcbInfoIssuerChainPem: bundle['tcb_info_issuer_chain']!,
      qeIdentity: `{"enclaveIdentity":${bundle['qe_identity']},"signature":"${bundle['qe_identity_signature']}"}`,
      qeIdentityIssuerChainPem: bundle['qe_identity_issuer_chain']!,
      pckCrl: fromHex(bundle['pck_crl']!),
      pckCrlIssuerChainPem: intermediates,
      rootCaCrl: fromHex(bundle['root_ca_crl']!),
    }
    return { collateral, at: new Date('2025-06-25T00:00:00Z') }
  }
  if (!text.includes('040690c06f000000')) return undefined
  const signer = read('confidential-dot-ai-attestation-rs/collateral/qe_identity_signing_chain.pem')
  const collateral = {
    tcbInfo: read('Fraunhofer-AISEC-cmc/azure/tcbinfo.json'),
    tcbInfoIssuerChainPem: signer,
    qeIdentity: read('Fraunhofer-AISEC-cmc/azure/qeidentity.json'),
    qeIdentityIssuerChainPem: signer,
    pckCrl: bytes(join(corpus, 'Fraunhofer-AISEC-cmc/azure/pckcrl.der')),
    pckCrlIssuerChainPem: intermediates,
    rootCaCrl: bytes(join(corpus, 'confidential-dot-ai-attestation-rs/collateral/root_ca_crl.der')),
  }
  return { collateral, at: new Date('2026-03-20T00:00:00Z') }
}

function quoteBytes(path: string): Uint8Array {
  if (path.endsWith('.hex')) return fromHex(readFileSync(path, 'utf8').trim().replace(/^0x/, ''))
  if (path.endsWith('.json')) return fromHex((JSON.parse(readFileSync(path, 'utf8')) as { quote: string }).quote)
  return bytes(path)
}

function pem(path: string): Uint8Array[] {
  return parsePem(readFileSync(path, 'utf8'))
}

function toPem(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}
