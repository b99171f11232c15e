import { algorithms, ecdsaSignature } from '@strongroom/der'
import { signRaw, type SigningKey, type SigningScheme } from './keys.ts'

const identifiers: Record<SigningScheme, Uint8Array> = {
  'rsa-pss-sha384': algorithms.rsaPssSha384,
  'ecdsa-p256-sha256': algorithms.ecdsaSha256,
  'ecdsa-p384-sha384': algorithms.ecdsaSha384,
}

/** AlgorithmIdentifier of a key's signatures. */
export function signatureAlgorithm(scheme: SigningScheme): Uint8Array {
  return identifiers[scheme]
}

/** Signature as in certificates: DER r and s for ECDSA. */
export async function signForCertificate(key: SigningKey, data: Uint8Array): Promise<Uint8Array> {
  const raw = await signRaw(key, data)
  return key.scheme === 'rsa-pss-sha384' ? raw : ecdsaSignature(raw)
}
