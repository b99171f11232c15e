import { identityAudience, type MemberGroups } from '@strongroom/contract'
import { requireBearer, type FastifyInstance, type FastifyRequest, type TokenVerifier } from '@strongroom/platform'
import type { Directory } from './directory/directory.ts'
import { requirePrincipal } from './managed-identity/managed-identity-routes.ts'
import type { Principals } from './directory/principals.ts'

/** Shows only the resource manager what an object is, and its groups, for role assignments. */
export function addMemberGroups(
  app: FastifyInstance,
  o: { directory: Directory; principals: Principals; verifier: TokenVerifier; tenantId: string },
): void {
  const challenge = (): string => `Bearer resource="${identityAudience}"`
  const bearer = requireBearer({ verifier: o.verifier, audiences: [identityAudience], challenge })
  const guard = async (request: FastifyRequest): Promise<void> => requirePrincipal(request, 'controlPlane')
  app.get<{ Params: { objectId: string } }>(
    `/${o.tenantId}/memberGroups/:objectId`,
    { onRequest: [bearer, guard] },
    async (request): Promise<MemberGroups> => {
      const { objectId } = request.params
      const principalType = await typeOf(o, objectId)
      const groups = await o.directory.groupsOf(objectId)
      return { ...(principalType !== undefined && { principalType }), groups }
    },
  )
}

async function typeOf(
  o: { directory: Directory; principals: Principals },
  objectId: string,
): Promise<MemberGroups['principalType']> {
  if ((await o.principals.byObjectId(objectId)) !== undefined) return 'ServicePrincipal'
  if ((await o.directory.group(objectId)) !== undefined) return 'Group'
  return (await o.directory.user(objectId)) === undefined ? undefined : 'User'
}
