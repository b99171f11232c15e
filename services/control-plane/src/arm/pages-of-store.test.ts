import { describe, expect, it } from 'vitest'
import type { Plane } from '../types/plane.ts'
import type { Resource } from '../store/resources.ts'
import { listPage, type Listing } from './list-page.ts'
import type { ArmRequest } from './request.ts'

const ids = Array.from({ length: 1_000 }, (_, n) => `/s/R${String(n).padStart(4, '0')}`)
/** A store of these resources that records its queries. */
function storeOf(all: readonly string[]): { plane: Plane; asked: unknown[][] } {
  const asked: unknown[][] = []
  const page = async (filter: object, o: { limit: number; after?: string }): Promise<unknown[]> => {
    asked.push([filter, o.limit, o.after])
    const rows = all
      .map((id) => ({ id, key: id.toLowerCase() }))
      .filter(({ key }) => o.after === undefined || key > o.after)
    return await Promise.resolve(rows.slice(0, o.limit))
  }
  return { plane: { resources: { page } } as unknown as Plane, asked }
}
const request = (query: Record<string, string> = {}): ArmRequest =>
  ({ method: 'GET', path: '/list', origin: 'https://here', query }) as unknown as ArmRequest
const view = ({ id }: Resource<unknown>): Record<string, unknown> => ({ id })
const list = async (
  plane: Plane,
  query: Record<string, string>,
  o: Partial<Listing<unknown>> = {},
): Promise<{ shown: string[]; next: string | undefined }> => {
  const { body } = await listPage(plane, request(query), { view, ...o })
  const { value, nextLink } = body as { value: { id: string }[]; nextLink?: string }
  const token = nextLink === undefined ? undefined : new URL(nextLink).searchParams.get('$skiptoken')!
  return {
    shown: value.map(({ id }) => id),
    next: token === undefined ? undefined : Buffer.from(token, 'base64url').toString(),
  }
}

describe('a page of the store', () => {
  it('costs one row more than it shows, which says whether there is a next one', async () => {
    const { plane, asked } = storeOf(ids.slice(0, 5))
    expect(await list(plane, { $top: '2' })).toEqual({ shown: ids.slice(0, 2), next: ids[1] })
    expect(asked).toEqual([[{}, 3, undefined]])
    const token = Buffer.from(ids[2]!).toString('base64url')
    expect(await list(plane, { $top: '2', $skiptoken: token })).toEqual({ shown: ids.slice(3, 5), next: undefined })
    expect(asked.at(-1)).toEqual([{}, 3, ids[2]!.toLowerCase()])
    expect(await list(plane, { $top: '5' })).toEqual({ shown: ids.slice(0, 5), next: undefined })
    expect(await list(plane, {})).toEqual({ shown: ids.slice(0, 5), next: undefined })
    expect(asked.at(-1)![1]).toBe(1_001)
    expect(await list(storeOf([]).plane, {})).toEqual({ shown: [], next: undefined })
  })

  it('is of a type and a group where these are named', async () => {
    const { plane, asked } = storeOf([])
    await list(plane, {}, { type: 'T' })
    await list(plane, {}, { groupId: '/g' })
    await list(plane, {}, { type: 'T', groupId: '/g' })
    expect(asked.map(([filter]) => filter)).toEqual([{ type: 'T' }, { groupId: '/g' }, { type: 'T', groupId: '/g' }])
  })

  it('of what is kept is read in batches until it is full or nothing is left', async () => {
    const keep = ({ id }: { id: string }): boolean => id.endsWith('00')
    const { plane, asked } = storeOf(ids)
    expect(await list(plane, { $top: '3' }, { keep })).toEqual({
      shown: ['/s/R0000', '/s/R0100', '/s/R0200'],
      next: '/s/R0200',
    })
    expect(asked.map(([, limit, after]) => [limit, after])).toEqual([
      [256, undefined],
      [256, '/s/r0255'],
    ])
    const token = Buffer.from('/s/R0700').toString('base64url')
    expect(await list(plane, { $top: '3', $skiptoken: token }, { keep })).toEqual({
      shown: ['/s/R0800', '/s/R0900'],
      next: undefined,
    })
    expect(await list(plane, { $top: '1' }, { keep: () => false })).toEqual({ shown: [], next: undefined })
    const begun = asked.length
    await list(plane, { $top: '300' }, { keep: () => true })
    expect(asked.slice(begun).map(([, limit]) => limit)).toEqual([301])
  })
})
