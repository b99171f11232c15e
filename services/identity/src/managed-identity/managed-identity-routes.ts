import {
  identityAudience,
  principals as platformPrincipals,
  type AskedBy,
  type ManagedIdentity,
  type ManagedIdentityToken,
} from '@strongroom/contract'
import type { Shape } from '@strongroom/contract/shape'
import {
  managedIdentityAssignments,
  managedIdentityRequest,
  managedIdentityTokenRequest,
} from '@strongroom/contract/wires'
import {
  read,
  requireBearer,
  ServiceError,
  type FastifyInstance,
  type FastifyRequest,
  type TokenVerifier,
} from '@strongroom/platform'
import type { Assignments } from './assignments.ts'
import type { Principals } from '../directory/principals.ts'
import type { TokenIssuer } from '../tokens/tokens.ts'

interface Options {
  principals: Principals
  assignments: Assignments
  tokens: TokenIssuer
  verifier: TokenVerifier
  tenantId: string
}

export const readBody = <T>(shape: Shape<T>, request: FastifyRequest): T =>
  read(shape, request.body, { code: 'InvalidRequestContent', subject: 'The request' })

/** Accepts tokens for this wire. */
export const identityBearer = (verifier: TokenVerifier): ReturnType<typeof requireBearer> =>
  requireBearer({ verifier, audiences: [identityAudience], challenge: () => `Bearer resource="${identityAudience}"` })

/**
 * Managed identities, for the platform's own principals only (`identityWire`): the control plane creates and removes
 * them; the host of a VM fetches its tokens.
 */
export function addManagedIdentities(app: FastifyInstance, o: Options): void {
  const bearer = identityBearer(o.verifier)
  const guard = (who: keyof typeof platformPrincipals) => ({
    onRequest: [bearer, async (request: FastifyRequest) => requirePrincipal(request, who)],
  })
  const path = `/${o.tenantId}/managedIdentities`

  app.put(path, guard('controlPlane'), async (request): Promise<ManagedIdentity> => {
    const { resourceId, displayName } = readBody(managedIdentityRequest, request)
    const identity = await o.principals.ensureManagedIdentity(resourceId, displayName ?? resourceId.split('/').at(-1)!)
    return { principalId: identity.objectId, clientId: identity.appId, tenantId: o.tenantId }
  })
  app.delete(path, guard('controlPlane'), async (request, reply) => {
    await o.principals.removeManagedIdentity(readBody(managedIdentityRequest, request).resourceId)
    return await reply.code(204).send()
  })
  app.put(`${path}/assignments`, guard('controlPlane'), async (request, reply) => {
    const { resourceId, clientIds } = readBody(managedIdentityAssignments, request)
    await o.assignments.set(resourceId, clientIds)
    return await reply.code(204).send()
  })
  app.post(`${path}/token`, { onRequest: [bearer] }, async (request): Promise<ManagedIdentityToken> => {
    const { resourceId, audience, askedBy, ...choice } = readBody(managedIdentityTokenRequest, request)
    // Only the VM's host may use its identity.
    if (!isKeyReader(request, resourceId)) requirePrincipal(request, 'orchestrator')
    requireMayName(request, askedBy)
    const identity = await o.assignments.choose(resourceId, choice)
    const token = await o.tokens.access(identity, audience, undefined, askedBy)
    return { ...token, clientId: identity.appId, objectId: identity.objectId }
  })
}

/** The control plane judges the keys of disk-encryption sets with the sets' own or user-assigned identities. */
const isKeyReader = (request: FastifyRequest, resourceId: string): boolean =>
  request.caller.appId.toLowerCase() === platformPrincipals.controlPlane.appId &&
  /\/providers\/(Microsoft\.Compute\/diskEncryptionSets|Microsoft\.ManagedIdentity\/userAssignedIdentities)\/[^/]+$/i.test(
    resourceId,
  )

export function requirePrincipal(request: FastifyRequest, who: keyof typeof platformPrincipals): void {
  const { appId, displayName } = platformPrincipals[who]
  if (request.caller.appId.toLowerCase() === appId) return
  throw new ServiceError({
    code: 'AuthorizationFailed',
    message: `Only the ${displayName} may do this.`,
    expected: appId,
    found: request.caller.appId,
    remedy: 'Use the management API, or the metadata endpoint from inside the virtual machine.',
  })
}

/** The control plane's caller; nobody else may name another. */
function requireMayName(request: FastifyRequest, askedBy: AskedBy | undefined): void {
  if (askedBy !== undefined) requirePrincipal(request, 'controlPlane')
}
