import { crlOf, VerificationError, verifyCrl, type Certificate, type VerifyContext } from '@strongroom/evidence'
import { invalidParameter } from '../core/errors.ts'
import { compareIssue, kindOf } from './kinds.ts'

/**
 * Of two statements of a vendor about one thing, the later wins: an earlier one than this service knows is refused,
 * however genuine and current (attack W3).
 * @throws ServiceError InvalidParameter with CollateralSuperseded
 */
export function requireNotOlder(o: { path: string; sent: Uint8Array; kept: Uint8Array; target: string }): void {
  const kind = kindOf(o.path)
  if (kind === undefined) throw new TypeError('no vendor has this path')
  if (compareOrRefuse(() => compareIssue(kind, o.sent, o.kept), o.target) >= 0) return
  throw invalidParameter({
    target: o.target,
    message: `${kind.name}: this service has already seen a newer one from the vendor.`,
    expected: `one that was issued at ${kind.issuedOf(o.kept).toISOString()} or later`,
    found: `one of ${kind.issuedOf(o.sent).toISOString()}`,
    reason: 'CollateralSuperseded',
    remedy: "Fetch the collateral again from the vendor's service.",
  })
}

/** Codes for a list signed by another root. */
const foreign: ReadonlySet<string> = new Set(['CrlIssuerMismatch', 'CrlSignatureInvalid'])

/**
 * Whether this authority signed a list: several roots may share a name.
 * @throws VerificationError for a list of this authority that is not current at `at`
 */
export async function isListOf(
  list: Uint8Array,
  o: VerifyContext & { issuer: Certificate; at: Date },
): Promise<boolean> {
  try {
    await verifyCrl({ ...o, crl: crlOf(list, o) })
    return true
  } catch (error) {
    if (error instanceof VerificationError && foreign.has(error.code)) return false
    throw error
  }
}

function compareOrRefuse(compare: () => number, target: string): number {
  try {
    return compare()
  } catch (cause) {
    const message = `${target} cannot be read: ${(cause as Error).message}.`
    throw invalidParameter({ target, message, expected: 'what the vendor serves, unchanged', cause })
  }
}
