import { createHash } from 'node:crypto'
import {
  certificateOf,
  parseTdxQuote,
  readPckExtension,
  tdAttributes,
  toHex,
  VerificationError,
  verifyPath,
  verifyTdx,
  type Certificate,
  type VerifyContext,
  type TdxCollateral,
  type TdxQuote,
  type VerifiedTdx,
} from '@strongroom/evidence'
import { tdxShortfall } from '@strongroom/evidence/advisories'
import type { Clock } from '@strongroom/platform'
import { collateralFromRequest, type IntelCollateral } from '../collateral/intel.ts'
import { evidenceFailure } from '../core/errors.ts'
import { tdxRecord } from './evidence-record.ts'
import type { Anchors } from '../anchors/anchors.ts'
import type { Asking, AttestedEvidence, Weakness } from './attested.ts'
import { tdxShortcomings, type ComplianceBaseline } from './compliance.ts'
import { boundData, bytesOf, checkBinding } from '../core/request.ts'
import { tdxClaims } from './tdx-claims.ts'

/** `/attest/TdxVm`: from the body to verified claims. */
export class TdxVerifier {
  readonly #anchors: Anchors
  readonly #collateral: IntelCollateral
  readonly #baseline: ComplianceBaseline
  readonly #clock: Clock
  readonly #context: VerifyContext

  constructor(o: {
    anchors: Anchors
    collateral: IntelCollateral
    baseline: ComplianceBaseline
    clock: Clock
    context: VerifyContext
  }) {
    this.#anchors = o.anchors
    this.#collateral = o.collateral
    this.#baseline = o.baseline
    this.#clock = o.clock
    this.#context = o.context
  }

  /** @throws ServiceError InvalidParameter, CollateralUnavailable, TooManyRequests */
  async verify(body: Record<string, unknown>, asking: Asking): Promise<AttestedEvidence> {
    const runtime = boundData(body['runtimeData'], 'runtimeData')
    const initTime = boundData(body['initTimeData'], 'initTimeData')
    const { quote, verified, collateral } = await this.#verifyQuote(body, asking)
    const { reportData, mrConfigId } = quote.body
    if (runtime !== undefined)
      checkBinding({
        data: runtime,
        field: reportData,
        hash: 'sha256',
        target: 'runtimeData',
        fieldName: 'report_data',
      })
    if (initTime !== undefined)
      checkBinding({
        data: initTime,
        field: mrConfigId,
        hash: 'sha384',
        target: 'initTimeData',
        fieldName: 'mr_config_id',
      })
    const simulated = this.#anchors.isSimulated(verified.root.spkiSha256)
    const platform = { tcbInfo: collateral.tcbInfo, pck: verified.pck, teeTcbSvn: verified.body.teeTcbSvn }
    const shortfall = verified.tcbStatus === 'UpToDate' ? undefined : tdxShortfall(platform)
    return {
      type: 'TdxVm',
      attestationType: 'tdxvm',
      simulated,
      digest: createHash('sha256').update(quote.raw).digest('hex'),
      claims: tdxClaims(quote, verified, { runtime, initTime }),
      record: tdxRecord({ quote: quote.raw, collateral, runtime, initTime }),
      byNameOnly: weaknesses(verified),
      shortcomings: tdxShortcomings({ verified, shortfall, runtime, simulated, baseline: this.#baseline }),
    }
  }

  async #verifyQuote(
    body: Record<string, unknown>,
    { providerHost, caller }: Asking,
  ): Promise<{ quote: TdxQuote; verified: VerifiedTdx; collateral: TdxCollateral }> {
    try {
      const quote = parseTdxQuote(bytesOf(body['quote'], 'quote'))
      const chain = pckChain(quote).map((der) => certificateOf(der, this.#context))
      const anchors = this.#anchors.at(providerHost)
      const at = this.#clock.now()
      // Intel is asked only about platforms it has certified: a made-up one causes no request (attack Q11).
      await verifyPath({ chain, anchors: anchors.intel, at, ...this.#context })
      const collateral = await this.#collateralFor(chain, { sent: body['collateral'], caller })
      const verified = await verifyTdx({ quote, collateral, anchors, at, ...this.#context })
      if (verified.tcbStatus === 'Revoked' || verified.tcbStatus === 'NoMatchingLevel') {
        throw new VerificationError({
          code: 'TcbMismatch',
          message: 'Intel vouches for no TCB level of this platform',
          subject: 'TD quote',
          expected: 'a level of the TCB info that is not revoked',
          found: verified.tcbStatus,
        })
      }
      return { quote, verified, collateral }
    } catch (error) {
      throw evidenceFailure(error, 'quote')
    }
  }

  /**
   * The collateral service's data if it knows the platform; else what was sent, unless that is older than the stored
   * data. Both are signed by Intel or refused.
   */
  async #collateralFor(
    chain: readonly Certificate[],
    { sent, caller }: { sent: unknown; caller: string | undefined },
  ): Promise<TdxCollateral> {
    const fromRequest = collateralFromRequest(sent)
    const pck = chain[0]!
    const fmspc = toHex(readPckExtension(pck).fmspc)
    const authority = pck.issuer.commonName === 'Intel SGX PCK Processor CA' ? 'processor' : 'platform'
    const platform = { fmspc, authority, root: chain.at(-1)!, ...this.#context } as const
    let failure: unknown
    const own = await this.#collateral.collateral({ ...platform, caller }).catch((error: unknown) => {
      failure = error
    })
    if (own !== undefined) return own
    if (fromRequest !== undefined) {
      await this.#collateral.requireNotOlder(fromRequest, platform)
      return fromRequest
    }
    throw (
      failure ??
      new VerificationError({
        code: 'CollateralMissing',
        message: 'there is no collateral for this platform',
        subject: 'TD quote',
        expected: `TCB info of FMSPC ${fmspc}`,
        found: 'none at the collateral service or in the request',
      })
    )
  }
}

function weaknesses({ body, tcbStatus }: VerifiedTdx): Weakness[] {
  const found: Weakness[] = []
  if ((body.attributes & tdAttributes.debug) !== 0n)
    found.push({ claim: 'tdx_td_attributes_debug', message: 'the TD is debuggable' })
  if (tcbStatus !== 'UpToDate') found.push({ claim: 'attester_tcb_status', message: `the TCB status is ${tcbStatus}` })
  return found
}

function pckChain(quote: TdxQuote): readonly Uint8Array[] {
  const { certification } = quote
  if (certification.type === 'pckChain') return certification.chain
  throw new VerificationError({
    code: 'CertificationDataNotSupported',
    message: 'the quote does not carry its PCK certificate chain',
    subject: 'TD quote',
    expected: 'certification data of type 5',
    found: certification.type,
  })
}
