import { ServiceError } from '@strongroom/platform'
import type { App } from './admission.ts'

const remedies = {
  authorities: 'Have it signed outside, then import it with its key: az keyvault certificate import.',
  copies: 'Back up the state directory, or download the secret of an exportable certificate.',
  storage: 'Disks are uploaded and downloaded at the addresses of az disk grant-access.',
}

const collections: readonly [path: string, what: string, remedy: string][] = [
  ['/certificates/issuers', 'Certificate authorities', remedies.authorities],
  ['/certificates/issuers/*', 'Certificate authorities', remedies.authorities],
  ['/certificates/:name/pending/merge', 'Requests that are signed outside', remedies.authorities],
  ['/certificates/:name/backup', 'Backups of certificates', remedies.copies],
  ['/certificates/restore', 'Backups of certificates', remedies.copies],
  ['/storage', 'Storage accounts', remedies.storage],
  ['/storage/*', 'Storage accounts', remedies.storage],
  ['/deletedstorage', 'Storage accounts', remedies.storage],
  ['/deletedstorage/*', 'Storage accounts', remedies.storage],
]

/** What Key Vault has and this vault does not: said plainly, so that nobody looks for a fault of theirs. */
export function addNotOffered(app: App): void {
  // Terraform's provider asks for them whenever it reads a vault, and goes on where there are none.
  app.get('/certificates/contacts', async () => {
    throw new ServiceError({
      code: 'CertificateContactsNotFound',
      message: 'Contacts not found: nobody is written to about certificates.',
    })
  })
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
