import { Writable } from 'node:stream'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { ServiceError } from '../errors/errors.ts'
import { createHttpApp } from './app.ts'
import { requireBearer, type TokenVerifier } from './bearer.ts'

function testApp(o: { verifier?: TokenVerifier } = {}): { app: ReturnType<typeof createHttpApp>; log: () => string } {
  let log = ''
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      log += chunk.toString()
      done()
    },
  })
  const app = createHttpApp({ name: 'test', logger: pino({ level: 'info' }, sink), bodyLimit: 1000 })
  app.get('/Subscriptions/:id/resourceGroups/:name', async (request) => ({
    params: request.params,
    query: request.query,
  }))
  app.post('/echo', async (request) => ({ body: request.body ?? null }))
  app.get('/fails', async () => {
    throw new Error('hunter2 at /srv/secret')
  })
  app.get('/refuses', async () => {
    throw new ServiceError({ code: 'OperationCanceled', message: 'no', headers: { 'retry-after': '1' } })
  })
  const verifier = o.verifier ?? { verify: () => Promise.reject(new Error('not asked')) }
  const onRequest = requireBearer({
    verifier,
    audiences: ['https://vault.azure.net'],
    challenge: () => 'Bearer resource="https://vault.azure.net"',
  })
  app.post('/guarded', { onRequest }, async (request) => ({ caller: request.caller.objectId }))
  app.get('/unguarded', async (request) => ({ caller: request.caller.objectId }))
  return { app, log: () => log }
}

describe('createHttpApp', () => {
  it('finds routes in any case, with doubled and trailing slashes, and keeps the case of names', async () => {
    const { app } = testApp()
    const answer = await app.inject('/subscriptions//S1/RESOURCEGROUPS/Rg%2FOne/?api%2Dversion=1&%24filter=a')
    expect(answer.json()).toEqual({ params: { id: 'S1', name: 'Rg/One' }, query: { 'api-version': '1', $filter: 'a' } })
  })

  it('refuses a JSON request of more values than a turn parses, before it parses them (attack W55)', async () => {
    const app = createHttpApp({ name: 'test', logger: pino({ level: 'silent' }) })
    app.post('/echo', async (request) => ({ values: (request.body as unknown[]).length }))
    const send = async (count: number): Promise<unknown> => {
      const headers = { 'content-type': 'application/json' }
      const payload = `[${Array.from({ length: count }, () => '{}').join()}]`
      const answer = await app.inject({ method: 'POST', url: '/echo', headers, payload })
      return answer.statusCode === 200 ? answer.json() : [answer.statusCode, answer.json<{ error: Body }>().error]
    }
    interface Body {
      code: string
      innererror: object
    }
    expect(await send(39_999)).toEqual({ values: 39_999 })
    expect(await send(40_000)).toMatchObject([
      400,
      {
        code: 'InvalidRequestContent',
        innererror: { expected: expect.stringContaining('at most 240000 values') as string },
      },
    ])
  })

  it.each(['', ' ', undefined])('accepts a JSON request whose body is %j', async (payload) => {
    const { app } = testApp()
    const headers = { 'content-type': 'application/json; charset=utf-8' }
    const answer = await app.inject({
      method: 'POST',
      url: '/echo',
      headers,
      ...(payload !== undefined && { payload }),
    })
    expect(answer.json()).toEqual({ body: null })
  })

  it.each(['{', '{"__proto__": {"a": 1}}', '{"constructor": {"prototype": {"a": 1}}}', 'nul'])(
    'refuses the body %s',
    async (payload) => {
      const { app } = testApp()
      const answer = await app.inject({
        method: 'POST',
        url: '/echo',
        headers: { 'content-type': 'application/json' },
        payload,
      })
      expect(answer.statusCode).toBe(400)
      expect(answer.json()).toMatchObject({
        error: { code: expect.any(String) as string, message: expect.any(String) as string },
      })
    },
  )

  it('refuses a body above the limit and one of an unknown type, in the envelope', async () => {
    const { app } = testApp()
    const large = {
      method: 'POST',
      url: '/echo',
      headers: { 'content-type': 'application/json' },
      payload: `"${'x'.repeat(1000)}"`,
    } as const
    expect((await app.inject(large)).json()).toMatchObject({ error: { code: 'RequestEntityTooLarge' } })
    const strange = {
      method: 'POST',
      url: '/echo',
      headers: { 'content-type': 'application/xml' },
      payload: '<a/>',
    } as const
    expect((await app.inject(strange)).json()).toMatchObject({ error: { code: 'UnsupportedMediaType' } })
  })

  it('answers an unknown route, a malformed path and an over-long one in the envelope with a request id', async () => {
    const { app } = testApp()
    for (const [url, status] of [
      ['/nothing?secret=hunter2', 404],
      ['/%E0%A4%A', 400],
      [`/subscriptions/${'x'.repeat(600)}/resourceGroups/a`, 414],
    ] as const) {
      const answer = await app.inject(url)
      expect(answer.statusCode, url).toBe(status)
      expect(answer.json(), url).toMatchObject({ error: { code: expect.any(String) as string } })
      expect(answer.headers['x-ms-request-id'], url).toMatch(/^[0-9a-f-]{36}$/)
      expect(answer.body).not.toContain('hunter2')
    }
  })

  it('keeps what failed to itself and in the log, under the request id', async () => {
    const { app, log } = testApp()
    const answer = await app.inject('/fails')
    expect(answer.statusCode).toBe(500)
    expect(answer.body).not.toContain('hunter2')
    expect(log()).toContain('hunter2')
    expect(log()).toContain(String(answer.headers['x-ms-request-id']))
  })

  it('passes on the headers of a refusal', async () => {
    const { app } = testApp()
    const answer = await app.inject('/refuses')
    expect([answer.statusCode, answer.headers['retry-after'], answer.headers['x-ms-error-code']]).toEqual([
      409,
      '1',
      'OperationCanceled',
    ])
  })

  it('returns the client request id on demand, unless it is not an id', async () => {
    const { app } = testApp()
    const ask = async (id: string): Promise<unknown> =>
      (
        await app.inject({
          url: '/nothing',
          headers: { 'x-ms-client-request-id': id, 'x-ms-return-client-request-id': 'true' },
        })
      ).headers['x-ms-client-request-id']
    expect(await ask('abc-1')).toBe('abc-1')
    expect(await ask('a b;c')).toBeUndefined()
  })

  it('logs neither query nor headers', async () => {
    const { app, log } = testApp()
    await app.inject({ url: '/nothing?sig=hunter2', headers: { authorization: 'Bearer hunter2' } })
    expect(log()).toContain('/nothing')
    expect(log()).not.toContain('hunter2')
  })
})

