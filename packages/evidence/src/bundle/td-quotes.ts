import type { TdSibling } from '../checks/check-azure.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import { parseTdReport, sameTd } from '../tdx/td-report.ts'
import { keyIn } from './attestation-keys.ts'
import type { PieceOf } from './piece.ts'
import { attempt } from './pool.ts'

/** The quote whose TD is the one of this TDREPORT; else the first, so that it is said how they differ. */
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
 * A paravisor quotes its report for the key service, and puts another, which nobody quotes, into the vTPM. Where claims are at
 * hand that a quote of the same TD binds, they vouch for the attestation key; whether they do is for checkTdReport to say.
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
