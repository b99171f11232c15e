import { loginHost } from '@strongroom/contract'
import type { Clock, FastifyInstance } from '@strongroom/platform'
import type { JWK } from 'jose'
import { OAuthError, unknownTenant } from './oauth/oauth-error.ts'

const base = `https://${loginHost}`

const metadata = (issuer: string, tenant: string, version: '' | '/v2.0'): object => ({
  issuer,
  authorization_endpoint: `${base}/${tenant}/oauth2${version}/authorize`,
  token_endpoint: `${base}/${tenant}/oauth2${version}/token`,
  device_authorization_endpoint: `${base}/${tenant}/oauth2${version}/devicecode`,
  jwks_uri: `${base}/${tenant}/discovery${version}/keys`,
  token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic', 'private_key_jwt', 'none'],
  response_types_supported: ['token', 'code'],
  response_modes_supported: ['query', 'fragment'],
  code_challenge_methods_supported: ['S256'],
  grant_types_supported: [
    'client_credentials',
    'authorization_code',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ],
  subject_types_supported: ['pairwise'],
  id_token_signing_alg_values_supported: ['RS256'],
  scopes_supported: ['openid'],
  claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'nbf', 'oid', 'appid', 'tid'],
  tenant_region_scope: 'WW',
  cloud_instance_name: loginHost,
})

/** OpenID Connect discovery, the public keys, and MSAL's instance discovery. All anonymous. */
export function addDiscovery(
  app: FastifyInstance,
  o: { issuer: string; tenantId: string; jwks: { keys: JWK[] }; clock: Clock; isTenant(name: string): boolean },
): void {
  for (const version of ['', '/v2.0'] as const) {
    app.get<{ Params: { tenant: string } }>(
      `/:tenant${version}/.well-known/openid-configuration`,
      async (request, reply) => {
        const { tenant } = request.params
        if (!o.isTenant(tenant)) return unknownTenant(tenant).send(request, reply, o.clock.now())
        // URLs use our own spelling, not the caller's.
        return reply.send(metadata(o.issuer, tenant.toLowerCase(), version))
      },
    )
    app.get<{ Params: { tenant: string } }>(`/:tenant/discovery${version}/keys`, async (request, reply) => {
      if (!o.isTenant(request.params.tenant))
        return unknownTenant(request.params.tenant).send(request, reply, o.clock.now())
      return reply.send(o.jwks)
    })
  }

  app.get('/device', async (_request, reply) =>
    reply
      .type('text/plain; charset=utf-8')
      .send(
        'As the owner of this installation, review and approve the code that your client shows: strongroom env --approve CODE\n',
      ),
  )

  app.get<{ Querystring: { authorization_endpoint?: unknown } }>(
    '/common/discovery/instance',
    async (request, reply) => {
      const asked = request.query.authorization_endpoint
      let tenant: string | undefined
      try {
        const url = new URL(typeof asked === 'string' ? asked : '')
        if (url.protocol === 'https:' && url.hostname === loginHost)
          tenant = url.pathname.split('/').find((part) => part !== '')
      } catch {
        // Answered below as an unknown authority.
      }
      if (tenant === undefined || !o.isTenant(tenant)) {
        const message = 'The authority in authorization_endpoint does not belong to this installation.'
        return new OAuthError('AADSTS50049', message).send(request, reply, o.clock.now())
      }
      return reply.send({
        tenant_discovery_endpoint: `${base}/${tenant.toLowerCase()}/v2.0/.well-known/openid-configuration`,
        'api-version': '1.1',
        metadata: [{ preferred_network: loginHost, preferred_cache: loginHost, aliases: [loginHost] }],
      })
    },
  )
}
