import { digest } from '../core/bytes/digest.ts'
import { spkiOfJwk } from '../core/jwk.ts'
import { toHex } from '../core/bytes/hex.ts'
import type { TpmPublicKey } from './public.ts'
import { jwkOfTpmKey } from './spki.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'

/** Whether a policy names a key by the digest of its DER SubjectPublicKeyInfo: a file proves nothing about its owner. */
export async function namesKey(pins: readonly TrustAnchor[], spki: Uint8Array | undefined): Promise<boolean> {
  if (spki === undefined || pins.length === 0) return false
  const found = toHex(await digest('SHA-256', spki))
  return pins.some(({ spkiSha256 }) => spkiSha256 === found)
}

/** As `namesKey`, for a TPM's key. */
export async function namesTpmKey(pins: readonly TrustAnchor[], key: TpmPublicKey): Promise<boolean> {
  return pins.length > 0 && (await namesKey(pins, await spkiOfJwk(jwkOfTpmKey(key))))
}
