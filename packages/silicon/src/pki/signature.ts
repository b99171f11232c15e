import { integer, nullValue, oid, sequence, tagged } from './der-writer.ts'
import { signRaw, type SigningKey, type SigningScheme } from './keys.ts'

const sha384 = sequence(oid('2.16.840.1.101.3.4.2.2'), nullValue())

const identifiers: Record<SigningScheme, Uint8Array> = {
  // RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes (RFC 4055 section 3.1), as AMD's roots sign.
  'rsa-pss-sha384': sequence(
    oid('1.2.840.113549.1.1.10'),
    sequence(tagged(0, sha384), tagged(1, sequence(oid('1.2.840.113549.1.1.8'), sha384)), tagged(2, integer(48))),
  ),
  'ecdsa-p256-sha256': sequence(oid('1.2.840.10045.4.3.2')),
  'ecdsa-p384-sha384': sequence(oid('1.2.840.10045.4.3.3')),
}

/** AlgorithmIdentifier of a key's signatures. */
export function signatureAlgorithm(scheme: SigningScheme): Uint8Array {
  return identifiers[scheme]
}

/** Signature as certificates carry it: DER r and s for ECDSA. */
export async function signForCertificate(key: SigningKey, data: Uint8Array): Promise<Uint8Array> {
  const raw = await signRaw(key, data)
  if (key.scheme === 'rsa-pss-sha384') return raw
  const half = raw.length / 2
  return sequence(integer(unsigned(raw.subarray(0, half))), integer(unsigned(raw.subarray(half))))
}

function unsigned(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}
