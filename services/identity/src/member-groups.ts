import { identityAudience, type MemberGroups } from '@strongroom/contract'
import { requireBearer, type FastifyInstance, type FastifyRequest, type TokenVerifier } from '@strongroom/platform'
import type { Directory } from './directory.ts'
import { requirePrincipal } from './managed-identity-routes.ts'

/** Tells the resource manager alone which groups a principal is in: roles that they have are its own. */
export function addMemberGroups(
  app: FastifyInstance,
  o: { directory: Directory; verifier: TokenVerifier; tenantId: string },
): void {
  const challenge = (): string => `Bearer resource="${identityAudience}"`
  const bearer = requireBearer({ verifier: o.verifier, audiences: [identityAudience], challenge })
  const guard = async (request: FastifyRequest): Promise<void> => requirePrincipal(request, 'controlPlane')
  app.get<{ Params: { objectId: string } }>(
    `/${o.tenantId}/memberGroups/:objectId`,
    { onRequest: [bearer, guard] },
    async (request): Promise<MemberGroups> => ({ groups: await o.directory.groupsOf(request.params.objectId) }),
  )
}
