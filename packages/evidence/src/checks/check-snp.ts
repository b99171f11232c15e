import { concat, isZero, reversed } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { appraiseSnp, type SnpPolicy } from '../snp/appraise.ts'
import { requireChip, requireCommitted } from '../snp/consistency.ts'
import { readEndorsement, type SnpEndorsement } from '../snp/endorse.ts'
import { mayBeOf } from '../snp/products.ts'
import { parseSnpReport, type SnpReport } from '../snp/report.ts'
import { decodeTcb, describeTcb } from '../snp/tcb.ts'
import { type SnpChain, type VerifiedSnp, verifySnp } from '../snp/verify.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { Crl } from '../x509/crl.ts'
import { certificateOf, crlOf } from '../x509/inputs.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { describeName, sameName } from '../x509/name.ts'
import { verifyPath } from '../x509/path.ts'
import { verifyRawEcdsa } from '../x509/verify-signature.ts'
import { appraised, type Checked } from './check.ts'
import { Checklist } from './checklist.ts'
import { VerificationError, type VerificationErrorCode } from '../core/errors.ts'
import { amdCrlSource } from './sources.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'

interface Chain {
  leaf: Certificate
  ask: Certificate
  ark: Certificate
}

/**
 * Judges an SNP report check by check, also after the first fault, so that a person sees all of them. The verdict is the
 * verifier's: the tree passes only where `verifySnp` and every single check agree.
 * @param o.chain absent: the report is read and nothing else can be judged
 * @param o.withoutChain why there is none, and where to get it
 * @param o.crl absent: revocation is not looked at
 * @param o.policy absent: content is not appraised
 */
export async function checkSnp(
  o: VerifyContext & {
    report: Uint8Array
    chain?: SnpChain | undefined
    withoutChain?: string | undefined
    crl?: Uint8Array | undefined
    anchors: TrustAnchors
    at: Date
    policy?: SnpPolicy | undefined
  },
): Promise<Checked<VerifiedSnp>> {
  const list = new Checklist()
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const report = await list.run(
    'snp.format',
    [],
    () => parseSnpReport(o.report),
    (r) => `version ${r.version}`,
  )
  const chain = await checkChain(list, { ...o, parsed: report }, context)
  const endorsement = await list.run(
    'snp.endorsement',
    [chain],
    ({ leaf }: Chain) => endorsementOf(leaf),
    describeEndorsement,
  )
  await list.run('snp.chain.product', [chain, endorsement], requireProduct)
  await list.run('snp.signingKey', [report, endorsement], requireSigner, () => report?.signingKey ?? '')
  await list.run('snp.product', [report, endorsement], requireCpu)
  await list.run('snp.tcb', [report, endorsement], requireTcb, (tcb) => tcb)
  await list.run('snp.committed', [report, endorsement], (parsed: SnpReport, { product }: SnpEndorsement) =>
    requireCommitted(parsed, product),
  )
  await list.run('snp.chip', [report, endorsement], describeChip, (id) => id)
  await list.run('snp.signature', [report, chain], (parsed: SnpReport, given: Chain) =>
    requireSignature(parsed, given, context),
  )
  let value: VerifiedSnp | undefined
  if (list.whole) {
    value = await list.run('snp.verifier', [report, o.chain], (parsed: SnpReport, given: SnpChain) =>
      verifySnp({
        report: parsed,
        chain: given,
        anchors: o.anchors,
        at: o.at,
        ...context,
        crl: o.crl,
      }),
    )
  }
  const { policy } = o
  if (value !== undefined && policy !== undefined) list.add(appraised('snp.policy', appraiseSnp(value, policy)))
  else
    list.skip('snp.policy', policy === undefined ? 'No policy was given' : 'The report is not verified', {
      optional: policy === undefined,
    })
  return { check: list.all('snp'), value }
}

