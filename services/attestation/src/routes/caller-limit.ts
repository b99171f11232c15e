import rateLimit from '@fastify/rate-limit'
import { ServiceError } from '@strongroom/platform'
import type { FastifyInstance } from 'fastify'

/** How many attest calls one address may make. */
export interface CallerLimit {
  requests: number
  seconds: number
}

/** Far above what machines that boot and guests that renew their tokens ask for; far below what keeps a processor busy. */
export const defaultCallerLimit: CallerLimit = { requests: 1_000, seconds: 10 }
/** Addresses that are counted at a time; the one that asked longest ago is forgotten first. */
const countedCallers = 10_000

/** Limits the routes that `routes` adds: attestation is anonymous, so the address is all there is to count by. */
export async function limited(
  app: FastifyInstance,
  limit: CallerLimit,
  routes: (scope: FastifyInstance) => void,
): Promise<void> {
  await app.register(async (scope) => {
    await scope.register(rateLimit, {
      max: limit.requests,
      timeWindow: limit.seconds * 1000,
      cache: countedCallers,
      keyGenerator: (request) => request.ip,
      // Azure tells when to come back, and nothing of the rest.
      addHeadersOnExceeding: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
      addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
      errorResponseBuilder: (request, { ttl }) =>
        new ServiceError({
          code: 'TooManyRequests',
          status: 429,
          message: `The address ${request.ip} has made too many attest calls.`,
          expected: `at most ${limit.requests} in ${limit.seconds} seconds`,
          found: 'one more',
          remedy: 'Wait as long as Retry-After says.',
          headers: { 'retry-after': String(Math.max(1, Math.ceil(ttl / 1000))) },
        }),
    })
    routes(scope)
  })
}
