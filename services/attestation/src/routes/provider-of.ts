import { ServiceError } from '@strongroom/platform'
import type { FastifyRequest } from 'fastify'
import type { Provider, Providers } from '../providers/providers.ts'

/** The provider that a request speaks to: its host name says it. */
export function providerOf(request: FastifyRequest, providers: Providers): Provider {
  const host = request.hostname.toLowerCase()
  const provider = providers.get(host)
  if (provider !== undefined) return provider
  throw new ServiceError({
    code: 'ProviderNotFound',
    status: 404,
    message: `There is no attestation provider ${host}.`,
    target: 'host',
    expected: providers
      .all()
      .map((each) => each.host)
      .join(', '),
    found: host,
    remedy: 'Correct the name of the provider.',
  })
}
