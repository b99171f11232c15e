import {
  identityAudience,
  type AnySpec,
  type ManagedIdentityChoice,
  type ManagedIdentityToken,
  type ManagedIdentityTokenRequest,
} from '@strongroom/contract'
import { ServiceError, type FastifyInstance, type TokenSource, type WireClient } from '@strongroom/platform'
import { metadataVersions, requireVersion } from './metadata/metadata-versions.ts'

const versions = ['2017-12-01', '2018-02-01', '2019-08-01', '2020-06-01', ...metadataVersions]

interface TokenQuery {
  resource?: unknown
  client_id?: unknown
  object_id?: unknown
  msi_res_id?: unknown
  mi_res_id?: unknown
}

/** `/metadata/identity`: access tokens for the VM's own and assigned identities, from the installation's directory. */
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
    const token = await tokenFor(o, resource, choiceOf(request.query))
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

/** Which of the VM's identities is requested. @throws ServiceError if one is named in an unknown form */
function choiceOf(query: TokenQuery): ManagedIdentityChoice {
  const { client_id: clientId, object_id: objectId, msi_res_id: older, mi_res_id: newer } = query
  const given = { clientId, objectId, identityId: older ?? newer }
  const choice: ManagedIdentityChoice = {}
  for (const name of ['clientId', 'objectId', 'identityId'] as const) {
    const value = given[name]
    if (value === undefined) continue
    if (typeof value !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(value)) throw identityNotFound()
    choice[name] = value
  }
  return choice
}

function resourceOf(query: TokenQuery): string {
  const { resource } = query
  if (resource === undefined || resource === '') {
    throw new ServiceError({
      code: 'InvalidRequest',
      message: "Required query variable 'resource' is missing",
      target: 'resource',
    })
  }
  if (typeof resource === 'string' && /^[\x21-\x7e]{1,512}$/.test(resource)) return resource
  throw new ServiceError({
    code: 'InvalidResource',
    message: 'The resource is not the identifier of a service.',
    target: 'resource',
    expected: 'for example https://vault.azure.net',
  })
}

async function tokenFor(
  o: { spec: AnySpec; tenantId: string; wire: WireClient; tokens: TokenSource },
  audience: string,
  choice: ManagedIdentityChoice,
): Promise<ManagedIdentityToken> {
  const url = `${identityAudience}/${o.tenantId}/managedIdentities/token`
  const body: ManagedIdentityTokenRequest = { ...choice, resourceId: o.spec.resourceId, audience }
  try {
    const token = await o.tokens.token('orchestrator', identityAudience)
    return (await o.wire.request<ManagedIdentityToken>({ method: 'POST', url, token, body })).body
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'ManagedIdentityNotFound') throw identityNotFound()
    if (error instanceof ServiceError && error.code === 'ManagedIdentityAmbiguous') throw severalIdentities()
    throw error
  }
}

const identityNotFound = (): ServiceError =>
  new ServiceError({ code: 'InvalidRequest', message: 'Identity not found', target: 'identity' })

const severalIdentities = (): ServiceError =>
  new ServiceError({
    code: 'InvalidRequest',
    message:
      'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request',
    target: 'identity',
  })
