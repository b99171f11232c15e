import { attestationTypes, type AttestationType } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { requireSigner } from '../policy/signer.ts'
import { openEnvelope, policyOf, policyTokenHash, type StoredPolicy } from '../policy/stored-policy.ts'
import { bodyText, managed, managementScope, type ManagementOptions } from './management-scope.ts'

/** `/policies/{type}`: a policy is sent as the text of a JWS, and answered with a signed PolicyResult. */
export async function policyRoutes(app: FastifyInstance, o: ManagementOptions): Promise<void> {
  await managementScope(app, o, (scope) => {
    scope.get('/policies/:type', async (request) => {
      const provider = await managed(request, o, 'read')
      const policy = await o.policies.load(provider, typeOf(request))
      return { token: (await o.tokens.sign(provider, { 'x-ms-policy': policy.jws, ...resultOf(policy) })).token }
    })

    scope.put('/policies/:type', async (request) => {
      const provider = await managed(request, o, 'write')
      const type = typeOf(request)
      const envelope = openEnvelope(bodyText(request))
      await requireSigner(provider, envelope, o)
      const policy = policyOf(envelope)
      await o.policies.set(provider, type, policy, request.caller.objectId)
      request.log.info({ provider: provider.host, type, caller: request.caller.objectId }, 'attestation policy set')
      return { token: (await o.tokens.sign(provider, { 'x-ms-policy-result': 'Updated', ...resultOf(policy) })).token }
    })

    // The router treats a colon as a parameter; doubled, it is literal.
    scope.post('/policies/:type(^[A-Za-z]+)::reset', async (request) => {
      const provider = await managed(request, o, 'delete')
      const type = typeOf(request)
      const text = bodyText(request)
      // Tools send an empty body if no signature is required.
      if (text !== '' || provider.trustModel === 'Isolated') await requireSigner(provider, openEnvelope(text), o)
      await o.policies.reset(provider, type)
      request.log.info({ provider: provider.host, type, caller: request.caller.objectId }, 'attestation policy reset')
      const now = await o.policies.load(provider, type)
      return { token: (await o.tokens.sign(provider, { 'x-ms-policy-result': 'Removed', ...resultOf(now) })).token }
    })
  })
}

function resultOf(policy: StoredPolicy): Record<string, unknown> {
  return {
    'x-ms-policy-token-hash': policyTokenHash(policy.jws),
    ...(policy.signer === undefined ? {} : { 'x-ms-policy-signer': policy.signer }),
  }
}

function typeOf(request: FastifyRequest): AttestationType {
  const found = (request.params as { type: string }).type
  const type = attestationTypes.find((candidate) => candidate.toLowerCase() === found.toLowerCase())
  if (type !== undefined) return type
  throw new ServiceError({
    code: 'AttestationTypeNotOffered',
    status: 400,
    message: `There is no policy of the type ${found}.`,
    target: 'type',
    expected: attestationTypes.join(' or '),
    found,
    remedy: 'Correct the type in the path.',
  })
}
