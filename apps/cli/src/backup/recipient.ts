import { constants, createHash, createPrivateKey, createPublicKey, privateDecrypt, type KeyObject } from 'node:crypto'
import type { Connection } from '../core/connection.ts'
import { keyAudience, type BackupManifest, type BackupRequest } from '@strongroom/contract'
import { expectSuccess } from '../client/https.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { contentOf } from '../core/file-content.ts'

const query = '?api-version=7.4'
/** Who can open backups: a public key, and where its private half is if in a vault. */
export interface RecipientKey {
  request: BackupRequest['recipient']
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  spkiSha256: string
}

const spkiSha256 = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')

/**
 * A public key in PEM (or a certificate), or the identifier of a vault's key.
 * @param vault the installation whose vault has the key
 * @throws CliError InvalidArgument
 */
export async function readRecipient(given: string, vault: Connection): Promise<RecipientKey> {
  if (given.startsWith('https://')) {
    const token = await vault.ownerToken(keyAudience(given))
    const found = expectSuccess(await vault.https.request({ method: 'GET', url: `${given}${query}`, token }))
    const { key } = found.json as { key: { kid: string; n?: string; e?: string } }
    const publicKey = createPublicKey({ key: { kty: 'RSA', n: key.n ?? '', e: key.e ?? '' }, format: 'jwk' })
    return recipientOf(publicKey, given, key.kid)
  }
  const text = (await contentOf(given)).toString('utf8')
  let key: KeyObject
  try {
    if (/PRIVATE KEY/.test(text)) throw new TypeError('it has a private key')
    key = createPublicKey(text)
  } catch (cause) {
    throw notAKey(given, 'a public RSA key in PEM', (cause as Error).message)
  }
  return recipientOf(key, given)
}

function recipientOf(key: KeyObject, given: string, keyId?: string): RecipientKey {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType !== 'rsa' || bits < 2048)
    throw notAKey(given, 'RSA of 2048 bits or more', `${key.asymmetricKeyType ?? 'another key'} of ${bits} bits`)
  const { n = '', e = '' } = key.export({ format: 'jwk' })
  return { request: { n, e, ...(keyId !== undefined && { keyId }) }, spkiSha256: spkiSha256(key) }
}

const notAKey = (given: string, expected: string, found: string): CliError =>
  new CliError({
    code: 'InvalidArgument',
    message: `${given} is not a key that a backup can be made for.`,
    expected,
    found,
    remedy: 'openssl rsa -in owner.pem -pubout -out owner.pub.pem, or pass the identifier of a vault’s RSA key.',
    exitCode: exitCodes.usage,
  })

/**
 * The backup's data key, by its owner's: a private key in PEM, or unwrapKey of the vault that the manifest names.
 * The caller wipes it.
 * @throws CliError BackupKeyRefused
 */
export async function unwrapDataKey(
  manifest: BackupManifest,
  o: { privateKey: string | undefined; vault: Connection },
): Promise<Buffer> {
  const wrapped = Buffer.from(manifest.wrappedKey, 'base64url')
  const { keyId, spkiSha256: wanted } = manifest.recipient
  if (o.privateKey === undefined) {
    if (keyId === undefined) throw refused('no key was given', '--private-key FILE', 'none')
    return await unwrapByVault(keyId, wrapped, o.vault)
  }
  const key = readPrivateKey(o.privateKey, await contentOf(o.privateKey))
  const found = spkiSha256(createPublicKey(key))
  if (found !== wanted) throw refused('it was made for another key', `a key with SHA-256 ${wanted}`, found)
  try {
    const dataKey = privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, wrapped)
    if (dataKey.length === 32) return dataKey
  } catch {
    // The cause would contain partly decrypted data.
  }
  throw refused('the key does not open it', `a data key under ${wanted}`, 'another, or a damaged one')
}

function readPrivateKey(path: string, content: Buffer): KeyObject {
  try {
    return createPrivateKey(content)
  } catch {
    throw refused(`${path} is not a private key`, 'an RSA private key in PEM, without a passphrase', 'another file')
  }
}

async function unwrapByVault(keyId: string, wrapped: Buffer, vault: Connection): Promise<Buffer> {
  const token = await vault.ownerToken(keyAudience(keyId))
  const url = `${keyId}/unwrapkey${query}`
  const body = { alg: 'RSA-OAEP-256', value: wrapped.toString('base64url') }
  const { value } = expectSuccess(await vault.https.request({ method: 'POST', url, token, body })).json as {
    value: string
  }
  const dataKey = Buffer.from(value, 'base64url')
  if (dataKey.length === 32) return dataKey
  throw refused('the vault’s answer is not a data key', '32 bytes', `${dataKey.length} bytes`)
}

const refused = (why: string, expected: string, found: string): CliError =>
  new CliError({
    code: 'BackupKeyRefused',
    message: `The backup cannot be opened: ${why}.`,
    expected,
    found,
    remedy: 'Use the private half of the key that the backup was made for.',
  })
