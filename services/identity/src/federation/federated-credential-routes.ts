import type { FederatedCredential, FederatedCredentials } from '@strongroom/contract'
import { federatedCredentialName, federatedCredentialRequest } from '@strongroom/contract/wires'
import { ServiceError, type FastifyInstance, type FastifyRequest, type TokenVerifier } from '@strongroom/platform'
import type { Credentials } from '../directory/credentials.ts'
import { identityBearer, readBody, requirePrincipal } from '../managed-identity/managed-identity-routes.ts'
import type { Principals } from '../directory/principals.ts'
import type { FederatedCredentialRow } from '../directory/store.ts'

/** Whose tokens sign in as user-assigned identities. The control plane writes it, on behalf of callers who may write the identity. */
export function addFederatedCredentials(
  app: FastifyInstance,
  o: { principals: Principals; credentials: Credentials; verifier: TokenVerifier; tenantId: string },
): void {
  const path = `/${o.tenantId}/managedIdentities/federatedCredentials`
  const guard = {
    onRequest: [
      identityBearer(o.verifier),
      async (request: FastifyRequest) => requirePrincipal(request, 'controlPlane'),
    ],
  }
  const appIdOf = async (resourceId: string): Promise<string> => {
    const found = isUserAssigned(resourceId) ? await o.principals.managedIdentity(resourceId) : undefined
    if (found !== undefined) return found.appId
    throw new ServiceError({
      code: 'ManagedIdentityNotFound',
      message: 'There is no such identity.',
      found: resourceId.slice(0, 400),
      remedy: 'Create it first.',
    })
  }

  app.get(path, guard, async (request): Promise<FederatedCredentials> => {
    const { resourceId = '' } = request.query as { resourceId?: string }
    return { value: (await o.credentials.federated(await appIdOf(String(resourceId)))).map(view) }
  })
  app.put(path, guard, async (request): Promise<FederatedCredential> => {
    const { resourceId, ...credential } = readBody(federatedCredentialRequest, request)
    const appId = await appIdOf(resourceId)
    return view(await o.credentials.addFederated({ appId, ...credential, replace: true }))
  })
  app.delete(path, guard, async (request, reply) => {
    const { resourceId, name } = readBody(federatedCredentialName, request)
    const found = isUserAssigned(resourceId) ? await o.principals.managedIdentity(resourceId) : undefined
    if (found !== undefined) await o.credentials.removeFederated(found.appId, name)
    return await reply.code(204).send()
  })
}

/** A system-assigned identity of a VM or a disk-encryption set is usable only there. */
const isUserAssigned = (resourceId: string): boolean =>
  /\/providers\/Microsoft\.ManagedIdentity\/userAssignedIdentities\/[^/]+$/i.test(resourceId)

const view = ({ name, issuer, subject, audience }: FederatedCredentialRow): FederatedCredential => ({
  name,
  issuer,
  subject,
  audience,
})
