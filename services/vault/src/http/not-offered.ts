import { ServiceError } from '@strongroom/platform'
import { admit, type App, type AppParts } from './admission.ts'

const storage = 'Disks are uploaded and downloaded at the addresses of az disk grant-access.'
const issuer =
  'Use the issuer Self, or Unknown and merge what an authority signed: az keyvault certificate pending merge.'
const contacts = 'Poll the certificate: its policy renews it, and nobody is mailed.'

type Method = 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE'
const all: readonly Method[] = ['GET', 'PUT', 'PATCH', 'POST', 'DELETE']

const collections: readonly [path: string, methods: readonly Method[], what: string, remedy: string][] = [
  ['/storage', all, 'Storage accounts', storage],
  ['/storage/*', all, 'Storage accounts', storage],
  ['/deletedstorage', all, 'Storage accounts', storage],
  ['/deletedstorage/*', all, 'Storage accounts', storage],
  ['/certificates/issuers', all, 'Certificate issuers', issuer],
  ['/certificates/issuers/:issuer', all, 'Certificate issuers', issuer],
  ['/certificates/contacts', ['PUT', 'PATCH', 'POST', 'DELETE'], 'Contacts of certificates', contacts],
]

/** What Key Vault has and this vault lacks, reported as such, so that nobody looks for a mistake of their own. */
export function addNotOffered(app: App, parts: AppParts): void {
  for (const [url, method, what, remedy] of collections)
    app.route({
      method: [...method],
      url,
      handler: async () => {
        throw new ServiceError({
          code: 'NotOffered',
          status: 501,
          message: `${what} are not offered by the vaults of this installation.`,
          target: url,
          expected: 'keys, secrets or certificates',
          found: url,
          remedy,
        })
      },
    })
  // Terraform reads the contacts of every vault, and takes this answer for none.
  app.get('/certificates/contacts', async (request) => {
    await admit(parts, request, 'certificates/manageContacts')
    throw new ServiceError({ code: 'CertificateContactsNotFound', message: 'Contacts not found' })
  })
}
