import {
  constants,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  type KeyObject,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  createSealer,
  keyDigest,
  keyFromPassphrase,
  newPassphraseHolder,
  readPassphrase,
  readSecretFile,
  SealError,
  ServiceError,
  type PassphraseHolder,
} from '@strongroom/platform'

/** How a backup's data key is wrapped: for whoever knows a passphrase, or has the private half of an RSA key. */
export type WrappedKey =
  | { passphrase: PassphraseHolder; sealed: string }
  | { rsa: { spkiSha256: string; wrapped: string } }

const context = 'installation-backup'
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const

/** Files: neither a passphrase nor a key is ever an argument. */
export type Recipient = { passphraseFile: string } | { publicKeyFile: string }
export type Opener = { passphraseFile: string } | { privateKeyFile: string }

/** @returns the data key, 32 bytes @throws ServiceError BackupKeyRefused, PassphraseTooShort, SecretFileExposed */
export async function wrapForRecipient(to: Recipient): Promise<{ key: Buffer; wrapped: WrappedKey }> {
  const key = randomBytes(32)
  if ('passphraseFile' in to) {
    const passphrase = newPassphraseHolder()
    const wrapping = createSealer(await keyFromPassphrase(passphrase, await readPassphrase(to.passphraseFile)))
    return { key, wrapped: { passphrase, sealed: base64(await wrapping.seal(key, context)) } }
  }
  const publicKey = readPublicKey(to.publicKeyFile, await readFile(to.publicKeyFile, 'utf8'))
  const wrapped = base64(publicEncrypt({ key: publicKey, ...oaep }, key))
  return { key, wrapped: { rsa: { spkiSha256: digestOf(publicKey), wrapped } } }
}

/** @throws ServiceError BackupKeyRefused, SecretFileExposed */
export async function unwrapForRecipient(wrapped: WrappedKey, by: Opener): Promise<Buffer> {
  if ('passphrase' in wrapped) {
    if (!('passphraseFile' in by)) throw refused('--passphrase-file: it was made for a passphrase', 'another key')
    const key = await keyFromPassphrase(wrapped.passphrase, await readPassphrase(by.passphraseFile))
    try {
      return Buffer.from(await createSealer(key).open(Buffer.from(wrapped.sealed, 'base64'), context))
    } catch (error) {
      if (error instanceof SealError) throw refused('the passphrase that it was made with', 'another one')
      throw error
    }
  }
  const expected = `the private half of the RSA key with SHA-256 ${wrapped.rsa.spkiSha256}`
  if (!('privateKeyFile' in by)) throw refused(`--private-key: ${expected}`, 'a passphrase')
  const pem = await readSecretFile(by.privateKeyFile)
  let key: KeyObject
  try {
    key = createPrivateKey(pem ?? '')
  } catch {
    throw refused(expected, pem === undefined ? 'no file' : 'no private key in PEM without a passphrase')
  }
  const found = digestOf(createPublicKey(key))
  if (found !== wrapped.rsa.spkiSha256) throw refused(expected, `one with SHA-256 ${found}`)
  try {
    return privateDecrypt({ key, ...oaep }, Buffer.from(wrapped.rsa.wrapped, 'base64'))
  } catch {
    throw refused(expected, 'a wrapped key that it does not open')
  }
}

function readPublicKey(path: string, pem: string): KeyObject {
  const expected = 'a public RSA key of 2048 bits or more, in PEM'
  let key: KeyObject
  try {
    if (pem.includes('PRIVATE KEY')) throw new TypeError('a private key')
    key = createPublicKey(pem)
  } catch {
    throw refused(expected, `${path}, which has none`)
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType === 'rsa' && bits >= 2048) return key
  throw refused(expected, `${key.asymmetricKeyType ?? 'another key'} of ${bits} bits`)
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const digestOf = (key: KeyObject): string => keyDigest(key.export({ type: 'spki', format: 'der' }))

const refused = (expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'BackupKeyRefused',
    message: 'The key does not fit the backup of an installation.',
    expected,
    found,
    remedy: 'Use the passphrase, or the private half of the key, that the backup was made for.',
  })
