import { parseHclReport } from '../azure/hcl-report.ts'
import { attestationKeyOf, parseRuntimeClaims } from '../azure/runtime-claims.ts'
import type { TpmEvidence } from '../checks/check-tpm.ts'
import type { TpmPublicKey } from '../tpm/public.ts'
import { parseTpmtSignature, verifyTpmSignature } from '../tpm/signature.ts'
import type { PublicKey } from '../x509/public-key.ts'
import type { PieceOf } from './piece.ts'
import { attempt } from './pool.ts'

/** The attestation key that a paravisor's report names; undefined if it cannot be read. */
export function keyIn(hcl: PieceOf<'hcl-report'>): TpmPublicKey | undefined {
  return attempt(() => attestationKeyOf(parseRuntimeClaims(parseHclReport(hcl.bytes).claims)))
}

/** The TDREPORT in a TDX paravisor's report; undefined for other hardware or if it cannot be read. */
export function tdReportIn(hcl: PieceOf<'hcl-report'>): Uint8Array | undefined {
  const report = attempt(() => parseHclReport(hcl.bytes))
  return report?.reportType === 'TDX' ? report.hardwareReport : undefined
}

/** A public key in TPM form; undefined if no TPM can have such a key: TPM exponents have 32 bits (TPM 2.0 part 2, section 12.2.3.5). */
export function tpmKeyOf(key: PublicKey): TpmPublicKey | undefined {
  if (key.kind === 'EC') {
    const size = (key.point.length - 1) / 2
    return { kind: 'ecc', curve: key.curve, x: key.point.subarray(1, 1 + size), y: key.point.subarray(1 + size) }
  }
  if (key.exponent.length > 4) return undefined
  return { kind: 'rsa', modulus: key.modulus, exponent: key.exponent.reduce((value, byte) => value * 256 + byte, 0) }
}

/** Whether a key signed a quote, to find a quote's key among the pieces. */
export async function signs(key: TpmPublicKey, quote: TpmEvidence): Promise<boolean> {
  try {
    const signature = quote.signature instanceof Uint8Array ? parseTpmtSignature(quote.signature) : quote.signature
    await verifyTpmSignature({ key, signature, message: quote.message })
    return true
  } catch {
    return false
  }
}
