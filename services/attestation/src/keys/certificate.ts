import { KeyObject, X509Certificate, type webcrypto } from 'node:crypto'
import { issueSelfSigned } from '@strongroom/platform'

/** The certificate in `x5c`: self-signed, names the issuer, and states nothing that the key does not. @returns DER */
export function selfSignedCertificate(o: {
  issuer: string
  /** Extractable, for RSASSA-PKCS1-v1_5. */
  privateKey: webcrypto.CryptoKey
  notBefore: Date
  notAfter: Date
}): Uint8Array {
  const pem = issueSelfSigned({
    subject: `CN=${o.issuer}`,
    privateKey: KeyObject.from(o.privateKey),
    usages: ['digitalSignature'],
    notBefore: o.notBefore,
    notAfter: o.notAfter,
  })
  return new Uint8Array(new X509Certificate(pem).raw)
}
