export { fromBase64, fromBase64Url, toBase64, toBase64Url } from './bytes/base64.ts'
export { ByteReader } from './bytes/byte-reader.ts'
export { ByteWriter } from './bytes/byte-writer.ts'
export { concat, equal, isZero, reversed, utf8 } from './bytes/bytes.ts'
export { digest, digestLength, forWebCrypto, type HashName } from './bytes/digest.ts'
export { fromHex, toHex } from './bytes/hex.ts'
export { DerReader, derTag, type DerValue } from './der/der-reader.ts'
export * from './der/der-values.ts'
export * from './result/errors.ts'
export type { Failure, FailureCode } from './result/failure.ts'
export type { TrustAnchor, TrustAnchors } from './result/trust-anchors.ts'
export type { SignatureAlgorithm, SignatureHash } from './x509/algorithms.ts'
export { parseCertificate, type Certificate } from './x509/certificate.ts'
export { parseCrl, verifyCrl, type Crl } from './x509/crl.ts'
export {
  extensionReader,
  findExtension,
  type BasicConstraints,
  type Extension,
  type KeyUsage,
} from './x509/extensions.ts'
export { describeName, sameName, type Name } from './x509/name.ts'
export { spkiSha256, verifyPath } from './x509/path.ts'
export { parsePem } from './x509/pem.ts'
export { parsePublicKey, verifyRawEcdsa, verifySignature, type Curve, type PublicKey } from './x509/public-key.ts'
