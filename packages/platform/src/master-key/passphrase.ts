import { randomBytes, scrypt } from 'node:crypto'
import { join } from 'node:path'
import { ServiceError } from '../errors/errors.ts'
import { readSecretFile } from '../files/secret-file.ts'
import { keyBytes } from './key-file.ts'

/** scrypt (RFC 7914). */
export interface PassphraseHolder {
  kind: 'passphrase'
  /** Base64. */
  salt: string
  n: number
  r: number
  p: number
}

const shortest = 12

/** OWASP's parameters for scrypt: 128 MiB, about half a second. */
export function newPassphraseHolder(): PassphraseHolder {
  return { kind: 'passphrase', salt: randomBytes(16).toString('base64'), n: 2 ** 17, r: 8, p: 1 }
}

/** @throws ServiceError PassphraseTooShort, or MasterKeyInvalid for parameters that nobody made here */
export async function keyFromPassphrase(holder: PassphraseHolder, passphrase: Buffer): Promise<Uint8Array> {
  const { n, r, p } = holder
  const salt = Buffer.from(holder.salt, 'base64')
  const sane = [n, r, p].every((value) => Number.isSafeInteger(value) && value > 0) && n * r <= 2 ** 22 && p <= 16
  if (!sane || salt.length < 16) {
    throw new ServiceError({
      code: 'MasterKeyInvalid',
      message: 'The parameters of the passphrase are not acceptable.',
      expected: 'scrypt with at most 512 MiB and a salt of 16 bytes',
      found: `n=${n} r=${r} p=${p}, ${salt.length} bytes of salt`,
      remedy: 'Restore the state directory from its backup.',
    })
  }
  if (passphrase.length < shortest) {
    throw new ServiceError({
      code: 'PassphraseTooShort',
      message: 'The passphrase is too short to protect a master key.',
      expected: `at least ${shortest} bytes`,
      found: `${passphrase.length} bytes`,
      remedy: 'Choose a longer one, for example six random words.',
    })
  }
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, keyBytes, { N: n, r, p, maxmem: 256 * n * r }, (error, key) =>
      error ? reject(error) : resolve(Uint8Array.from(key)),
    )
  })
}

/**
 * The operator's passphrase: systemd's credential `strongroom-passphrase`, else the file in STRONGROOM_PASSPHRASE_FILE,
 * without one trailing newline.
 * @throws ServiceError PassphraseMissing or SecretFileExposed
 */
export async function readPassphrase(path?: string): Promise<Buffer> {
  const { CREDENTIALS_DIRECTORY, STRONGROOM_PASSPHRASE_FILE } = process.env
  const places = [
    path,
    CREDENTIALS_DIRECTORY && join(CREDENTIALS_DIRECTORY, 'strongroom-passphrase'),
    STRONGROOM_PASSPHRASE_FILE,
  ]
  for (const place of path === undefined ? places : [path]) {
    const content = place ? await readSecretFile(place) : undefined
    if (content) return content.at(-1) === 0x0a ? content.subarray(0, -1) : content
  }
  throw new ServiceError({
    code: 'PassphraseMissing',
    message: 'The master key of this installation is protected by a passphrase, and none was given.',
    expected: path ?? "systemd's credential strongroom-passphrase, or STRONGROOM_PASSPHRASE_FILE",
    found: 'nothing',
    remedy: 'Put the passphrase into a file of mode 0600, preferably on memory-backed storage, and pass its path.',
  })
}
