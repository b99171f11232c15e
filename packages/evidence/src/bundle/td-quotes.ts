import type { TdSibling } from '../checks/check-azure.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import { parseTdReport, sameTd } from '../tdx/td-report.ts'
import { keyIn } from './attestation-keys.ts'
import type { PieceOf } from './pieces/piece.ts'
import { attempt } from './pieces/pool.ts'

/** The quote of the TD that this TDREPORT describes; else the first, so that the difference is reported. */
export function quoteOf(
  tdReport: Uint8Array,
  quotes: readonly PieceOf<'tdx-quote'>[],
): PieceOf<'tdx-quote'> | undefined {
  const same = quotes.find(({ bytes }) =>
    attempt(() => sameTd(parseTdxQuote(bytes).body, parseTdReport(tdReport).body)),
  )
  return same ?? quotes[0]
}

/**
 * A paravisor quotes its report for the key service, and puts a second report, which is never quoted, into the vTPM.
 * Claims bound by a quote of the same TD vouch for the attestation key; checkTdReport verifies that they do.
 */
export function siblingOf(
  hcl: PieceOf<'hcl-report'>,
  o: {
    tdReport: Uint8Array
    quotes: readonly PieceOf<'tdx-quote'>[]
    claims: PieceOf<'runtime-claims'> | undefined
  },
): TdSibling | undefined {
  const attestationKey = keyIn(hcl)
  const own = attempt(() => parseTdReport(o.tdReport).body)
  if (attestationKey === undefined || o.claims === undefined || own === undefined) return undefined
  for (const { bytes } of o.quotes) {
    const body = attempt(() => parseTdxQuote(bytes).body)
    if (body === undefined || sameTd(body, own)) continue
    if (sameTd({ ...own, reportData: body.reportData }, body)) {
      return { quote: bytes, claims: o.claims.bytes, attestationKey }
    }
  }
  return undefined
}
