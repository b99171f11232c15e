import { generateKeyPair, type KeyObject } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { issueSelfSigned, memoryBackedDirectory } from '@strongroom/platform'

const validYears = 30

export interface SigningKey {
  keyPath: string
  certificatePath: string
  certificatePem: string
  privateKey: KeyObject
}

/** Creates an image's Secure Boot key and lends it while `use` runs. Its certificate goes into db. */
export async function withNewKey<T>(use: (key: SigningKey) => Promise<T>): Promise<T> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const from = new Date()
  const to = new Date(from)
  to.setUTCFullYear(from.getUTCFullYear() + validYears)
  const certificatePem = issueSelfSigned({
    subject: 'CN=Strongroom reference image',
    privateKey,
    usages: ['codeSigning'],
    notBefore: from,
    notAfter: to,
  })
  return await withKeyFiles({ privateKey, certificatePem }, use)
}

/** Lends a key as files, in memory-backed storage, while `use` runs: programs that sign boot files accept no other form. */
export async function withKeyFiles<T>(
  { privateKey, certificatePem }: Pick<SigningKey, 'privateKey' | 'certificatePem'>,
  use: (key: SigningKey) => Promise<T>,
): Promise<T> {
  const directory = await memoryBackedDirectory('image-key')
  try {
    const [keyPath, certificatePath] = [join(directory, 'db.key'), join(directory, 'db.pem')]
    await writeFile(keyPath, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
    await writeFile(certificatePath, certificatePem, { mode: 0o600, flag: 'wx' })
    return await use({ keyPath, certificatePath, certificatePem, privateKey })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
