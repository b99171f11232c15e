import { generateKeyPair, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { issueSelfSigned, type Clock } from '@strongroom/platform'

const days = 365

/** A key and its self-signed certificate, as one PEM file for `az login --certificate`. The server keeps no copy. */
export async function issueLoginCertificate(clock: Clock): Promise<{ der: Uint8Array; pem: string }> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const now = clock.now().getTime()
  const certificate = issueSelfSigned({
    subject: 'CN=Strongroom owner',
    privateKey,
    usages: ['digitalSignature'],
    notBefore: new Date(now - 5 * 60_000),
    notAfter: new Date(now + days * 24 * 3600_000),
  })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { der: new X509Certificate(certificate).raw, pem: `${key}${certificate.trimEnd()}\n` }
}