async function checkChain(
  list: Checklist,
  o: {
    chain?: SnpChain | undefined
    withoutChain?: string | undefined
    crl?: Uint8Array | undefined
    parsed: SnpReport | undefined
    anchors: TrustAnchors
    at: Date
  },
  context: VerifyContext,
): Promise<Chain | undefined> {
  const { anchors, at } = o
  if (o.chain === undefined)
    list.skip('snp.chain.format', o.withoutChain ?? 'The certificates VCEK (or VLEK), ASK and ARK were not given')
  const chain =
    o.chain &&
    (await list.run('snp.chain.format', [o.chain], (given: SnpChain): Chain => ({
      leaf: certificateOf(given.vcek, context),
      ask: certificateOf(given.ask, context),
      ark: certificateOf(given.ark, context),
    })))
  const certificates = chain && [chain.leaf, chain.ask, chain.ark]
  await list.run(
    'snp.chain.path',
    [certificates],
    (given: Certificate[]) => verifyPath({ chain: given, anchors: anchors.amd, at, ...context }),
    () => chain?.ark.subject.commonName ?? '',
  )
  if (o.crl === undefined) {
    list.skip('snp.chain.revocation', `No revocation list was given: ${amdCrlSource(o.parsed)}`, { optional: true })
  } else {
    await list.run('snp.chain.revocation', [chain, o.crl], ({ leaf, ask, ark }: Chain, der: Uint8Array) => {
      const crl = crlOf(der, context)
      requireCrlOf(crl, ark)
      return verifyPath({ chain: [leaf, ask, ark], anchors: anchors.amd, at, crls: [crl], ...context })
    })
  }
  return chain
}

function requireCrlOf(crl: Crl, ark: Certificate): void {
  if (sameName(crl.issuer, ark.subject)) return
  refuse('CrlIssuerMismatch', 'Revocation list is not the root’s', describeName(ark.subject), describeName(crl.issuer))
}

function endorsementOf(leaf: Certificate): SnpEndorsement {
  try {
    return readEndorsement(leaf)
  } catch (cause) {
    throw new VerificationError({
      code: 'EndorsementInvalid',
      message: cause instanceof Error ? cause.message : 'The certificate is no endorsement',
      cause,
    })
  }
}

function describeEndorsement(endorsement: SnpEndorsement): string {
  return `${endorsement.signer} of ${endorsement.productName}, ${describeTcb(endorsement.tcb)}`
}

function requireProduct({ ask, ark }: Chain, { product, signer }: SnpEndorsement): void {
  const expected = [signer === 'VCEK' ? `SEV-${product}` : `SEV-VLEK-${product}`, `ARK-${product}`].join(', ')
  const found = `${ask.subject.commonName}, ${ark.subject.commonName}`
  if (found !== expected) refuse('ProductMismatch', 'Chain belongs to another product', expected, found)
}

function requireSigner(report: SnpReport, { signer }: SnpEndorsement): void {
  if (report.signingKey !== signer)
    refuse('SigningKeyMismatch', 'Report names another kind of key', signer, report.signingKey)
}

function requireCpu({ cpu }: SnpReport, { product }: SnpEndorsement): void {
  if (mayBeOf(product, cpu)) return
  const identity = cpu === undefined ? 'none' : `family ${cpu.family}, model ${cpu.model}, stepping ${cpu.stepping}`
  refuse('ProductMismatch', 'Report comes from another product', product, identity)
}

function requireTcb(report: SnpReport, { product, tcb }: SnpEndorsement): string {
  const expected = describeTcb(tcb)
  const found = describeTcb(decodeTcb(report.reportedTcb, product))
  if (found !== expected) refuse('TcbMismatch', 'Reported TCB is not the endorsed one', expected, found)
  return found
}

function describeChip(report: SnpReport, endorsement: SnpEndorsement): string {
  requireChip(report, endorsement)
  const { hardwareId, providerId } = endorsement
  if (hardwareId === undefined) return `provider ${providerId}`
  const hidden = isZero(report.chipId) ? ' by its certificate; the report hides it' : ''
  return `chip ${toHex(hardwareId).slice(0, 32)}…${hidden}`
}

async function requireSignature(report: SnpReport, { leaf }: Chain, { primitives }: VerifyContext): Promise<void> {
  const key = leaf.publicKey
  if (key.kind !== 'EC' || key.curve !== 'P-384') {
    return refuse('AlgorithmNotAllowed', 'Signing key is not on P-384', 'P-384', key.kind)
  }
  const signature = concat(reversed(report.signatureR), reversed(report.signatureS))
  if (await verifyRawEcdsa({ key, hash: 'SHA-384', signature, data: report.signed, primitives })) return
  throw new VerificationError({
    code: 'ReportSignatureInvalid',
    message: 'Report is not signed by the endorsed key',
    subject: 'SNP report',
  })
}

function refuse(code: VerificationErrorCode, message: string, expected: string, found: string): never {
  throw new VerificationError({ code, message, subject: 'SNP report', expected, found })
}
