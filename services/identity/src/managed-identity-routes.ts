import {
  identityAudience,
  parseAskedBy,
  principals as platformPrincipals,
  type AskedBy,
  type ManagedIdentity,
  type ManagedIdentityChoice,
  type ManagedIdentityToken,
} from '@strongroom/contract'
import {
  requireBearer,
  ServiceError,
  type FastifyInstance,
  type FastifyRequest,
  type TokenVerifier,
} from '@strongroom/platform'
import type { Assignments } from './assignments.ts'
import type { Principals } from './principals.ts'
import type { TokenIssuer } from './tokens.ts'

interface Options {
  principals: Principals
  assignments: Assignments
  tokens: TokenIssuer
  verifier: TokenVerifier
  tenantId: string
}

/**
 * Managed identities, for the platform's own principals alone (contract/guest-metadata.ts): the control plane makes and
 * removes them, the host that carries a VM fetches its tokens.
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
  app.put(`${path}/assignments`, guard('controlPlane'), async (request, reply) => {
    const { resourceId } = fieldsOf(request.body)
    await o.assignments.set(resourceId, clientIdsOf(request.body))
    return await reply.code(204).send()
  })
  app.post(`${path}/token`, { onRequest: [bearer] }, async (request): Promise<ManagedIdentityToken> => {
    const { resourceId, audience } = fieldsOf(request.body)
    // What a virtual machine's identity may do is for the host that carries it alone.
    if (!isKeyReader(request, resourceId)) requirePrincipal(request, 'orchestrator')
    if (audience === undefined) throw invalid('audience')
    const askedBy = askedByOf(request)
    const identity = await o.assignments.choose(resourceId, choiceOf(request.body))
    const token = await o.tokens.access(identity, audience, undefined, askedBy)
    return { ...token, clientId: identity.appId, objectId: identity.objectId }
  })
}

/** The control plane judges the keys of disk-encryption sets, as the sets' identities: by their own or a user-assigned one. */
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

/** Azure's limit on the identities of a resource is far lower. */
const mostIdentities = 1000

function clientIdsOf(body: unknown): string[] {
  const { clientIds } = body as { clientIds?: unknown }
  const sound = Array.isArray(clientIds) && clientIds.length <= mostIdentities && clientIds.every(isGuid)
  if (!sound) throw invalid('clientIds')
  return clientIds as string[]
}

/** Whom the control plane acts for; nobody else may name another. */
function askedByOf(request: FastifyRequest): AskedBy | undefined {
  const { askedBy } = request.body as { askedBy?: unknown }
  if (askedBy === undefined) return undefined
  requirePrincipal(request, 'controlPlane')
  const { objectId, appId } = (askedBy ?? {}) as Record<string, unknown>
  const texts = typeof objectId === 'string' && typeof appId === 'string'
  const read = texts ? parseAskedBy(`${objectId} ${appId}`) : undefined
  if (read === undefined) throw invalid('askedBy')
  return read
}

const isGuid = (value: unknown): boolean =>
  typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)

function choiceOf(body: unknown): ManagedIdentityChoice {
  const choice: ManagedIdentityChoice = {}
  for (const name of ['clientId', 'objectId', 'identityId'] as const) {
    const value = (body as Record<string, unknown>)[name]
    if (value === undefined) continue
    if (typeof value !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(value)) throw invalid(name)
    choice[name] = value
  }
  return choice
}

const invalid = (target: string): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    message: `${target} is missing or has another form.`,
    target,
    expected: '{ "resourceId": "/subscriptions/…", "audience": "…" }',
  })