describe('requireBearer', () => {
  const good: TokenVerifier = {
    verify: (token, audiences) =>
      token === 'good' && audiences[0] === 'https://vault.azure.net'
        ? Promise.resolve({ objectId: 'o', appId: 'a', tenantId: 't', claims: {} })
        : Promise.reject(new ServiceError({ code: 'InvalidAuthenticationToken', message: 'bad' })),
  }

  it('challenges a request without a token before it looks at the body', async () => {
    const { app } = testApp({ verifier: good })
    const answer = await app.inject({
      method: 'POST',
      url: '/guarded',
      headers: { 'content-type': 'application/json' },
      payload: '{',
    })
    expect(answer.statusCode).toBe(401)
    expect(answer.headers['www-authenticate']).toBe('Bearer resource="https://vault.azure.net"')
  })

  it.each(['Basic Z29vZA==', 'Bearer', 'Bearer ', 'good', 'Bearer good extra', 'Bearer g ood', 'Bearer bad'])(
    'refuses the header %s',
    async (authorization) => {
      const { app } = testApp({ verifier: good })
      const answer = await app.inject({ method: 'POST', url: '/guarded', headers: { authorization } })
      expect(answer.statusCode).toBe(401)
      expect(answer.headers['www-authenticate']).toContain('Bearer')
    },
  )

  it('hands the verified caller to the route', async () => {
    const { app } = testApp({ verifier: good })
    const answer = await app.inject({ method: 'POST', url: '/guarded', headers: { authorization: 'bearer good' } })
    expect(answer.json()).toEqual({ caller: 'o' })
  })

  it('does not let a failing verifier pass anyone', async () => {
    const { app } = testApp({ verifier: { verify: () => Promise.reject(new Error('store is down')) } })
    expect(
      (await app.inject({ method: 'POST', url: '/guarded', headers: { authorization: 'Bearer good' } })).statusCode,
    ).toBe(500)
  })

  it('gives no caller to a route that forgot to ask for a token', async () => {
    const { app } = testApp()
    expect((await app.inject('/unguarded')).statusCode).toBe(500)
  })
})
