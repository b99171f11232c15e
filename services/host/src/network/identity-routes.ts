import { identityAudience, type AnySpec, type ManagedIdentityToken } from '@strongroom/contract'
import { ServiceError, type FastifyInstance, type TokenSource, type WireClient } from '@strongroom/platform'
import { metadataVersions, requireVersion } from './metadata-versions.ts'

const versions = ['2017-12-01', '2018-02-01', '2019-08-01', '2020-06-01', ...metadataVersions]

interface TokenQuery {
  resource?: unknown
  client_id?: unknown
  object_id?: unknown
  msi_res_id?: unknown
  mi_res_id?: unknown
}

/** `/metadata/identity`: access tokens of the VM's system-assigned identity, from the installation's directory. */
export function identityRoutes(
  scope: FastifyInstance,
  o: { spec: AnySpec; tenantId: string; wire: WireClient; tokens: TokenSource },
): void {
  scope.get('/info', async (request) => {
    requireVersion(request.query, versions)
    return { tenantId: o.tenantId }
  })

  scope.get<{ Querystring: TokenQuery }>('/oauth2/token', async (request) => {
    requireVersion(request.query, versions)
    const resource = resourceOf(request.query)
    // A user-assigned identity would be named by its own resource; there are none.
    if ((request.query.msi_res_id ?? request.query.mi_res_id) !== undefined) throw identityNotFound()
    const token = await tokenFor(o, resource)
    const { client_id: clientId, object_id: objectId } = request.query
    if (!(isOrAbsent(clientId, token.clientId) && isOrAbsent(objectId, token.objectId))) throw identityNotFound()
    return {
      access_token: token.accessToken,
      client_id: token.clientId,
      expires_in: String(token.expiresIn),
      expires_on: String(token.expiresOn),
      ext_expires_in: String(token.expiresIn),
      not_before: String(token.expiresOn - token.expiresIn),
      resource,
      token_type: 'Bearer',
    }
  })
}

const isOrAbsent = (asked: unknown, own: string): boolean =>
  asked === undefined || (typeof asked === 'string' && asked.toLowerCase() === own.toLowerCase())

function resourceOf(query: TokenQuery): string {
  const { resource } = query
  if (resource === undefined || resource === '') {
    throw new ServiceError({
      code: 'InvalidRequest',
      status: 400,
      message: "Required query variable 'resource' is missing",
      target: 'resource',
    })
  }
  if (typeof resource === 'string' && /^[\x21-\x7e]{1,512}$/.test(resource)) return resource
  throw new ServiceError({
    code: 'InvalidResource',
    status: 400,
    message: 'The resource is not the identifier of a service.',
    target: 'resource',
    expected: 'for example https://vault.azure.net',
  })
}

async function tokenFor(
  o: { spec: AnySpec; tenantId: string; wire: WireClient; tokens: TokenSource },
  audience: string,
): Promise<ManagedIdentityToken> {
  const url = `${identityAudience}/${o.tenantId}/managedIdentities/token`
  const body = { resourceId: o.spec.resourceId, audience }
  try {
    const token = await o.tokens.token('orchestrator', identityAudience)
    return (await o.wire.request<ManagedIdentityToken>({ method: 'POST', url, token, body })).body
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'ManagedIdentityNotFound') throw identityNotFound()
    throw error
  }
}

const identityNotFound = (): ServiceError =>
  new ServiceError({ code: 'InvalidRequest', status: 400, message: 'Identity not found', target: 'identity' })
