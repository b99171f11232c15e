import { readSecretFile, ServiceError, type Installation } from '@strongroom/platform'

/**
 * Where the services keep their stores: SQLite in the state directory, or a URL from a file, which may contain a
 * password.
 * @throws ServiceError InvalidStoreUrl, SecretFileExposed
 */
export async function readStoreUrl(o: { file: string | undefined; stateDir: string }): Promise<string> {
  const { file, stateDir } = o
  if (file === undefined) return `sqlite:${stateDir}`
  const content = await readSecretFile(file)
  if (content !== undefined) return content.toString('utf8').trim()
  throw new ServiceError({
    code: 'InvalidStoreUrl',
    message: `The URL of the stores must be in ${file}.`,
    expected: 'a file of mode 0600 with one line, postgres://user@host/database',
    found: 'no file',
    remedy: 'Correct the file passed as --store-url-file.',
  })
}

/** @throws ServiceError InstallationStoresFixed */
export function requireStoreUrl({ stores = 'sqlite' }: Pick<Installation, 'stores'>, file: string | undefined): void {
  if ((stores === 'postgres') === (file !== undefined)) return
  throw new ServiceError({
    code: 'InstallationStoresFixed',
    message: 'Where an installation keeps its stores is fixed at creation.',
    expected: stores === 'postgres' ? '--store-url-file with the URL of its PostgreSQL' : 'no --store-url-file',
    found: file ?? 'none',
    remedy: 'Pass --store-url-file as when the installation was created, or omit it.',
  })
}
