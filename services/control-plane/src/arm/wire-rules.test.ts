import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  networkPath,
  ownerId,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestReply,
} from '../testing/test-plane.ts'
import { parseBody } from './body.ts'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
  await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
})
afterAll(async () => await plane.close())

const raw = async (
  method: string,
  path: string,
  text: string,
  o: { as?: string | null; headers?: Record<string, string> } = {},
): Promise<TestReply> =>
  await plane.send(method, path, undefined, {
    ...o,
    headers: { 'content-type': 'application/json', ...o.headers },
    text,
  })
const ip = (name: string): string => networkPath('publicIPAddresses', name)
const names = async (): Promise<string[]> =>
  ((await plane.send('GET', `${group}/resources`)).body.value as { name: string }[]).map(({ name }) => name).toSorted()

describe('a body that cannot be read', () => {
  it.each<[string, string]>([
    ['cut off', '{"location": "westeurope"'],
    ['no JSON', 'location=westeurope'],
    ['with a comment', '{/* x */"location":"westeurope"}'],
    ['a prototype', '{"location":"westeurope","__proto__":{"a":1}}'],
    ['deep', `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`],
    ['deep in lists', `{"location":"westeurope","properties":${'['.repeat(100_000)}`],
    ['a list', '[]'],
    ['a text', '"westeurope"'],
  ])('is refused: %s', async (_name, text) => {
    const before = await names()
    const reply = await raw('PUT', ip('x'), text)
    expect([reply.status, reply.body.error.code]).toEqual([400, 'InvalidRequestContent'])
    expect(await names()).toEqual(before)
  })

  it('is refused at 50 MB without being read, and before that without a token', async () => {
    const text = `{"location":"westeurope","tags":{"a":"${'x'.repeat(50 * 1024 * 1024)}"}}`
    const reply = await raw('PUT', ip('x'), text)
    expect([reply.status, reply.body.error.code]).toEqual([413, 'RequestEntityTooLarge'])
    expect((await raw('PUT', ip('x'), '{', { as: null })).status).toBe(401)
  })

  it('never makes the parser fail in another way, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (text, lenient) => {
        try {
          parseBody(text, { lenient })
        } catch (error) {
          expect(error).toMatchObject({ code: 'InvalidRequestContent', status: 400 })
        }
      }),
      { numRuns: 1_000 },
    )
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        if (text.includes('__proto__')) return
        expect(parseBody(text, { lenient: false })).toEqual(JSON.parse(text))
      }),
    )
  })
})

describe('names', () => {
  it.each([
    '..',
    '.',
    '%2e%2e',
    '..%2f..%2fx',
    'a%5cb',
    'a%00b',
    'a b',
    `${'x'.repeat(200)}`,
    '-x',
    "x'",
    '%zz',
    'x%0d%0aY:1',
  ])('that are none are refused: %s', async (name) => {
    const before = await names()
    for (const path of [networkPath('publicIPAddresses', name), vmPath(name)]) {
      const reply = await plane.send('PUT', path, { location: 'westeurope' })
      expect(reply.status, path).toBeGreaterThanOrEqual(400)
      expect(reply.status, path).toBeLessThan(500)
    }
    expect(await names()).toEqual(before)
  })
})

describe('paths', () => {
  it('mean the same with doubled and final slashes and in any case, and ids look the same', async () => {
    const ids = new Set<string>()
    for (const path of [
      ip('Mixed'),
      ip('Mixed').replace('/providers/', '//providers//'),
      `${ip('Mixed')}/`,
      ip('Mixed').replace('resourceGroups', 'RESOURCEGROUPS').replace('Microsoft.Network', 'microsoft.network'),
    ])
      ids.add((await plane.send('PUT', path, { location: 'westeurope' })).body.id as string)
    expect([...ids]).toEqual([ip('Mixed')])
    expect((await plane.send('GET', ip('mixed'))).body.id).toBe(ip('Mixed'))
    await plane.send('DELETE', ip('Mixed'))
  })

  it('of a group that was made by another spelling give its id in ours', async () => {
    const path = `/subscriptions/${subscriptionId}/resourcegroups/Other`
    expect((await plane.send('PUT', path, { location: 'westeurope' })).body.id).toBe(
      `/subscriptions/${subscriptionId}/resourceGroups/Other`,
    )
  })
})

