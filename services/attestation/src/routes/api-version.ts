import { attestationApiVersions } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { FastifyRequest } from 'fastify'

const known: readonly string[] = attestationApiVersions

/** Azure answers no attestation call without a known version. */
export function requireApiVersion(request: FastifyRequest): void {
  const found = (request.query as Record<string, unknown>)['api-version']
  if (typeof found === 'string' && known.includes(found)) return
  throw new ServiceError({
    code: found === undefined ? 'MissingApiVersionParameter' : 'InvalidApiVersionParameter',
    message:
      found === undefined
        ? 'The api-version query parameter (?api-version=) is required for all requests.'
        : 'This service does not support the request’s api-version.',
    target: 'api-version',
    expected: known.join(', '),
    ...(found === undefined ? {} : { found: JSON.stringify(found).slice(0, 40) }),
    remedy: 'Add ?api-version=2022-08-01.',
  })
}
