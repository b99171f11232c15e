/** Loaded on demand: only a build needs it, and @peculiar/x509 is slow to load. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'
import { memoryBackedDirectory } from '@strongroom/platform'

const algorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
}
const validYears = 30

export interface SigningKey {
  keyPath: string
  certificatePath: string
  certificatePem: string
}

/**
 * Lends a Secure Boot key that exists only as long as `use` runs, in memory-backed storage: what it did not sign by then,
 * nobody can sign. Its certificate goes into db.
 */
export async function withThrowAwayKey<T>(use: (key: SigningKey) => Promise<T>): Promise<T> {
  const provider = webcrypto as unknown as Crypto
  x509.cryptoProvider.set(provider)
  const keys = await provider.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const from = new Date()
  const to = new Date(from)
  to.setUTCFullYear(from.getUTCFullYear() + validYears)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Strongroom reference image',
    keys,
    notBefore: from,
    notAfter: to,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.3']),
    ],
  })
  const certificatePem = `${certificate.toString('pem')}\n`
  const directory = await memoryBackedDirectory('image-key')
  try {
    const [keyPath, certificatePath] = [join(directory, 'db.key'), join(directory, 'db.pem')]
    const pkcs8 = Buffer.from(await provider.subtle.exportKey('pkcs8', keys.privateKey))
    await writeFile(keyPath, pem(pkcs8), { mode: 0o600, flag: 'wx' })
    await writeFile(certificatePath, certificatePem, { mode: 0o600, flag: 'wx' })
    return await use({ keyPath, certificatePath, certificatePem })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function pem(pkcs8: Buffer): string {
  const lines = pkcs8.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n')
}
