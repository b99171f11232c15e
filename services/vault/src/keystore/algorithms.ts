import type {
  AesCipher,
  AesWrapping,
  EllipticCurve,
  MacAlgorithm,
  RsaEncryption,
  SignatureAlgorithm,
} from '@strongroom/contract'
import type { DigestName } from './digest-info.ts'

export interface RsaSignature {
  type: 'RSA'
  digest: DigestName
  padding: 'pkcs1' | 'pss'
}

/** PKCS#1 v1.5 over what the caller already encoded. */
export interface PlainRsaSignature {
  type: 'RSA'
  digest: undefined
  padding: 'pkcs1'
}

export interface EcSignature {
  type: 'EC'
  curve: EllipticCurve
  digest: DigestName
}

/** RFC 7518 section 3.1 and RFC 8812 for ES256K; RSNULL is Azure's name. */
export const signatures: Record<
  Exclude<SignatureAlgorithm, MacAlgorithm>,
  RsaSignature | PlainRsaSignature | EcSignature
> = {
  RS256: { type: 'RSA', digest: 'sha256', padding: 'pkcs1' },
  RS384: { type: 'RSA', digest: 'sha384', padding: 'pkcs1' },
  RS512: { type: 'RSA', digest: 'sha512', padding: 'pkcs1' },
  PS256: { type: 'RSA', digest: 'sha256', padding: 'pss' },
  PS384: { type: 'RSA', digest: 'sha384', padding: 'pss' },
  PS512: { type: 'RSA', digest: 'sha512', padding: 'pss' },
  ES256: { type: 'EC', curve: 'P-256', digest: 'sha256' },
  ES384: { type: 'EC', curve: 'P-384', digest: 'sha384' },
  ES512: { type: 'EC', curve: 'P-521', digest: 'sha512' },
  ES256K: { type: 'EC', curve: 'P-256K', digest: 'sha256' },
  RSNULL: { type: 'RSA', digest: undefined, padding: 'pkcs1' },
}

/** HMAC under oct keys, RFC 7518 section 3.2. */
export const macs: Record<MacAlgorithm, DigestName> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }

/** RFC 8017 section 9.2: the minimum that PKCS#1 v1.5 adds to a value. */
export const pkcs1Overhead = 11

/** OAEP hash; undefined means PKCS#1 v1.5. */
export const rsaEncryptions: Record<RsaEncryption, 'sha1' | 'sha256' | undefined> = {
  'RSA-OAEP': 'sha1',
  'RSA-OAEP-256': 'sha256',
  RSA1_5: undefined,
}

export interface AesMode {
  bits: 128 | 192 | 256
  mode: 'gcm' | 'cbc' | 'cbcpad'
}

/** CBC without PAD accepts whole blocks only; CBCPAD pads as PKCS#7. */
export const aesCiphers: Record<AesCipher, AesMode> = {
  A128GCM: { bits: 128, mode: 'gcm' },
  A192GCM: { bits: 192, mode: 'gcm' },
  A256GCM: { bits: 256, mode: 'gcm' },
  A128CBC: { bits: 128, mode: 'cbc' },
  A192CBC: { bits: 192, mode: 'cbc' },
  A256CBC: { bits: 256, mode: 'cbc' },
  A128CBCPAD: { bits: 128, mode: 'cbcpad' },
  A192CBCPAD: { bits: 192, mode: 'cbcpad' },
  A256CBCPAD: { bits: 256, mode: 'cbcpad' },
}

/** `bits` undefined accepts a key of any size. */
export const aesWrappings: Record<AesWrapping, { bits?: 128 | 192 | 256; padded: boolean }> = {
  A128KW: { bits: 128, padded: false },
  A192KW: { bits: 192, padded: false },
  A256KW: { bits: 256, padded: false },
  CKM_AES_KEY_WRAP: { padded: false },
  CKM_AES_KEY_WRAP_PAD: { padded: true },
}
