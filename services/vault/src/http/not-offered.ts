import { ServiceError } from '@strongroom/platform'
import type { App } from './admission.ts'

const collections = {
  certificates: 'Certificates',
  deletedcertificates: 'Certificates',
  storage: 'Storage accounts',
  deletedstorage: 'Storage accounts',
}

/** What Key Vault has and this vault does not: said plainly, so that nobody looks for a fault of theirs. */
export function addNotOffered(app: App): void {
  // Terraform's provider asks for them whenever it reads a vault, and goes on where there are none.
  app.get('/certificates/contacts', async () => {
    throw new ServiceError({
      code: 'CertificateContactsNotFound',
      message: 'Contacts not found: certificates are not offered by the vaults of this installation.',
    })
  })
  for (const [collection, noun] of Object.entries(collections)) {
    for (const path of [`/${collection}`, `/${collection}/*`]) {
      app.all(path, async () => {
        throw new ServiceError({
          code: 'NotOffered',
          status: 501,
          message: `${noun} are not offered by the vaults of this installation.`,
          target: collection,
          expected: 'keys or secrets',
          found: collection,
          remedy: 'Keep the private key as a key and the certificate as a secret.',
        })
      })
    }
  }
}
