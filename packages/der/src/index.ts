export { algorithms } from './algorithms.ts'
export {
  authorityExtensions,
  basicConstraints,
  certificate,
  encodeExtensions,
  encodeName,
  extendedKeyUsage,
  extendedUsages,
  extensionOids,
  keyUsage,
  keyUsageBits,
  type CertificateFields,
  type Extension,
  type KeyUsage,
  type NameAttributes,
  type Unsigned,
} from './certificate.ts'
export { certificationRequest } from './request.ts'
export { bareSignedData, signedData } from './cms.ts'
export { certificateList } from './crl.ts'
export { children, keyBits, subjectOf } from './reader.ts'
export * from './writer.ts'
