import { checkObjectName } from '../objects/names.ts'
import { admit, admitChange, type App, type AppParts, type Request } from './admission.ts'
import { pageFrom } from './pages.ts'
import { apiVersionOf } from './request.ts'

/** Not `:name`: a right to one certificate gives none to an issuer of the same name. */
const issuerOf = (request: Request): string => checkObjectName((request.params as { issuer?: string }).issuer)

/** Certificate issuers, and contacts of a vault's certificates. */
export function addAuthorityRoutes(app: App, parts: AppParts): void {
  const { authoritiesOfVaults: kept } = parts
  const path = '/certificates/issuers/:issuer'

  app.get('/certificates/issuers', async (request) => {
    const { vault } = await admit(parts, request, 'certificates/listIssuers')
    return pageFrom(request, '/certificates/issuers', async (after, limit) => await kept.issuers(vault, after, limit))
  })

  app.get(path, async (request) => {
    const { vault } = await admit(parts, request, 'certificates/getIssuers')
    apiVersionOf(request.query)
    return await kept.issuer(vault, issuerOf(request))
  })

  app.put(path, (request) =>
    admitChange(parts, request, 'certificates/setIssuers', async ({ vault }) =>
      kept.setIssuer(request.caller, vault, issuerOf(request), request.body, true),
    ),
  )

  app.patch(path, (request) =>
    admitChange(parts, request, 'certificates/setIssuers', async ({ vault }) =>
      kept.setIssuer(request.caller, vault, issuerOf(request), request.body, false),
    ),
  )

  app.delete(path, (request) =>
    admitChange(parts, request, 'certificates/deleteIssuers', async ({ vault }) =>
      kept.deleteIssuer(request.caller, vault, issuerOf(request)),
    ),
  )

  app.get('/certificates/contacts', async (request) => {
    const { vault } = await admit(parts, request, 'certificates/manageContacts')
    apiVersionOf(request.query)
    return await kept.contacts(vault)
  })

  app.put('/certificates/contacts', (request) =>
    admitChange(parts, request, 'certificates/manageContacts', async ({ vault }) =>
      kept.setContacts(request.caller, vault, request.body),
    ),
  )

  app.delete('/certificates/contacts', (request) =>
    admitChange(parts, request, 'certificates/manageContacts', async ({ vault }) =>
      kept.deleteContacts(request.caller, vault),
    ),
  )
}
