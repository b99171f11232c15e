import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RateLimit, type Excess } from './rate-limit.ts'

/**
 * Limits how often the routes that are added to `scope` after this may be asked: counted once the hooks of the scope have let a
 * request through, before its body is read. A path that no route has counts for nothing.
 */
export function limitRoutes(
  scope: FastifyInstance,
  o: {
    requests: number
    windowMs: number
    /** Who is counted by itself. */
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
