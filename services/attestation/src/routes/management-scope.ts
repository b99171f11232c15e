import { attestationAudience, loginHost } from '@strongroom/contract'
import { requireBearer, type TokenVerifier } from '@strongroom/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { PolicyCertificates } from '../policy/policy-certificates.ts'
import type { Policies } from '../policy/policies.ts'
import type { Provider, Providers } from '../providers/providers.ts'
import type { Right, Rights } from '../providers/rights.ts'
import type { TokenIssuer } from '../tokens/token.ts'
import { requireApiVersion } from './api-version.ts'
import { providerOf } from './provider-of.ts'

const bodyLimit = 256 * 1024

export interface ManagementOptions {
  providers: Providers
  policies: Policies
  certificates: PolicyCertificates
  tokens: TokenIssuer
  verifier: TokenVerifier
  tenantId: string
  rights: Rights
  now: () => Date
}

/** Refuses requests without a token for the attestation service. */
export function requireAttestationBearer(o: {
  verifier: TokenVerifier
  tenantId: string
}): ReturnType<typeof requireBearer> {
  return requireBearer({
    verifier: o.verifier,
    audiences: [attestationAudience, `${attestationAudience}/`],
    challenge: () => `Bearer authorization_uri="https://${loginHost}/${o.tenantId}", resource="${attestationAudience}"`,
  })
}

/** Creates a scope of routes for provider management: signed-in callers, bodies as text. */
export async function managementScope(
  app: FastifyInstance,
  o: ManagementOptions,
  routes: (scope: FastifyInstance) => void,
): Promise<void> {
  await app.register(async (scope) => {
    scope.addHook('onRequest', requireAttestationBearer(o))
    // The SDKs send a JWS as text/plain or as a JSON string; some tools label it wrongly or not at all.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser<string>('*', { parseAs: 'string', bodyLimit }, (_request, body, done) =>
      done(null, body),
    )
    routes(scope)
  })
}

/** The provider of a request whose caller has the right. */
export async function managed(request: FastifyRequest, o: ManagementOptions, right: Right): Promise<Provider> {
  requireApiVersion(request)
  const provider = await providerOf(request, o.providers)
  await o.rights.require(request.caller, provider, right)
  return provider
}

export function bodyText(request: FastifyRequest): string {
  const text = typeof request.body === 'string' ? request.body.trim() : ''
  return /^".*"$/.test(text) ? text.slice(1, -1) : text
}
