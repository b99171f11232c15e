import { createHash } from 'node:crypto'
import type { SevSnpVmReport } from '@strongroom/contract'
import {
  certificateOf,
  chainOf,
  crlOf,
  decodeTcb,
  parseSnpReport,
  productOfCpu,
  readEndorsement,
  toHex,
  verifyCrl,
  verifySnp,
  type Certificate,
  type VerifyContext,
  type SnpChain,
  type SnpProduct,
  type SnpReport,
  type TrustAnchors,
  type VerifiedSnp,
} from '@strongroom/evidence'
import { ServiceError, type Clock } from '@strongroom/platform'
import type { AmdCollateral } from '../collateral/amd.ts'
import { textOf } from '../core/text.ts'
import { evidenceFailure, invalidParameter } from '../core/errors.ts'
import { snpRecord } from './evidence-record.ts'
import type { Anchors } from '../anchors/anchors.ts'
import type { Asking, AttestedEvidence } from './attested.ts'
import { snpShortcomings, type ComplianceBaseline } from './compliance.ts'
import { boundData, bytesOf, checkBinding, objectBody } from '../core/request.ts'
import { snpClaims } from './snp-claims.ts'
import type { TcbMinimum } from './tcb-minimum.ts'

interface Verification {
  report: SnpReport
  verified: VerifiedSnp
  chain: SnpChain
  /** Absent if no source has a list of this root. */
  crl: Uint8Array | undefined
}

/** Our claim: absent if a current revocation list was consulted, else false. */
const revocationClaim = 'x-strongroom-revocation-checked'
const unchecked = 'there is no revocation list of this root, either at the collateral service or in the request'

interface SnpEvidenceBytes {
  report: SnpReport
  /** Absent if it did not come with the request; so is the list. */
  chain: SnpChain | undefined
  crl: Uint8Array | undefined
}

/** `/attest/SevSnpVm`: from the body to verified claims. */
export class SnpVerifier {
  readonly #anchors: Anchors
  readonly #collateral: AmdCollateral
  readonly #baseline: ComplianceBaseline
  readonly #tcbMinimum: TcbMinimum
  readonly #clock: Clock
  readonly #context: VerifyContext
  /** For certificates that the cache of `means` returns again. */
  readonly #products = new WeakMap<Certificate, SnpProduct>()

  constructor(o: {
    anchors: Anchors
    collateral: AmdCollateral
    baseline: ComplianceBaseline
    tcbMinimum: TcbMinimum
    clock: Clock
    context: VerifyContext
  }) {
    this.#anchors = o.anchors
    this.#collateral = o.collateral
    this.#baseline = o.baseline
    this.#tcbMinimum = o.tcbMinimum
    this.#clock = o.clock
    this.#context = o.context
  }

