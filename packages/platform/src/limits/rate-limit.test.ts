import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLogger } from '../log/logger.ts'
import { createHttpApp } from '../http/app.ts'
import { ServiceError } from '../errors/errors.ts'
import { limitRoutes } from './limited-routes.ts'
import { RateLimit } from './rate-limit.ts'

describe('a rate limit', () => {
  it('lets so many through in a window, and says how long what is beyond has to wait', () => {
    let now = 3_500
    const limit = new RateLimit({ windowMs: 10_000, now: () => now })
    expect([1, 2, 3].map(() => limit.take('a', 2))).toEqual([undefined, undefined, { count: 3, retryAfter: 10 }])
    expect(limit.take('b', 2)).toBeUndefined()
    now = 13_499
    expect(limit.take('a', 2)).toEqual({ count: 4, retryAfter: 1 })
    now = 13_500
    expect(limit.take('a', 2)).toBeUndefined()
  })

  it('has windows at the same moments for all where that is asked for', () => {
    let now = 3_500
    const limit = new RateLimit({ windowMs: 10_000, aligned: true, now: () => now })
    expect(limit.take('a', 0)).toEqual({ count: 1, retryAfter: 7 })
    now = 10_000
    expect(limit.take('a', 1)).toBeUndefined()
  })

  it('never lets more through in a window than it may, whatever the clock does', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: -30_000, max: 30_000 }), fc.constantFrom('a', 'b')), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(steps, fc.boolean(), fc.nat(3), (moves, aligned, most) => {
        let now = 100_000
        const limit = new RateLimit({ windowMs: 1_000, aligned, now: () => now })
        const through: number[] = []
        for (const [move, key] of moves) {
          now = Math.max(now, now + move)
          if (limit.take(key, most) === undefined && key === 'a') through.push(now)
        }
        for (const start of through) {
          const end = (aligned ? Math.floor(start / 1_000) * 1_000 : start) + 1_000
          const inWindow = through.filter((at) => at >= start && at < end).length
          expect(inWindow).toBeLessThanOrEqual(aligned ? most : 2 * most)
        }
      }),
    )
  })

  it('starts over where the clock was set back, so that nobody waits for a window of the future', () => {
    let now = 1_000_000
    const limit = new RateLimit({ windowMs: 1_000, now: () => now })
    expect(limit.take('a', 0)).toEqual({ count: 1, retryAfter: 1 })
    now = 5_000
    expect(limit.take('a', 1)).toBeUndefined()
  })

  it('forgets who asked longest ago, not who asks most', () => {
    const limit = new RateLimit({ windowMs: 1_000, now: () => 0 })
    for (let other = 0; other < 11_000; other++) {
      limit.take(`other ${other}`, 1)
      limit.take('loud', 1)
    }
    expect(limit.take('loud', 1)).toMatchObject({ count: 11_001 })
    expect(limit.take('other 0', 1)).toBeUndefined()
  })
})

describe('limited routes', () => {
  it('are counted by key, apart from those that are not limited and from paths that no route has', async () => {
    const app = createHttpApp({ name: 'limited', logger: createLogger({ level: 'silent' }) })
    app.get('/free', async () => 'free')
    void app.register(async (scope) => {
      limitRoutes(scope, {
        requests: 2,
        windowMs: 60_000,
        keyOf: (request) => String(request.headers['x-key']),
        refuse: (_, { count, retryAfter }) =>
          new ServiceError({
            code: 'TooManyRequests',
            message: `${count}`,
            headers: { 'retry-after': `${retryAfter}` },
          }),
      })
      scope.post('/limited', async () => 'limited')
    })
    const post = async (key: string, url = '/limited') =>
      await app.inject({ method: 'POST', url, headers: { 'x-key': key } })
    const statuses = async (key: string, count: number, url?: string): Promise<number[]> => {
      const found: number[] = []
      for (let n = 0; n < count; n++) found.push((await post(key, url)).statusCode)
      return found
    }
    expect(await statuses('a', 3, '/none')).toEqual([404, 404, 404])
    expect(await statuses('a', 4)).toEqual([200, 200, 429, 429])
    expect(await statuses('b', 2)).toEqual([200, 200])
    const refused = await post('b')
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '60'])
    expect((await app.inject({ url: '/free', headers: { 'x-key': 'a' } })).statusCode).toBe(200)
    await app.close()
  })
})
