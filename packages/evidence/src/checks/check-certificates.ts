import { toHex } from '../core/bytes/hex.ts'
import { readEndorsement } from '../snp/endorse.ts'
import { describeTcb } from '../snp/tcb.ts'
import { requireCurrent, verifySignedText } from '../tdx/collateral.ts'
import { JsonFields } from '../tdx/json-fields.ts'
import { parseJson, splitSignedJson } from '../tdx/signed-json.ts'
import type { Certificate } from '../x509/certificate.ts'
import { type Crl, verifyCrl } from '../x509/crl.ts'
import { certificateOf, crlOf } from '../x509/inputs.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { describeName } from '../x509/name.ts'
import { verifyPath } from '../x509/path.ts'
import type { Check } from './check.ts'
import { Checklist } from './checklist.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'

/**
 * Verifies a chain, leaf first; the leaf may be a CA or the root itself.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkCertificates, firstFailure, genuineAmdAnchors, parsePem } from '@strongroom/evidence'
 *
 * const chain = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * const check = await checkCertificates({ chain, anchors: genuineAmdAnchors, at: new Date('2024-01-01') })
 * check.outcome // => 'passed'
 * const later = await checkCertificates({ chain, anchors: genuineAmdAnchors, at: new Date('2099-01-01') })
 * firstFailure(later)?.code // => 'CertificateExpired'
 */
export async function checkCertificates(
  o: VerifyContext & {
    chain: readonly Uint8Array[]
    anchors: readonly TrustAnchor[]
    at: Date
    crls?: readonly Uint8Array[] | undefined
  },
): Promise<Check> {
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const list = new Checklist()
  const chain = await list.run(
    'certificates.format',
    [],
    () => o.chain.map((der) => certificateOf(der, context)),
    (certificates) => certificates.map((certificate) => describeName(certificate.subject)).join(' ← '),
  )
  await list.run(
    'certificates.path',
    [chain],
    (given: Certificate[]) =>
      verifyPath({
        chain: given,
        anchors: o.anchors,
        at: o.at,
        leafMayBeCa: true,
        crls: (o.crls ?? []).map((der) => crlOf(der, context)),
        ...context,
      }),
    () =>
      `until ${chain
        ?.map((certificate) => certificate.notAfter)
        .reduce((left, right) => (left < right ? left : right))
        .toISOString()}`,
  )
  if (/^SEV-V[CL]EK$/.test(chain?.[0]?.subject.commonName ?? '')) {
    await list.run(
      'certificates.endorsement',
      [chain],
      (given: Certificate[]) => readEndorsement(given[0] as Certificate),
      (endorsement) => `${endorsement.signer} of ${endorsement.productName}, ${describeTcb(endorsement.tcb)}`,
    )
  }
  return list.all('certificates')
}

/**
 * Verifies a revocation list.
 * @param o.issuerChain chain of the list's issuer, issuer first; absent: the issuer cannot be verified
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkCrl, firstFailure, fromHex, genuineIntelAnchors, parsePem } from '@strongroom/evidence'
 *
 * const { pckCrl, pckCrlIssuerChainPem } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const crl = { crl: fromHex(pckCrl), issuerChain: parsePem(pckCrlIssuerChainPem), anchors: genuineIntelAnchors }
 * const inTime = await checkCrl({ ...crl, at: new Date('2025-06-25') })
 * inTime.outcome // => 'passed'
 * const stale = await checkCrl({ ...crl, at: new Date('2025-12-25') })
 * firstFailure(stale)?.code // => 'CrlExpired'
 */
