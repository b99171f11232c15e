import {
  identityAudience,
  principals as platformPrincipals,
  type ManagedIdentity,
  type ManagedIdentityToken,
} from '@strongroom/contract'
import {
  requireBearer,
  ServiceError,
  type FastifyInstance,
  type FastifyRequest,
  type TokenVerifier,
} from '@strongroom/platform'
import type { Principals } from './principals.ts'
import type { TokenIssuer } from './tokens.ts'

interface Options {
  principals: Principals
  tokens: TokenIssuer
  verifier: TokenVerifier
  tenantId: string
}

/**
 * Managed identities, for the platform's own principals alone (contract/guest-metadata.ts): the control plane makes and
 * removes them, the machine that carries a VM fetches its tokens.
 */
export function addManagedIdentities(app: FastifyInstance, o: Options): void {
  const challenge = (): string => `Bearer resource="${identityAudience}"`
  const bearer = requireBearer({ verifier: o.verifier, audiences: [identityAudience], challenge })
  const guard = (who: keyof typeof platformPrincipals) => ({
    onRequest: [bearer, async (request: FastifyRequest) => requirePrincipal(request, who)],
  })
  const path = `/${o.tenantId}/managedIdentities`

  app.put(path, guard('controlPlane'), async (request): Promise<ManagedIdentity> => {
    const { resourceId, displayName } = fieldsOf(request.body)
    const identity = await o.principals.ensureManagedIdentity(resourceId, displayName ?? resourceId.split('/').at(-1)!)
    return { principalId: identity.objectId, clientId: identity.appId, tenantId: o.tenantId }
  })
  app.delete(path, guard('controlPlane'), async (request, reply) => {
    await o.principals.removeManagedIdentity(fieldsOf(request.body).resourceId)
    return await reply.code(204).send()
  })
  app.post(`${path}/token`, { onRequest: [bearer] }, async (request): Promise<ManagedIdentityToken> => {
    const { resourceId, audience } = fieldsOf(request.body)
    // What a virtual machine's identity may do is for the machine that carries it alone.
    if (!isKeyReader(request, resourceId)) requirePrincipal(request, 'orchestrator')
    if (audience === undefined) throw invalid('audience')
    const identity = await o.principals.managedIdentity(resourceId)
    if (identity === undefined) throw managedIdentityNotFound(resourceId)
    const token = await o.tokens.access(identity, audience)
    return { ...token, clientId: identity.appId, objectId: identity.objectId }
  })
}

/** The control plane judges the keys of disk-encryption sets, as the sets' identities: by their own or a user-assigned one. */
const isKeyReader = (request: FastifyRequest, resourceId: string): boolean =>
  request.caller.appId.toLowerCase() === platformPrincipals.controlPlane.appId &&
  /\/providers\/(Microsoft\.Compute\/diskEncryptionSets|Microsoft\.ManagedIdentity\/userAssignedIdentities)\/[^/]+$/i.test(
    resourceId,
  )

export function managedIdentityNotFound(resourceId: string): ServiceError {
  return new ServiceError({
    code: 'ManagedIdentityNotFound',
    status: 400,
    message: 'The resource has no identity.',
    target: resourceId,
    remedy: 'Give it a system-assigned identity.',
  })
}

function requirePrincipal(request: FastifyRequest, who: keyof typeof platformPrincipals): void {
  const { appId, displayName } = platformPrincipals[who]
  if (request.caller.appId.toLowerCase() === appId) return
  throw new ServiceError({
    code: 'AuthorizationFailed',
    status: 403,
    message: `Only the ${displayName} may do this.`,
    expected: appId,
    found: request.caller.appId,
    remedy: 'Use the management API, or the metadata endpoint from inside the virtual machine.',
  })
}

function fieldsOf(body: unknown): { resourceId: string; displayName?: string; audience?: string } {
  const { resourceId, displayName, audience } = (body ?? {}) as Record<string, unknown>
  if (typeof resourceId !== 'string' || !/^\/subscriptions\/[\x21-\x7e]{1,400}$/.test(resourceId))
    throw invalid('resourceId')
  if (displayName !== undefined && (typeof displayName !== 'string' || displayName.length > 256))
    throw invalid('displayName')
  if (audience !== undefined && (typeof audience !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(audience)))
    throw invalid('audience')
  return { resourceId, ...(displayName !== undefined && { displayName }), ...(audience !== undefined && { audience }) }
}

const invalid = (target: string): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    status: 400,
    message: `${target} is missing or has another form.`,
    target,
    expected: '{ "resourceId": "/subscriptions/…", "audience": "…" }',
  })
