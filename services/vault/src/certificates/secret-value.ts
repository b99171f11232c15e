import { createPrivateKey, X509Certificate } from 'node:crypto'
import { writePkcs12 } from './pkcs12/write.ts'
import type { ContentType } from './policy.ts'

/** Value of a certificate's secret: a PFX without a password in base64, or PEM with the key before the chain. @param o.key PKCS#8 DER */
export async function secretValueOf(o: {
  contentType: ContentType
  key: Uint8Array | undefined
  chain: Uint8Array[]
}): Promise<string> {
  if (o.contentType === 'application/x-pkcs12')
    return Buffer.from(await writePkcs12({ key: o.key, certificates: o.chain })).toString('base64')
  const key = o.key && createPrivateKey({ key: Buffer.from(o.key), format: 'der', type: 'pkcs8' })
  return [
    ...(key === undefined ? [] : [key.export({ type: 'pkcs8', format: 'pem' }) as string]),
    ...o.chain.map((der) => new X509Certificate(der).toString()),
  ].join('')
}