export async function checkCrl(
  o: VerifyContext & {
    crl: Uint8Array
    issuerChain?: readonly Uint8Array[] | undefined
    anchors: readonly TrustAnchor[]
    at: Date
  },
): Promise<Check> {
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const list = new Checklist()
  const crl = await list.run(
    'crl.format',
    [],
    () => crlOf(o.crl, context),
    (parsed) =>
      `${describeName(parsed.issuer)}, ${parsed.revoked.size} revoked, ${parsed.thisUpdate.toISOString()} to ` +
      `${parsed.nextUpdate?.toISOString() ?? 'no end'}`,
  )
  if (o.issuerChain === undefined) list.skip('crl.signature', 'The certificate of its issuer was not given')
  else {
    await list.run('crl.signature', [crl, o.issuerChain], async (parsed: Crl, ders: readonly Uint8Array[]) => {
      const chain = ders.map((der) => certificateOf(der, context))
      await verifyPath({ chain, anchors: o.anchors, at: o.at, leafMayBeCa: true, ...context })
      await verifyCrl({ crl: parsed, issuer: chain[0] as Certificate, at: o.at, ...context })
    })
  }
  return list.all('crl')
}

/** What every text contains, of SGX or TDX and in any version; checkTdx decides whether it serves a quote. */
interface IntelWords {
  id: string
  issueDate: Date
  nextUpdate: Date
  tcbEvaluationDataNumber: number
}

function readWords(body: string): IntelWords {
  const fields = new JsonFields(parseJson(body, 'text'), 'text')
  // TCB info of version 2 is SGX's and has no id.
  const id = fields.has('id') ? fields.text('id') : 'SGX'
  return {
    id: fields.has('fmspc') ? `${id}, FMSPC ${toHex(fields.bytes('fmspc', 6))}` : id,
    issueDate: fields.time('issueDate'),
    nextUpdate: fields.time('nextUpdate'),
    tcbEvaluationDataNumber: fields.integer('tcbEvaluationDataNumber', 1_000_000),
  }
}

/** A text that Intel's service signed. */
export interface SignedText {
  member: 'tcbInfo' | 'enclaveIdentity'
  text: string
}

/**
 * Verifies TCB info or an enclave identity on its own.
 * @param o.issuerChainPem absent: the signer cannot be verified
 * @param o.rootCrl absent: revocation is not checked
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkCollateral, fromHex, genuineIntelAnchors } from '@strongroom/evidence'
 *
 * const { tcbInfo, tcbInfoIssuerChainPem, rootCaCrl } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const check = await checkCollateral({
 *   text: tcbInfo,
 *   member: 'tcbInfo',
 *   issuerChainPem: tcbInfoIssuerChainPem,
 *   rootCrl: fromHex(rootCaCrl),
 *   anchors: genuineIntelAnchors,
 *   at: new Date('2025-06-25'),
 * })
 * check.outcome // => 'passed'
 */
export async function checkCollateral(
  o: SignedText &
    VerifyContext & {
      issuerChainPem?: string | undefined
      rootCrl?: Uint8Array | undefined
      anchors: readonly TrustAnchor[]
      at: Date
    },
): Promise<Check> {
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const list = new Checklist()
  const { member, text, at, anchors } = o
  const found = await list.run(
    'collateral.format',
    [],
    () => readWords(splitSignedJson(text, member).body),
    (words) => `${words.id}, evaluation ${words.tcbEvaluationDataNumber}`,
  )
  const { issuerChainPem, rootCrl } = o
  const by = { member, text, anchors, at, read: readWords, ...context }
  if (issuerChainPem === undefined) {
    list.skip('collateral.signature', 'The certificates of its signer were not given')
  } else {
    await list.run('collateral.signature', [found, issuerChainPem], (_, pem: string) =>
      verifySignedText({ ...by, issuerChainPem: pem }),
    )
  }
  if (issuerChainPem === undefined || rootCrl === undefined) {
    list.skip('collateral.revocation', 'The root’s revocation list was not given', { optional: true })
  } else {
    await list.run('collateral.revocation', [found, rootCrl], (_, der: Uint8Array) =>
      verifySignedText({ ...by, issuerChainPem, crls: [crlOf(der, context)] }),
    )
  }
  await list.run('collateral.time', [found], (parsed: { issueDate: Date; nextUpdate: Date }) =>
    requireCurrent({ ...parsed, at, subject: member }),
  )
  return list.all('collateral')
}
