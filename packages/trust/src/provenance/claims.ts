import { hclReportData, parseRuntimeClaims, toHex, type RuntimeClaims } from '@strongroom/evidence'
import { vouch, type Known } from './known.ts'
import { refuseUnless } from './link.ts'

/**
 * report_data is SHA-256 of the exact claims bytes, then zeros: the silicon vouches for these claims and no others.
 * @throws LinkRefused, ParseError
 */
export async function boundClaims(raw: Uint8Array, reportData: Known<Uint8Array>): Promise<Known<RuntimeClaims>> {
  const claims = parseRuntimeClaims(raw)
  const expected = toHex(await hclReportData(claims.raw))
  const actual = toHex(reportData.value)
  refuseUnless(actual === expected, { message: 'The report does not bind these claims.', expected, actual })
  return vouch(claims, reportData)
}
