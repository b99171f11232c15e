import { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { pageOf, paged, replyWith } from './paging.ts'
import type { ArmReply, ArmRequest } from './request.ts'

const ask = (query: Record<string, string> = {}, method: ArmRequest['method'] = 'GET'): ArmRequest => ({
  method,
  path: '/subscriptions/s/things',
  origin: 'https://management.strongroom.internal',
  params: {},
  query: { 'api-version': '2024-11-01', ...query },
  headers: {},
  body: undefined,
  caller: { objectId: 'o', appId: 'a', tenantId: 't', claims: {} },
  correlationId: 'c',
})
const items = (...names: string[]): { id: string }[] => names.map((name) => ({ id: `/s/${name}` }))
const token = (id: string): string => Buffer.from(id).toString('base64url')
const list = (value: unknown, more: Partial<ArmReply> = {}): ArmReply => ({ status: 200, body: { value }, ...more })
const shown = (reply: ArmReply): string[] =>
  (reply.body as { value: { id: string }[] }).value.map(({ id }) => id.split('/').at(-1)!)
const next = (reply: ArmReply): URL | undefined => {
  const { nextLink } = reply.body as { nextLink?: string }
  return nextLink === undefined ? undefined : new URL(nextLink)
}
const refusal = (query: Record<string, string>): unknown => {
  try {
    return pageOf(ask(query))
  } catch (error) {
    const { status, code, target, expected, found } = error as ServiceError
    return [status, code, target, expected, found]
  }
}

describe('which page is asked for', () => {
  it('is the first thousand where nothing is said', () => {
    expect(pageOf(ask())).toEqual({ size: 1000 })
  })

  it('is told by $top and $skiptoken', () => {
    expect(pageOf(ask({ $top: '1' }))).toEqual({ size: 1 })
    expect(pageOf(ask({ $top: '1000', $skiptoken: token('/s/ä') }))).toEqual({ size: 1000, after: '/s/ä' })
  })

  it.each(['0', '01', '-1', '1001', '10000', '1.5', '1e2', ' 1', '1 ', 'x', ''])('is not told by $top=%s', (text) => {
    expect(refusal({ $top: text })).toEqual([400, 'InvalidQueryParameterValue', '$top', '1 to 1000', text])
  })

  it.each(['', 'zzz', token('s/x'), 'x'.repeat(70)])('is not told by $skiptoken=%s', (text) => {
    expect(refusal({ $skiptoken: text })).toEqual([
      400,
      'InvalidQueryParameterValue',
      '$skiptoken',
      'a value from a nextLink',
      text.slice(0, 60),
    ])
  })
})

describe('a page', () => {
  it('names the next one with all that was asked, and the last of its resources', () => {
    const request = ask({ $top: '2', $filter: "a eq 'b c'", $skiptoken: token('/s/before') })
    const reply = replyWith(request, items('a', 'b'), '/s/b')
    expect(reply).toMatchObject({ status: 200, isPage: true })
    const url = next(reply)!
    expect(url.origin + url.pathname).toBe('https://management.strongroom.internal/subscriptions/s/things')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      'api-version': '2024-11-01',
      $top: '2',
      $filter: "a eq 'b c'",
      $skiptoken: token('/s/b'),
    })
    expect(replyWith(request, [], undefined)).toEqual({ status: 200, body: { value: [] }, isPage: true })
  })
})

describe('a list that was made whole', () => {
  const whole = list(items('a', 'b', 'c', 'd', 'e'))

  it('comes in pages of what is asked for, to its end', () => {
    const first = paged(ask({ $top: '2' }), whole)
    expect([shown(first), next(first)?.searchParams.get('$skiptoken')]).toEqual([['a', 'b'], token('/s/b')])
    const second = paged(ask({ $top: '2', $skiptoken: token('/s/b') }), whole)
    expect([shown(second), next(second)?.searchParams.get('$skiptoken')]).toEqual([['c', 'd'], token('/s/d')])
    const last = paged(ask({ $top: '2', $skiptoken: token('/s/d') }), whole)
    expect([shown(last), next(last)]).toEqual([['e'], undefined])
    expect(next(paged(ask({ $top: '3' }), whole))?.searchParams.get('$skiptoken')).toBe(token('/s/c'))
    // A page that ends with the list has no next one.
    const exact = paged(ask({ $top: '3', $skiptoken: token('/s/b') }), whole)
    expect([shown(exact), next(exact)]).toEqual([['c', 'd', 'e'], undefined])
  })

  it('is as it is where one page holds it', () => {
    expect(paged(ask(), whole)).toBe(whole)
    expect(paged(ask({ $top: '5' }), whole)).toBe(whole)
    expect(shown(paged(ask({ $top: '4' }), whole))).toHaveLength(4)
  })

  it('goes on behind a resource that is gone meanwhile, by the order of the ids in any case', () => {
    const after = (name: string): string[] => shown(paged(ask({ $skiptoken: token(`/s/${name}`) }), whole))
    expect(after('A')).toEqual(['b', 'c', 'd', 'e'])
    expect(after('bb')).toEqual(['c', 'd', 'e'])
    expect(after('BB')).toEqual(['c', 'd', 'e'])
    expect(after('A0')).toEqual(['b', 'c', 'd', 'e'])
    expect([after('z'), after('e')]).toEqual([[], []])
  })

  it('goes on behind the resource itself where the list is in another order', () => {
    const byTime = list(items('c', 'a', 'b'))
    expect(shown(paged(ask({ $skiptoken: token('/s/c') }), byTime))).toEqual(['a', 'b'])
    expect(shown(paged(ask({ $skiptoken: token('/s/a') }), byTime))).toEqual(['b'])
  })

  it('keeps its status and headers', () => {
    const reply = paged(ask({ $top: '1' }), list(items('a', 'b'), { headers: { etag: 'x' } }))
    expect(reply).toMatchObject({ status: 200, headers: { etag: 'x' } })
  })

  it.each<[string, ArmRequest, ArmReply]>([
    ['an answer to a write', ask({ $top: '1' }, 'POST'), list(items('a', 'b'))],
    ['a page already', ask({ $top: '1' }), list(items('a', 'b'), { isPage: true })],
    ['a list that pages itself', ask({ $top: '1' }), { status: 200, body: { value: items('a', 'b'), nextLink: 'x' } }],
    ['no list', ask({ $top: '1' }), { status: 200, body: { properties: {} } }],
    ['nothing', ask({ $top: '1' }), { status: 204 }],
    ['null', ask({ $top: '1' }), { status: 200, body: null }],
    ['a text', ask({ $top: '1' }), { status: 200, body: 'value' }],
    ['a value that is not a list', ask({ $top: '1' }), list({ id: '/s/a', length: 2 })],
    ['an empty list', ask({ $top: '1', $skiptoken: token('/s/a') }), list([])],
    ['a list of what has no id', ask({ $top: '1' }), list([{ name: 'a' }, { name: 'b' }])],
    ['a list in which one has none', ask({ $top: '1' }), list([{ id: '/s/a' }, null])],
    ['ids that are numbers', ask({ $top: '1' }), list([{ id: 1 }, { id: 2 }])],
  ])('is not what looks otherwise: %s', (_name, request, reply) => {
    expect(paged(request, reply)).toBe(reply)
  })
})
