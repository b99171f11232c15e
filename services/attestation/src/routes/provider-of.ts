import { ownSharedHost } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { FastifyRequest } from 'fastify'
import { sharedProvider, type Provider, type Providers } from '../providers/providers.ts'

/** The provider that a request addresses by host name, with the issuer of that name (contract/names.ts). */
export async function providerOf(request: FastifyRequest, providers: Providers): Promise<Provider> {
  const host = request.hostname.toLowerCase()
  const own = ownSharedHost(host)
  const provider = await providers.get(own ?? host)
  if (provider !== undefined) return own === undefined ? provider : { ...provider, issuer: `https://${host}` }
  throw new ServiceError({
    code: 'ProviderNotFound',
    message: `There is no attestation provider ${host}.`,
    target: 'host',
    expected: `${sharedProvider.host}, or a provider of a tenant`,
    found: host,
    remedy: 'Correct the name of the provider.',
  })
}
