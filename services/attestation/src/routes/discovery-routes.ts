import type { FastifyInstance } from 'fastify'
import type { SigningKeys } from '../keys/signing-keys.ts'
import type { Providers } from '../providers/providers.ts'
import { providerOf } from './provider-of.ts'

const claimsSupported = [
  ['iss', 'iat', 'nbf', 'exp', 'jti', 'nonce', 'x-ms-ver', 'x-ms-attestation-type', 'x-ms-compliance-status'],
  ['x-ms-policy-hash', 'x-ms-policy-signer', 'x-ms-runtime', 'x-ms-inittime', 'x-strongroom-simulated'],
].flat()

/** What token verifiers read; anonymous and without api-version. */
export function discoveryRoutes(app: FastifyInstance, o: { providers: Providers; keys: SigningKeys }): void {
  app.get('/certs', async (request, reply) => {
    const provider = await providerOf(request, o.providers)
    // The stock verifiers request either type and accept both.
    reply.type('application/json; charset=utf-8').header('cache-control', 'public, max-age=300')
    return { keys: await o.keys.published(provider) }
  })

  app.get('/.well-known/openid-configuration', async (request, reply) => {
    const { issuer } = await providerOf(request, o.providers)
    reply.header('cache-control', 'public, max-age=300')
    return {
      issuer,
      jwks_uri: `${issuer}/certs`,
      response_types_supported: ['token', 'none'],
      id_token_signing_alg_values_supported: ['RS256'],
      revocation_endpoint: `${issuer}/revoke`,
      claims_supported: claimsSupported,
    }
  })
}
