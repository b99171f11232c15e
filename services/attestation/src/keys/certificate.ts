/** Loaded on demand: only a new key needs it, and @peculiar/x509 is slow to load. */
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set(webcrypto as never)

/** The certificate in `x5c`: self-signed, names the issuer, says nothing that the key does not. @returns DER */
export async function selfSignedCertificate(o: {
  issuer: string
  keys: { publicKey: webcrypto.CryptoKey; privateKey: webcrypto.CryptoKey }
  notBefore: Date
  notAfter: Date
}): Promise<Uint8Array> {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x3f) | 0x40
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toString('hex'),
    name: [{ CN: [o.issuer] }],
    notBefore: o.notBefore,
    notAfter: o.notAfter,
    signingAlgorithm: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    keys: o.keys as never,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    ],
  })
  return new Uint8Array(certificate.rawData)
}
