import { domain, graphHost } from '@strongroom/contract'
import { createHttpApp, requireBearer, ServiceError, type FastifyInstance } from '@strongroom/platform'
import { userName } from '../tokens/tokens.ts'
import { addApplications } from './applications.ts'
import { addDirectoryObjects } from './directory-objects.ts'
import type { GraphOptions } from './directory.ts'
import { addGroups } from './groups.ts'
import { addServicePrincipals } from './service-principals.ts'
import { addUsers } from './users.ts'

/** Graph's POST requests that only read. */
const questions = /\/(getByIds|checkMemberGroups|getMemberGroups)$/i

/**
 * The part of Microsoft Graph that `az ad` and `az role assignment --assignee` use: applications with their
 * credentials, service principals, people, groups, and the caller. Everyone in the directory may read it, as in Entra;
 * only the owner may write.
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
      // The route's own path: a query cannot make it a read.
      const reads = request.method === 'GET' || questions.test(request.routeOptions.url ?? '')
      if (!reads && request.caller.objectId !== o.ownerObjectId) throw denied()
    })
    scope.get('/v1.0/me', async (request) => {
      const { objectId } = request.caller
      const principal = await o.principals.byObjectId(objectId)
      if (principal === undefined || request.caller.claims['idtyp'] !== 'user') throw notDelegated()
      const name = userName(principal)
      return { id: objectId, displayName: principal.displayName, userPrincipalName: name, mail: null }
    })
    addApplications(scope as FastifyInstance, o)
    addServicePrincipals(scope as FastifyInstance, o)
    addUsers(scope as FastifyInstance, o)
    addGroups(scope as FastifyInstance, o)
    addDirectoryObjects(scope as FastifyInstance, o)
  })
  return app
}

const denied = (): ServiceError =>
  new ServiceError({
    code: 'Authorization_RequestDenied',
    message: 'Insufficient privileges to complete the operation.',
    expected: "the installation's owner",
    remedy: 'Sign in as the owner.',
  })

const notDelegated = (): ServiceError =>
  new ServiceError({
    code: 'Request_BadRequest',
    message: '/me request is only valid with delegated authentication flow.',
    remedy: 'Sign in by device code.',
  })