describe('api-versions', () => {
  it.each(['2015-06-15', '2018-05-01-preview', '2024-11-01', '2026-06-01'])(
    'of any date are taken: %s',
    async (version) => {
      expect((await plane.send('GET', `${group}?api-version=${version}`)).status).toBe(200)
    },
  )
  it.each(['latest', '2024-13', '2024-11-01;drop', ''])('that are not dates are refused: %s', async (version) => {
    expect((await plane.send('GET', `${group}?api-version=${version}`)).status).toBe(400)
  })
})

describe('a resource that is made again', () => {
  it('stays one, and its PUT is answered with 200', async () => {
    expect((await plane.send('PUT', ip('one'), { location: 'westeurope' })).status).toBe(201)
    expect((await plane.send('PUT', ip('one'), { location: 'westeurope' })).status).toBe(200)
    expect((await names()).filter((name) => name === 'one')).toHaveLength(1)
  })

  it('by fifty requests at once is made once', async () => {
    const replies = await Promise.all(
      Array.from({ length: 50 }, async () => await plane.send('PUT', ip('many'), { location: 'westeurope' })),
    )
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(new Set(replies.map(({ body }) => (body as Loose).properties.ipAddress)).size).toBe(1)
  })
})

describe('If-Match and If-None-Match', () => {
  const send = async (method: string, headers: Record<string, string>): Promise<number> =>
    (
      await plane.send(method, ip('etag'), method === 'DELETE' ? undefined : { location: 'westeurope' }, {
        as: ownerId,
        headers,
      })
    ).status

  it('hold a write to the state that its caller has seen', async () => {
    const made = await plane.send('PUT', ip('etag'), { location: 'westeurope' })
    const etag = made.headers['etag']!
    expect(await send('PUT', { 'if-none-match': '*' })).toBe(412)
    expect(await send('PUT', { 'if-match': 'W/"other"' })).toBe(412)
    expect(await send('PUT', { 'if-match': etag })).toBe(200)
    expect(await send('DELETE', { 'if-match': etag })).toBe(412)
    expect(await send('DELETE', { 'if-match': '*' })).toBe(200)
    expect(await send('PUT', { 'if-match': '*' })).toBe(412)
  })
})

describe('lists', () => {
  const follow = async (path: string, between: () => Promise<unknown> = async () => {}): Promise<string[][]> => {
    const pages: string[][] = []
    for (let next: string | undefined = path; next !== undefined; await between()) {
      const { body, status }: TestReply = await plane.send('GET', next)
      expect(status).toBe(200)
      pages.push(body.value.map(({ name }: Loose) => name))
      const url: URL | undefined = body.nextLink === undefined ? undefined : new URL(body.nextLink)
      next = url === undefined ? undefined : url.pathname + url.search
    }
    return pages
  }

  it('come in pages of the size that is asked for, each resource once, whatever goes meanwhile', async () => {
    const made = Array.from({ length: 7 }, (_, index) => `page${index}`)
    for (const name of made) await plane.send('PUT', ip(name), { location: 'westeurope' })
    const list = `${networkPath('publicIPAddresses', '')}`.replace(/\/$/, '')
    const whole = (await follow(list)).flat()
    const pages = await follow(`${list}?$top=3`)
    expect(pages.flat()).toEqual(whole)
    expect(pages.every((page, index) => page.length === 3 || index === pages.length - 1)).toBe(true)
    let gone = 0
    const seen = await follow(`${list}?$top=3`, async () => await plane.send('DELETE', ip(`page${gone++}`)))
    expect(new Set(seen.flat()).size).toBe(seen.flat().length)
    for (const name of ['page4', 'page5', 'page6']) expect(seen.flat()).toContain(name)
    for (const name of made) await plane.send('DELETE', ip(name))
  })

  it.each(['0', '-1', 'x', '1001', '1e3'])('are refused in pages of %s', async (size) => {
    const { status, body } = await plane.send('GET', `${group}/resources?$top=${size}`)
    expect([status, body.error.code]).toEqual([400, 'InvalidQueryParameterValue'])
  })

  it('are refused after a place that is none', async () => {
    expect((await plane.send('GET', `${group}/resources?$skiptoken=zzz`)).status).toBe(400)
  })
})

describe('answers', () => {
  it('carry a request id, the caller’s correlation, and Retry-After 1 while something runs', async () => {
    const reply = await plane.send('POST', `${vmPath('vm1')}/restart`, undefined, {
      headers: { 'x-ms-correlation-request-id': 'abc-1' },
    })
    expect(reply.headers).toMatchObject({
      'x-ms-request-id': expect.any(String),
      'x-ms-correlation-request-id': 'abc-1',
      'retry-after': '1',
    })
    await plane.follow(reply)
  })
})