  /** @throws ServiceError InvalidParameter, CollateralUnavailable, TooManyRequests */
  async verify(body: Record<string, unknown>, asking: Asking): Promise<AttestedEvidence> {
    const runtime = boundData(body['runtimeData'], 'runtimeData')
    const initTime = boundData(body['initTimeData'], 'initTimeData')
    const { report, verified, chain, crl } = await this.#verifyReport(body, asking)
    const revocationChecked = crl !== undefined
    if (runtime !== undefined)
      checkBinding({
        data: runtime,
        field: report.reportData,
        hash: 'sha256',
        target: 'runtimeData',
        fieldName: 'report_data',
      })
    if (initTime !== undefined)
      checkBinding({
        data: initTime,
        field: report.hostData,
        hash: 'sha256',
        target: 'initTimeData',
        fieldName: 'host_data',
      })
    const simulated = this.#anchors.isSimulated(verified.anchor.spkiSha256)
    const tcb = this.#tcbMinimum.appraise(verified)
    const weaknesses = [
      ...tcb.byNameOnly,
      ...(report.policy.debugAllowed
        ? [{ claim: 'x-ms-sevsnpvm-is-debuggable', message: 'the guest policy allows debugging' }]
        : []),
      ...(report.policy.migrationAgentAllowed
        ? [{ claim: 'x-ms-sevsnpvm-migration-allowed', message: 'the guest policy allows a migration agent' }]
        : []),
      ...(revocationChecked ? [] : [{ claim: revocationClaim, message: unchecked }]),
    ]
    return {
      type: 'SevSnpVm',
      attestationType: 'sevsnpvm',
      simulated,
      digest: createHash('sha256').update(report.raw).digest('hex'),
      claims: {
        ...snpClaims(verified, { runtime, initTime }),
        ...tcb.claims,
        ...(revocationChecked ? {} : { [revocationClaim]: false }),
      },
      record: snpRecord({ report: report.raw, chain, crl, runtime, initTime }),
      byNameOnly: weaknesses,
      shortcomings: [
        ...(revocationChecked ? [] : [{ path: revocationClaim, message: unchecked }]),
        ...tcb.shortcomings,
        ...snpShortcomings({ verified, runtime, simulated, baseline: this.#baseline }),
      ],
    }
  }

  async #verifyReport(body: Record<string, unknown>, { providerHost, caller }: Asking): Promise<Verification> {
    try {
      const anchors = this.#anchors.at(providerHost)
      const { report, chain: sent, crl: sentCrl } = readReport(body, this.#context)
      const chain = sent ?? (await this.#fetchChain(report, caller))
      const evidence = { report, chain, anchors }
      const crl = await this.#revocationList(evidence, { sent: sentCrl, caller })
      const verified = await verifySnp({
        ...evidence,
        ...(crl && { crl }),
        at: this.#clock.now(),
        ...this.#context,
      })
      return { report, verified, chain, crl }
    } catch (error) {
      throw evidenceFailure(error, 'report')
    }
  }

  async #fetchChain(report: SnpReport, caller: string | undefined): Promise<SnpChain> {
    const product = report.cpu === undefined ? undefined : productOfCpu(report.cpu)
    if (product !== undefined && report.signingKey === 'VCEK') {
      const identity = { product, hwid: toHex(report.chipId), ...decodeTcb(report.reportedTcb, product) }
      const chain = await this.#collateral.chain(identity, caller)
      if (chain !== undefined) return chain
    }
    throw invalidParameter({
      target: 'report',
      message: 'The report has no VcekCertChain, and the collateral service has no certificate for this chip.',
      expected: 'VcekCertChain: base64 of PEM with VCEK, ASK, ARK',
      reason: 'CollateralMissing',
      remedy:
        "Send the chain from AMD's key distribution service (or from /metadata/THIM/amd/certification) with the report.",
    })
  }

  #productOf(vcek: Uint8Array): SnpProduct {
    const certificate = certificateOf(vcek, this.#context)
    const known = this.#products.get(certificate)
    if (known !== undefined) return known
    const { product } = readEndorsement(certificate)
    this.#products.set(certificate, product)
    return product
  }

  /**
   * The collateral service's list of this root if it has one; else the one sent. Undefined without either: a policy
   * then decides, naming the claim. A list that is not current, or a collateral service that does not answer, is an
   * error.
   */
  async #revocationList(
    evidence: { report: SnpReport; chain: SnpChain; anchors: TrustAnchors },
    { sent, caller }: { sent: Uint8Array | undefined; caller: string | undefined },
  ): Promise<Uint8Array | undefined> {
    const { chain } = evidence
    const issuer = certificateOf(chain.ark, this.#context)
    const at = this.#clock.now()
    const product = this.#productOf(chain.vcek)
    let unavailable: unknown
    const own = await this.#collateral
      .revocationList({ product, issuer, at, caller, ...this.#context })
      .catch((error: unknown) => {
        if (!(error instanceof ServiceError)) throw error
        unavailable = error
      })
    if (own !== undefined) return own
    if (sent !== undefined) {
      await verifyCrl({ crl: crlOf(sent, this.#context), issuer, at, ...this.#context })
      await this.#collateral.requireNotOlder(sent, { product, issuer, ...this.#context })
      return sent
    }
    if (unavailable === undefined) return undefined
    // Faults that no list could fix are reported as such: retrying would not help.
    await verifySnp({ ...evidence, at, ...this.#context })
    throw unavailable
  }
}

/** Anything but text is refused as invalid PEM. */
const pemText = new TextDecoder()

function readReport(body: Record<string, unknown>, context: VerifyContext): SnpEvidenceBytes {
  let sent: Partial<Record<keyof SevSnpVmReport, unknown>>
  try {
    sent = objectBody(JSON.parse(textOf(bytesOf(body['report'], 'report'))))
  } catch (cause) {
    throw invalidParameter({
      target: 'report',
      message: 'report is not base64url of a JSON object.',
      expected: 'base64url of {"SnpReport": …, "VcekCertChain": …}',
      cause,
    })
  }
  const report = parseSnpReport(bytesOf(sent.SnpReport, 'report.SnpReport'))
  const chain =
    sent.VcekCertChain === undefined
      ? undefined
      : readChain(bytesOf(sent.VcekCertChain, 'report.VcekCertChain'), context)
  const crl = sent.Crl === undefined ? undefined : bytesOf(sent.Crl, 'report.Crl')
  return { report, chain, crl }
}

function readChain(pem: Uint8Array, context: VerifyContext): SnpChain {
  const certificates = readPem(pem, context)
  const [vcek, ask, ark] = certificates
  if (certificates.length === 3) return { vcek: vcek!, ask: ask!, ark: ark! }
  throw invalidParameter({
    target: 'report.VcekCertChain',
    message: 'VcekCertChain has the wrong number of certificates.',
    expected: 'VCEK, ASK, ARK',
    found: `${certificates.length} certificates`,
  })
}

function readPem(pem: Uint8Array, context: VerifyContext): readonly Uint8Array[] {
  try {
    return chainOf(pemText.decode(pem), context)
  } catch (error) {
    throw evidenceFailure(error, 'report.VcekCertChain')
  }
}
