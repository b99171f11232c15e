import { attestationAudience, loginHost } from '@strongroom/contract'
import { requireBearer, ServiceError, type TokenVerifier } from '@strongroom/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Policies } from '../policy/policies.ts'
import { openPolicyJws, policyTokenHash } from '../policy/stored-policy.ts'
import { offeredTypes, type OfferedType, type Providers } from '../providers/providers.ts'
import type { TokenIssuer } from '../tokens/token.ts'
import { requireApiVersion } from './api-version.ts'
import { providerOf } from './provider-of.ts'

const policyBodyLimit = 256 * 1024

export interface PolicyRoutesOptions {
  providers: Providers
  policies: Policies
  tokens: TokenIssuer
  verifier: TokenVerifier
  tenantId: string
  /** Object ids that may read and write policies. */
  allowed: (objectId: string) => boolean
}

/** `/policies/{type}`: for the owner alone. A policy is sent as the text of a JWS, answered with a signed PolicyResult. */
export async function policyRoutes(app: FastifyInstance, o: PolicyRoutesOptions): Promise<void> {
  await app.register(async (scope) => {
    scope.addHook(
      'onRequest',
      requireBearer({
        verifier: o.verifier,
        audiences: [attestationAudience, `${attestationAudience}/`],
        challenge: () =>
          `Bearer authorization_uri="https://${loginHost}/${o.tenantId}", resource="${attestationAudience}"`,
      }),
    )
    scope.addHook('onRequest', async (request) => authorize(request, o))
    // The SDKs send the JWS as text/plain; some tools label it JSON or nothing at all.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser<string>('*', { parseAs: 'string', bodyLimit: policyBodyLimit }, (_request, body, done) =>
      done(null, body),
    )

    scope.get('/policies/:type', async (request) => {
      const { provider, type } = target(request, o)
      const policy = await o.policies.load(provider, type)
      const claims = {
        'x-ms-policy': policy.jws,
        'x-ms-policy-token-hash': policyTokenHash(policy.jws),
        ...(policy.signer === undefined ? {} : { 'x-ms-policy-signer': policy.signer }),
      }
      return { token: (await o.tokens.sign(provider, claims)).token }
    })

    scope.put('/policies/:type', async (request) => {
      const { provider, type } = target(request, o)
      const policy = await openPolicyJws(bodyText(request))
      await o.policies.set(provider, type, policy, request.caller.objectId)
      request.log.info({ provider: provider.host, type, caller: request.caller.objectId }, 'attestation policy set')
      const claims = {
        'x-ms-policy-result': 'Updated',
        'x-ms-policy-token-hash': policyTokenHash(policy.jws),
        ...(policy.signer === undefined ? {} : { 'x-ms-policy-signer': policy.signer }),
      }
      return { token: (await o.tokens.sign(provider, claims)).token }
    })

    // The router takes the colon for a parameter; doubled it is a plain one.
    scope.post('/policies/:type(^[A-Za-z]+)::reset', async (request) => {
      const { provider, type } = target(request, o)
      await o.policies.reset(provider, type)
      request.log.info({ provider: provider.host, type, caller: request.caller.objectId }, 'attestation policy reset')
      return { token: (await o.tokens.sign(provider, { 'x-ms-policy-result': 'Removed' })).token }
    })
  })
}

function authorize(request: FastifyRequest, o: PolicyRoutesOptions): void {
  if (o.allowed(request.caller.objectId)) return
  throw new ServiceError({
    code: 'Forbidden',
    status: 403,
    message: `The caller ${request.caller.objectId} may not read or change attestation policies.`,
    expected: 'the owner of this installation',
    found: request.caller.objectId,
    remedy: 'Sign in as the owner.',
  })
}

function target(
  request: FastifyRequest,
  o: PolicyRoutesOptions,
): { provider: ReturnType<typeof providerOf>; type: OfferedType } {
  requireApiVersion(request)
  const provider = providerOf(request, o.providers)
  const found = (request.params as { type: string }).type
  const type = offeredTypes.find((candidate) => candidate.toLowerCase() === found.toLowerCase())
  if (type !== undefined) return { provider, type }
  throw new ServiceError({
    code: 'AttestationTypeNotOffered',
    status: 400,
    message: `There is no policy of the type ${found}.`,
    target: 'type',
    expected: offeredTypes.join(' or '),
    found,
    remedy: 'Correct the type in the path.',
  })
}

function bodyText(request: FastifyRequest): string {
  const text = typeof request.body === 'string' ? request.body.trim() : ''
  // Some clients send the JWS as a JSON string.
  return /^".*"$/.test(text) ? text.slice(1, -1) : text
}
