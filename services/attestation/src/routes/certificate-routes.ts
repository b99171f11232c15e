import { ServiceError } from '@strongroom/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { readPolicyCertificate, type PolicyCertificate } from '../policy/policy-certificate.ts'
import { requireSigner } from '../policy/signer.ts'
import { certificateOf, openEnvelope } from '../policy/stored-policy.ts'
import type { Provider } from '../providers/providers.ts'
import { bodyText, managed, managementScope, type ManagementOptions } from './management-scope.ts'

/** `/certificates`: signers of an isolated provider's policies. */
export async function certificateRoutes(app: FastifyInstance, o: ManagementOptions): Promise<void> {
  await managementScope(app, o, (scope) => {
    scope.get('/certificates', async (request) => {
      const provider = await managed(request, o, 'read')
      const keys = await o.certificates.list(provider)
      return { token: (await o.tokens.sign(provider, { 'x-ms-policy-certificates': { keys } })).token }
    })

    scope.post('/certificates::add', async (request) => {
      const provider = await managed(request, o, 'write')
      const certificate = await certificateIn(request, provider, o)
      await o.certificates.add(provider, certificate, request.caller.objectId)
      return await answer(request, provider, certificate, 'IsPresent', o)
    })

    scope.post('/certificates::remove', async (request) => {
      const provider = await managed(request, o, 'delete')
      const certificate = await certificateIn(request, provider, o)
      await o.certificates.remove(provider, certificate.thumbprint)
      return await answer(request, provider, certificate, 'IsAbsent', o)
    })
  })
}

/** @throws ServiceError InvalidOperation, InvalidParameter */
async function certificateIn(
  request: FastifyRequest,
  provider: Provider,
  o: ManagementOptions,
): Promise<PolicyCertificate> {
  if (provider.trustModel !== 'Isolated')
    throw new ServiceError({
      code: 'InvalidOperation',
      message: `${provider.host} has no policy certificates: it trusts roles (AAD), not signatures.`,
      target: 'policyCertificate',
      expected: 'a provider with the trust model Isolated',
      found: provider.trustModel,
      remedy: 'Create a provider with policySigningCertificates; the trust model cannot be changed.',
    })
  const envelope = openEnvelope(bodyText(request))
  await requireSigner(provider, envelope, o)
  return readPolicyCertificate(certificateOf(envelope), o.now(), 'policyCertificate')
}

async function answer(
  request: FastifyRequest,
  provider: Provider,
  { thumbprint }: PolicyCertificate,
  resolution: 'IsPresent' | 'IsAbsent',
  o: ManagementOptions,
): Promise<{ token: string }> {
  const caller = request.caller.objectId
  request.log.info({ provider: provider.host, thumbprint, resolution, caller }, 'policy certificates changed')
  const claims = { 'x-ms-certificate-thumbprint': thumbprint, 'x-ms-policycertificates-result': resolution }
  return { token: (await o.tokens.sign(provider, claims)).token }
}
