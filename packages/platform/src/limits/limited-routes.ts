import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RateLimit, type Excess } from './rate-limit.ts'

/**
 * Limits how often routes added to `scope` afterwards may be called: counted once the scope's hooks have passed a
 * request, before its body is read. Unknown paths are not counted.
 */
export function limitRoutes(
  scope: FastifyInstance,
  o: {
    requests: number
    windowMs: number
    /** Who is counted separately. */
    keyOf: (request: FastifyRequest) => string | Promise<string>
    refuse: (request: FastifyRequest, excess: Excess) => Error
  },
): void {
  const limit = new RateLimit({ windowMs: o.windowMs })
  const count = async (request: FastifyRequest): Promise<void> => {
    const excess = limit.take(await o.keyOf(request), o.requests)
    if (excess !== undefined) throw o.refuse(request, excess)
  }
  scope.addHook('onRoute', (route) => {
    route.onRequest = [route.onRequest ?? [], count].flat()
  })
}
