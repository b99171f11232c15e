import { domain } from '@strongroom/contract'
import { createHttpApp, requireBearer, ServiceError, type FastifyInstance } from '@strongroom/platform'
import { userName } from '../tokens.ts'
import { addApplications } from './applications.ts'
import { missing, type GraphOptions } from './directory.ts'
import { addServicePrincipals } from './service-principals.ts'

export const graphHost: string = `graph.${domain}`

/**
 * The part of Microsoft Graph that `az ad` and `az role assignment --assignee` use: applications with their credentials,
 * service principals, and who is asking. Everyone in the directory may read it, as in Entra; its owner alone may write.
 */
export function createGraphApp(o: GraphOptions): FastifyInstance {
  const app = createHttpApp({ name: 'graph', logger: o.logger, bodyLimit: 64 * 1024 })
  void app.register(async (scope) => {
    scope.addHook(
      'onRequest',
      requireBearer({
        verifier: o.verifier,
        audiences: [`https://${graphHost}`, 'https://graph.microsoft.com'],
        challenge: () => `Bearer authorization_uri="https://login.${domain}/${o.tenantId}"`,
      }),
    )
    scope.addHook('onRequest', async (request) => {
      const reads = request.method === 'GET' || request.url.toLowerCase().endsWith('/getbyids')
      if (!reads && request.caller.objectId !== o.ownerObjectId) throw denied()
    })
    scope.get('/v1.0/me', async (request) => {
      const { objectId } = request.caller
      const principal = await o.principals.byObjectId(objectId)
      if (principal === undefined || request.caller.claims['idtyp'] !== 'user') throw notDelegated()
      const name = userName(principal)
      return { id: objectId, displayName: principal.displayName, userPrincipalName: name, mail: null }
    })
    // There are no people but the owner, who is a service principal.
    for (const kind of ['users', 'groups']) {
      scope.get(`/v1.0/${kind}`, async () => ({ value: [] }))
      scope.get<{ Params: { id: string } }>(`/v1.0/${kind}/:id`, async (request) => {
        throw missing(request.params.id)
      })
    }
    addApplications(scope as FastifyInstance, o)
    addServicePrincipals(scope as FastifyInstance, o)
  })
  return app
}

const denied = (): ServiceError =>
  new ServiceError({
    code: 'Authorization_RequestDenied',
    status: 403,
    message: 'Insufficient privileges to complete the operation.',
    expected: "the installation's owner",
    remedy: 'Sign in as the owner.',
  })

const notDelegated = (): ServiceError =>
  new ServiceError({
    code: 'Request_BadRequest',
    status: 400,
    message: '/me request is only valid with delegated authentication flow.',
    remedy: 'Sign in by device code.',
  })
