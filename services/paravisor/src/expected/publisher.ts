import { createHash, constants, sign, X509Certificate, type KeyObject } from 'node:crypto'
import { algorithms, bareSignedData } from '@strongroom/der'
import { parsePem } from '@strongroom/evidence'
import {
  authenticatedContent,
  bootFileType,
  efiTime,
  writeAuthenticatedVariable,
  type SecureBootVariable,
} from '@strongroom/evidence/expected'

/**
 * Signs an image's boot files, for Secure Boot and as updates: the key of the one certificate that the image adds to
 * db. PCR 7 covers that certificate, so a verifier who knows the image's measurements knows its publisher too.
 */
export interface Publisher {
  privateKey: KeyObject
  certificatePem: string
  /** Compact JWS, PS256, of `bootFileText`. */
  sign(document: Uint8Array): string
  /** A signed write of a Secure Boot variable (EFI_VARIABLE_AUTHENTICATION_2 and the data behind it). */
  signVariable(o: { variable: SecureBootVariable; append: boolean; lists: Uint8Array; at: Date }): Uint8Array
}

/** @param o.privateKey RSA, of the certificate */
export function publisher(o: { privateKey: KeyObject; certificatePem: string }): Publisher {
  const { privateKey } = o
  const part = (value: Uint8Array): string => Buffer.from(value).toString('base64url')
  const header = part(Buffer.from(JSON.stringify({ alg: 'PS256', typ: bootFileType })))
  const key = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const [certificate = new Uint8Array()] = parsePem(o.certificatePem)
  return {
    ...o,
    signVariable: ({ variable, append, lists: data, at }) => {
      const timestamp = efiTime(at)
      const signature = sign('sha256', authenticatedContent({ variable, append, timestamp, data }), privateKey)
      const { sha256: digestAlgorithm, rsaSha256: signatureAlgorithm } = algorithms
      const signedData = bareSignedData({ certificate, digestAlgorithm, signatureAlgorithm, signature })
      return writeAuthenticatedVariable({ timestamp, signedData, data })
    },
    sign: (document) => {
      const input = `${header}.${part(document)}`
      return `${input}.${part(sign('sha256', Buffer.from(input), key))}`
    },
  }
}

/** SHA-256 of the certificate's SubjectPublicKeyInfo, hexadecimal: how a VM's TPM identifies the publisher. @param certificate DER */
export function publisherName(certificate: Uint8Array): string {
  const spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(spki).digest('hex')
}
