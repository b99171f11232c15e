import { isZero } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { appraiseSnp, type SnpPolicy } from '../snp/appraise.ts'
import { requireChip, requireCommitted } from '../snp/consistency.ts'
import type { SnpEndorsement } from '../snp/endorse.ts'
import { parseSnpReport, type SnpReport } from '../snp/report.ts'
import { decodeTcb, describeTcb } from '../snp/tcb.ts'
import {
  endorsementOf,
  requireEndorsedTcb,
  requireListOf,
  requireNames,
  requireProcessor,
  requireReportSignature,
  requireSigner,
  type SnpChain,
  type VerifiedSnp,
  verifySnp,
} from '../snp/verify.ts'
import type { Certificate } from '../x509/certificate.ts'
import { certificateOf, crlOf } from '../x509/inputs.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { describeName } from '../x509/name.ts'
import { verifyPath } from '../x509/path.ts'
import { appraised, type Checked } from './check.ts'
import { Checklist } from './checklist.ts'
import { amdCrlSource } from './sources.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'

interface Chain {
  leaf: Certificate
  ask: Certificate
  ark: Certificate
}

/**
 * Checks an SNP report check by check, continuing after the first failure, so that all of them are visible. The tree
 * passes only if `verifySnp` and every single check pass.
 * @param o.chain absent: the report is only parsed
 * @param o.withoutChain why there is no chain, and where to get it
 * @param o.crl absent: revocation is not checked
 * @param o.policy absent: content is not appraised
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkSnp, firstFailure, genuineAmdAnchors, parsePem } from '@strongroom/evidence'
 *
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * const report = await readFile('report.bin')
 * const chain = { vcek: await readFile('vcek.der'), ask, ark }
 * const anchors = { simulated: false, amd: [...genuineAmdAnchors], intel: [] }
 * const at = new Date('2024-01-01')
 * const good = await checkSnp({ report, chain, anchors, at })
 * good.check.outcome // => 'passed'
 * report.writeUInt8(1, 0x50) // a byte of the report data
 * const forged = await checkSnp({ report, chain, anchors, at })
 * firstFailure(forged.check)?.id // => 'snp.signature'
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
  await list.run('snp.chain.product', [chain, endorsement], requireNames)
  await list.run('snp.signingKey', [report, endorsement], requireSigner, () => report!.signingKey)
  await list.run('snp.product', [report, endorsement], requireProcessor)
  await list.run(
    'snp.tcb',
    [report, endorsement],
    (parsed: SnpReport, found: SnpEndorsement) => {
      const reported = decodeTcb(parsed.reportedTcb, found.product)
      requireEndorsedTcb(reported, found)
      return reported
    },
    describeTcb,
  )
  await list.run('snp.committed', [report, endorsement], (parsed: SnpReport, { product }: SnpEndorsement) =>
    requireCommitted(parsed, product),
  )
  await list.run('snp.chip', [report, endorsement], describeChip, (id) => id)
  await list.run('snp.signature', [report, chain], (parsed: SnpReport, { leaf }: Chain) =>
    requireReportSignature(parsed, leaf, context),
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
  if (policy === undefined) list.skip('snp.policy', 'No policy was given', { optional: true })
  else if (value === undefined) list.skip('snp.policy', 'The report is not verified')
  else list.add(appraised('snp.policy', appraiseSnp(value, policy)))
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
    () => describeName(chain!.ark.subject),
  )
  if (o.crl === undefined) {
    list.skip('snp.chain.revocation', `No revocation list was given: ${amdCrlSource(o.parsed)}`, { optional: true })
  } else {
    await list.run('snp.chain.revocation', [chain, o.crl], ({ leaf, ask, ark }: Chain, der: Uint8Array) => {
      const crl = crlOf(der, context)
      requireListOf(crl, ark)
      return verifyPath({ chain: [leaf, ask, ark], anchors: anchors.amd, at, crls: [crl], ...context })
    })
  }
  return chain
}

function describeEndorsement(endorsement: SnpEndorsement): string {
  return `${endorsement.signer} of ${endorsement.productName}, ${describeTcb(endorsement.tcb)}`
}

function describeChip(report: SnpReport, endorsement: SnpEndorsement): string {
  requireChip(report, endorsement)
  const { hardwareId, providerId } = endorsement
  if (hardwareId === undefined) return `provider ${providerId}`
  const hidden = isZero(report.chipId) ? ' by its certificate; the report hides it' : ''
  return `chip ${toHex(hardwareId).slice(0, 32)}…${hidden}`
}
