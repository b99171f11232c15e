import { attestationAudience } from '@strongroom/contract'
import { bearerOf, limitedAddress, limitRoutes, ServiceError, type TokenVerifier } from '@strongroom/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { FairCalls } from './fair-calls.ts'

/** How many attest calls one caller may make. */
export interface CallerLimit {
  requests: number
  seconds: number
}

/** Far above the needs of booting hosts and guests that renew tokens; far below what keeps a processor busy. */
export const defaultCallerLimit: CallerLimit = { requests: 1_000, seconds: 10 }

export interface Callers {
  limit: CallerLimit
  verifier: TokenVerifier
  /** Object ids of principals that attest for the platform: a host that boots VMs is counted separately. */
  platform: readonly string[]
}

/**
 * Limits the routes that `routes` adds, and gives them the address that a request is counted by, if not the platform's.
 * Attestation is anonymous, so callers are counted by address: each guest has its own, assigned by its host (attack
 * W4). The platform identifies itself by a token.
 */
export async function limited(
  app: FastifyInstance,
  callers: Callers,
  routes: (scope: FastifyInstance, counted: (request: FastifyRequest) => string | undefined) => void,
): Promise<void> {
  const { limit } = callers
  const fair = new FairCalls()
  const named = new WeakMap<FastifyRequest, string>()
  await app.register(async (scope) => {
    limitRoutes(scope, {
      requests: limit.requests,
      windowMs: limit.seconds * 1000,
      keyOf: async (request) => {
        const caller = await callerOf(request, callers)
        named.set(request, caller)
        return caller
      },
      refuse: (request, { retryAfter }) =>
        new ServiceError({
          code: 'TooManyRequests',
          message: `The caller ${addressOf(request)} has made too many attest calls.`,
          expected: `at most ${limit.requests} in ${limit.seconds} seconds`,
          found: 'one more',
          remedy: 'Wait for the time in Retry-After.',
          headers: { 'retry-after': String(retryAfter) },
        }),
    })
    // After the body, so that a slow sender holds no place.
    scope.addHook('preHandler', async (request, { raw: response }) => {
      const caller = named.get(request) ?? addressOf(request)
      if (caller !== addressOf(request)) {
        fair.note(caller)
        return
      }
      await fair.enter(caller)
      let isUnderWay = true
      const leave = (): void => {
        if (isUnderWay) fair.leave(caller)
        isUnderWay = false
      }
      response.once('finish', leave).once('close', leave)
      if (response.destroyed) leave()
    })
    routes(scope, (request) => (named.get(request) === addressOf(request) ? addressOf(request) : undefined))
  })
}

/** What a request is counted by if it is not the platform's. */
export const addressOf = ({ raw }: FastifyRequest): string => limitedAddress(raw.socket)

/** An invalid token does not change who the sender is. */
async function callerOf(request: FastifyRequest, { verifier, platform }: Callers): Promise<string> {
  const token = bearerOf(request)
  if (token === undefined || platform.length === 0) return addressOf(request)
  const caller = await verifier.verify(token, [attestationAudience]).catch(() => undefined)
  return caller !== undefined && platform.includes(caller.objectId)
    ? `principal ${caller.objectId}`
    : addressOf(request)
}
