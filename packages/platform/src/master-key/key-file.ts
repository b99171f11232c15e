import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative, isAbsolute, resolve } from 'node:path'
import { sealedAuthorityFile } from '../authority/files.ts'
import { ServiceError } from '../errors/errors.ts'
import { createFileAtomically } from '../files/files.ts'
import { readSecretFile } from '../files/secret-file.ts'

export const keyBytes = 32
/** In the state directory: the root key, wrapped under the master key. */
export const rootKeyFile = 'root-key.json'

/**
 * The master key (32 bytes) where a file holds it. Looked for in this order:
 *  1. $CREDENTIALS_DIRECTORY/strongroom-master-key (systemd LoadCredential)
 *  2. the file that $STRONGROOM_MASTER_KEY_FILE names
 *  3. $XDG_CONFIG_HOME/strongroom/keys/{installationId}, made at the first start
 * The file holds 32 raw bytes or 64 hexadecimal digits. It never lies under the state directory, so that a copy of the
 * state alone opens nothing.
 * @throws ServiceError MasterKeyMissing, MasterKeyInvalid, MasterKeyInState or SecretFileExposed
 */
export async function loadMasterKey(o: { stateDir: string; installationId: string }): Promise<Uint8Array> {
  const { CREDENTIALS_DIRECTORY, STRONGROOM_MASTER_KEY_FILE } = process.env
  if (CREDENTIALS_DIRECTORY) {
    const credential = await readKey(join(CREDENTIALS_DIRECTORY, 'strongroom-master-key'))
    if (credential) return credential
  }
  if (STRONGROOM_MASTER_KEY_FILE) {
    refuseInside(o.stateDir, STRONGROOM_MASTER_KEY_FILE)
    const named = await readKey(STRONGROOM_MASTER_KEY_FILE)
    if (named) return named
    throw missing(STRONGROOM_MASTER_KEY_FILE)
  }
  if (!/^[0-9a-f-]{36}$/.test(o.installationId)) throw new TypeError('not an installation id')
  const path = join(keysDirectory(), o.installationId)
  refuseInside(o.stateDir, path)
  const kept = await readKey(path)
  if (kept) return kept
  // Something is already sealed: a new key would open none of it, and would block restoring the right one.
  if ([sealedAuthorityFile, rootKeyFile].some((name) => existsSync(join(o.stateDir, name)))) throw missing(path)
  await createFileAtomically(path, randomBytes(keyBytes))
  // Read again: another process may have created it first.
  const made = await readKey(path)
  if (!made) throw missing(path)
  return made
}

/** Where keys created here are: the user's configuration, apart from the state. */
export function keysDirectory(): string {
  const { XDG_CONFIG_HOME } = process.env
  const config = XDG_CONFIG_HOME && isAbsolute(XDG_CONFIG_HOME) ? XDG_CONFIG_HOME : join(homedir(), '.config')
  return join(config, 'strongroom', 'keys')
}

/** @throws ServiceError SecretFileExposed or MasterKeyInvalid; undefined if there is no such file */
export async function readKey(path: string): Promise<Uint8Array | undefined> {
  const content = await readSecretFile(path)
  if (content === undefined) return undefined
  if (content.length === keyBytes) return Uint8Array.from(content)
  const text = content.toString('latin1').trim()
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'))
  throw new ServiceError({
    code: 'MasterKeyInvalid',
    message: `The master key file ${path} does not contain a key.`,
    expected: `${keyBytes} bytes, or ${keyBytes * 2} hexadecimal digits`,
    found: `${content.length} bytes`,
    remedy: 'Restore the file from its backup.',
  })
}

export function refuseInside(stateDir: string, path: string): void {
  const way = relative(resolve(stateDir), resolve(path))
  if (way !== '' && (way.startsWith('..') || isAbsolute(way))) return
  throw new ServiceError({
    code: 'MasterKeyInState',
    message: 'The master key must not be inside the state directory: a copy of the state would contain the key.',
    expected: `a file outside ${stateDir}`,
    found: path,
    remedy: 'Point STRONGROOM_MASTER_KEY_FILE or XDG_CONFIG_HOME elsewhere.',
  })
}

export function missing(path: string): ServiceError {
  return new ServiceError({
    code: 'MasterKeyMissing',
    message: 'The master key of this installation is missing; its data cannot be decrypted without it.',
    expected: path,
    found: 'nothing',
    remedy: 'Restore the file from its backup.',
  })
}
