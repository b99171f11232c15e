import { ServiceError } from '@strongroom/platform'
import type { App } from './admission.ts'

const remedies = {
  storage: 'Disks are uploaded and downloaded at the addresses of az disk grant-access.',
}

const collections: readonly [path: string, what: string, remedy: string][] = [
  ['/storage', 'Storage accounts', remedies.storage],
  ['/storage/*', 'Storage accounts', remedies.storage],
  ['/deletedstorage', 'Storage accounts', remedies.storage],
  ['/deletedstorage/*', 'Storage accounts', remedies.storage],
]

/** What Key Vault has and this vault lacks, reported as such, so that nobody looks for a mistake of their own. */
export function addNotOffered(app: App): void {
  for (const [path, what, remedy] of collections) {
    app.all(path, async () => {
      throw new ServiceError({
        code: 'NotOffered',
        status: 501,
        message: `${what} are not offered by the vaults of this installation.`,
        target: path,
        expected: 'keys, secrets or certificates',
        found: path,
        remedy,
      })
    })
  }
}
