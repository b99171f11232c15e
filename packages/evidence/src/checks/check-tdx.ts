import { toHex } from '../core/bytes/hex.ts'
import { appraiseTdx, type TdxPolicy } from '../tdx/appraise.ts'
import type { TdxCollateral } from '../tdx/collateral.ts'
import { type PckExtension, readPckExtension } from '../tdx/pck.ts'
import { parseTdxQuote, type TdxQuote } from '../tdx/quote.ts'
import {
  pckChainOf,
  requireNamedPck,
  requirePckAuthority,
  requireQeSignature,
  requireQuoteSignature,
  requireVendor,
  requireVouchedKey,
  type VerifiedTdx,
  verifyTdx,
} from '../tdx/verify.ts'
import type { Certificate } from '../x509/certificate.ts'
import { certificateOf } from '../x509/inputs.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { verifyPath } from '../x509/path.ts'
import { appraised, type Checked } from './check.ts'
import { type CollateralFiles, checkPlatform } from './check-tdx-platform.ts'
import { Checklist } from './checklist.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'

/**
 * Checks a TD quote check by check, continuing after the first failure. The tree passes only if `verifyTdx` and every
 * single check pass. Checks of absent collateral are skipped, and then there is no verdict.
 * @param o.policy absent: the platform's status and the TD's content are shown but not appraised
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkTdx, genuineIntelAnchors, missingChecks } from '@strongroom/evidence'
 *
 * const { check } = await checkTdx({
 *   quote: await readFile('quote.bin'),
 *   anchors: { simulated: false, amd: [], intel: [...genuineIntelAnchors] },
 *   at: new Date('2025-06-25'),
 * })
 * // Without Intel's collateral the signatures are verified, but not the platform.
 * check.outcome // => 'skipped'
 * missingChecks(check).map(({ id }) => id).includes('tdx.platform') // => true
 */
export async function checkTdx(
  o: VerifyContext & {
    quote: Uint8Array
    /** For a quote that only names its certificate, leaf first, DER. */
    pckChain?: readonly Uint8Array[] | undefined
    collateral?: Partial<TdxCollateral> | undefined
    files?: CollateralFiles | undefined
    anchors: TrustAnchors
    at: Date
    policy?: TdxPolicy | undefined
  },
): Promise<Checked<VerifiedTdx>> {
  const { at, anchors } = o
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const list = new Checklist()
  const quote = await list.run(
    'tdx.format',
    [],
    () => parseTdxQuote(o.quote),
    (parsed) => `version ${parsed.version}, TDX ${parsed.tdxVersion}`,
  )
  await list.run('tdx.vendor', [quote], requireVendor)
  const named = quote?.certification.type === 'ppid'
  if (named && o.pckChain === undefined)
    list.skip('tdx.pck.format', 'The PCK certificate that the quote names was not given')
  const chain =
    named && o.pckChain === undefined
      ? undefined
      : await list.run('tdx.pck.format', [quote], (parsed: TdxQuote) =>
          pckChainOf(parsed, o.pckChain).map((der) => certificateOf(der, context)),
        )
  await list.run(
    'tdx.pck.path',
    [chain],
    async (given: Certificate[]) => {
      const root = await verifyPath({ chain: given, anchors: anchors.intel, at, ...context })
      requirePckAuthority(given)
      return root
    },
    ({ name, spkiSha256 }) => `${name}, key ${spkiSha256}`,
  )
  const pck = await list.run(
    'tdx.pck.extension',
    [chain],
    (given: Certificate[]) => readPckExtension(given[0] as Certificate),
    (extension: PckExtension) => `FMSPC ${toHex(extension.fmspc)}`,
  )
  if (named) await list.run('tdx.pck.named', [quote, pck], requireNamedPck)
  await list.run('tdx.qe.signature', [quote, chain], (parsed: TdxQuote, given: Certificate[]) =>
    requireQeSignature(parsed, given[0] as Certificate, context),
  )
  await list.run('tdx.qe.binding', [quote], (parsed: TdxQuote) => requireVouchedKey(parsed, context))
  await list.run('tdx.signature', [quote], (parsed: TdxQuote) => requireQuoteSignature(parsed, context))
  const collateral = o.collateral ?? {}
  await checkPlatform(list, { quote, chain, pck, collateral, files: o.files, anchors: anchors.intel, at, ...context })
  let value: VerifiedTdx | undefined
  if (list.whole && isWhole(collateral)) {
    value = await list.run('tdx.verifier', [quote], (parsed: TdxQuote) =>
      verifyTdx({ quote: parsed, pckChain: o.pckChain, collateral, anchors, at, ...context }),
    )
  }
  const { policy } = o
  if (policy === undefined) list.skip('tdx.policy', 'No policy was given', { optional: true })
  else if (value === undefined) list.skip('tdx.policy', 'The quote is not verified')
  else list.add(appraised('tdx.policy', appraiseTdx(value, policy)))
  return { check: list.all('tdx', value === undefined ? undefined : `TCB ${value.tcbStatus}`), value }
}

function isWhole(collateral: Partial<TdxCollateral>): collateral is TdxCollateral {
  const { tcbInfo, tcbInfoIssuerChainPem, qeIdentity, qeIdentityIssuerChainPem, pckCrl, rootCaCrl } = collateral
  return ![tcbInfo, tcbInfoIssuerChainPem, qeIdentity, qeIdentityIssuerChainPem, pckCrl, rootCaCrl].includes(undefined)
}
