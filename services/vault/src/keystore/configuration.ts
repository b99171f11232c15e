import { isAbsolute, join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { readSecretFile, ServiceError } from '@strongroom/platform'

/** Where keys are created and kept. The PIN is in a separate file or a systemd credential, never here. */
export type KeystoreConfiguration = { kind: 'software' } | Pkcs11Configuration

export interface Pkcs11Configuration {
  kind: 'pkcs11'
  /** Absolute path of the module. */
  module: string
  /** Label of the token. */
  token: string
  /** File with the PIN of the token's user; by default systemd's credential `strongroom-pkcs11-pin`. */
  pinFile?: string
  /**
   * Where the fresh AES key of a release is created. `token` (default): in the token, which must support RSA-OAEP with
   * the requested hash. `memory`: in our memory if the token does not; the private key still stays in the token.
   */
  transportKey?: 'token' | 'memory'
}

/** @throws ServiceError KeystoreConfigurationInvalid, with the place */
export async function readKeystoreConfiguration(path: string): Promise<KeystoreConfiguration> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw invalid(path, 'a file with JSON', (error as Error).message)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(path, 'an object', typeof value)
  const fields = value as Record<string, unknown>
  const known = fields['kind'] === 'pkcs11' ? ['kind', 'module', 'token', 'pinFile', 'transportKey'] : ['kind']
  const unknown = Object.keys(fields).find((name) => !known.includes(name))
  if (unknown !== undefined) throw invalid(`${path}: ${unknown}`, known.join(', '), unknown)
  if (fields['kind'] === 'software') return { kind: 'software' }
  if (fields['kind'] !== 'pkcs11')
    throw invalid(`${path}: kind`, 'software or pkcs11', JSON.stringify(fields['kind']) ?? 'nothing')
  const { module, token, pinFile, transportKey } = fields
  if (typeof module !== 'string' || !isAbsolute(module)) {
    throw invalid(`${path}: module`, 'the absolute path of a PKCS#11 module', JSON.stringify(module) ?? 'nothing')
  }
  if (typeof token !== 'string' || token === '' || Buffer.byteLength(token) > 32) {
    throw invalid(`${path}: token`, 'the label of a token, at most 32 bytes', JSON.stringify(token) ?? 'nothing')
  }
  if (transportKey !== undefined && transportKey !== 'token' && transportKey !== 'memory') {
    throw invalid(`${path}: transportKey`, 'token or memory', JSON.stringify(transportKey))
  }
  const read: Pkcs11Configuration = {
    kind: 'pkcs11',
    module,
    token,
    ...(transportKey !== undefined && { transportKey }),
  }
  if (pinFile === undefined) return read
  if (typeof pinFile !== 'string' || !isAbsolute(pinFile))
    throw invalid(`${path}: pinFile`, 'an absolute path', JSON.stringify(pinFile))
  return { ...read, pinFile }
}

/** The PIN, without one trailing newline. @throws ServiceError TokenPinMissing, SecretFileExposed */
export async function readPin(o: Pkcs11Configuration): Promise<string> {
  const { CREDENTIALS_DIRECTORY } = process.env
  const path = o.pinFile ?? (CREDENTIALS_DIRECTORY ? join(CREDENTIALS_DIRECTORY, 'strongroom-pkcs11-pin') : undefined)
  const content = path === undefined ? undefined : await readSecretFile(path)
  if (content) return content.toString('utf8').replace(/\n$/, '')
  throw new ServiceError({
    code: 'TokenPinMissing',
    message: `There is no PIN for the token ${o.token}.`,
    expected: path ?? "pinFile in the keystore's configuration, or systemd's credential strongroom-pkcs11-pin",
    found: 'nothing',
    remedy: 'Put the PIN into a file of mode 0600 and pass its path.',
  })
}

function invalid(target: string, expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'KeystoreConfigurationInvalid',
    message: 'The configuration of the keystore is not valid.',
    target,
    expected,
    found,
    remedy: 'See docs/explanation/vault.md#where-keys-are-kept.',
  })
}
