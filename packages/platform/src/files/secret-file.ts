import { readFile, stat } from 'node:fs/promises'
import { ServiceError } from '../errors/errors.ts'

/**
 * A file with a key, a passphrase or a PIN, readable only by its owner; undefined if there is none.
 * @throws ServiceError SecretFileExposed
 */
export async function readSecretFile(path: string): Promise<Buffer | undefined> {
  try {
    const content = await readFile(path)
    const { mode } = await stat(path)
    // systemd gives credentials only to the service, in a separate directory.
    if ((mode & 0o077) === 0 || path.startsWith(process.env.CREDENTIALS_DIRECTORY || '\0')) return content
    throw new ServiceError({
      code: 'SecretFileExposed',
      message: `The file ${path} holds a secret and is accessible to other users.`,
      expected: 'mode 0600',
      found: `mode 0${(mode & 0o777).toString(8)}`,
      remedy: `chmod 600 ${path}`,
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
