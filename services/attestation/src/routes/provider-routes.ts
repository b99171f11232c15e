import {
  attestationManagementApiVersion,
  attestationManagementAudience,
  attestationProviderHost,
  loginHost,
  principals,
  type AttestationProviderRecord,
} from '@strongroom/contract'
import {
  attestationManagementWire,
  attestationProviderDefinition,
  attestationProviderMove,
} from '@strongroom/contract/wires'
import { read, requireBearer, serveWire, ServiceError, type TokenVerifier } from '@strongroom/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { SigningKeys } from '../keys/signing-keys.ts'
import { readPolicyCertificate } from '../policy/policy-certificate.ts'
import type { Provider, Providers } from '../providers/providers.ts'

interface ProviderRoutesOptions {
  providers: Providers
  keys: SigningKeys
  verifier: TokenVerifier
  tenantId: string
  now: () => Date
}

/** `attestationManagementWire`, for the resource manager's principal only. */
export function providerRoutes(app: FastifyInstance, o: ProviderRoutesOptions): void {
  serveWire(app, attestationManagementWire)
  app.addHook(
    'onRequest',
    requireBearer({
      verifier: o.verifier,
      audiences: [attestationManagementAudience],
      challenge: () =>
        `Bearer authorization_uri="https://${loginHost}/${o.tenantId}", resource="${attestationManagementAudience}"`,
    }),
  )
  app.addHook('onRequest', async (request) => requireResourceManager(request))

  app.put('/providers/:region/:name', async (request, reply): Promise<AttestationProviderRecord> => {
    const { region, name } = request.params as { region: string; name: string }
    const definition = read(attestationProviderDefinition, request.body, {
      code: 'InvalidParameter',
      subject: 'The definition of the provider',
    })
    const { resourceId } = definition
    const certificates = definition.policySigningCertificates.map((jwk, index) =>
      readPolicyCertificate(jwk, o.now(), `policySigningCertificates.keys[${index}]`),
    )
    const callerObjectId = request.caller.objectId
    const { provider, created } = await o.providers.create({
      name,
      regionCode: region,
      resourceId,
      certificates,
      callerObjectId,
    })
    // The key is created now, so that the first attestation does not wait for it.
    await o.keys.current(provider)
    reply.code(created ? 201 : 200)
    return recordOf(provider)
  })

  app.get('/providers/:region/:name', async (request) => recordOf(await find(request, o.providers)))

  app.delete('/providers/:region/:name', async (request, reply) => {
    const { region, name } = request.params as { region: string; name: string }
    const provider = await o.providers.get(attestationProviderHost(name, region))
    if (provider?.resourceId !== undefined) {
      await o.providers.remove(provider)
      o.keys.forget(provider)
    }
    return reply.code(204).send()
  })

  app.post('/providers/:region/:name/move', async (request) => {
    const move = read(attestationProviderMove, request.body, { code: 'InvalidParameter', subject: 'The move' })
    return recordOf(await o.providers.move(await find(request, o.providers), move))
  })

  app.post('/providers/:region/:name/rotateKey', async (request) => {
    const provider = await find(request, o.providers)
    await o.keys.rotate(provider)
    return { kid: (await o.keys.current(provider)).kid }
  })
}

function requireResourceManager(request: FastifyRequest): void {
  if ((request.query as Record<string, unknown>)['api-version'] !== attestationManagementApiVersion)
    throw invalid('api-version', attestationManagementApiVersion)
  if (request.caller.appId === principals.controlPlane.appId) return
  throw new ServiceError({
    code: 'Forbidden',
    message: 'Only the resource manager may create providers.',
    expected: principals.controlPlane.displayName,
    found: request.caller.appId,
    remedy:
      'Create the provider as a resource: PUT …/Microsoft.Attestation/attestationProviders/{name} at the resource manager.',
  })
}

/** @throws ServiceError ProviderNotFound, also for regions' shared providers: they are not resources */
async function find(request: FastifyRequest, providers: Providers): Promise<Provider> {
  const { region, name } = request.params as { region: string; name: string }
  const host = attestationProviderHost(name, region)
  const provider = await providers.get(host)
  if (provider?.resourceId !== undefined) return provider
  throw new ServiceError({
    code: 'ProviderNotFound',
    message: `There is no attestation provider ${host}.`,
  })
}

function recordOf(provider: Provider): AttestationProviderRecord {
  const { name, regionCode, resourceId = '', trustModel, issuer, createdAt = '' } = provider
  return { name, regionCode, resourceId, trustModel, attestUri: issuer, createdAt }
}

function invalid(target: string, expected: string): ServiceError {
  return new ServiceError({
    code: 'InvalidParameter',
    message: `${target} is missing or wrong.`,
    target,
    expected,
  })
}
