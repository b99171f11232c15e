import { toBase64Url } from '../core/bytes/base64.ts'
import type { TpmPublicKey } from './public.ts'

/** A TPM's key as JSON Web Key, which WebCrypto imports. */
export function jwkOfTpmKey(key: TpmPublicKey): JsonWebKey {
  return key.kind === 'rsa'
    ? { kty: 'RSA', n: toBase64Url(key.modulus), e: toBase64Url(exponentBytes(key.exponent)) }
    : { kty: 'EC', crv: key.curve, x: toBase64Url(key.x), y: toBase64Url(key.y) }
}

function exponentBytes(exponent: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Uint8Array.from(bytes)
}
