import { ServiceError } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callerOf, openRights, type RightsPlane } from '../testing/rights-plane.ts'
import { ownerId, subscriptionId } from '../testing/ids.ts'
import { roles } from './access.ts'
import { ok, type ArmRequest, type Method } from './request.ts'
import { signedIn, type Route } from './router.ts'
import { substituteAt } from './substitutes.ts'

const subscription = `/subscriptions/${subscriptionId}`
const thing = `${subscription}/things/Mine`
const [alice, asker] = ['0f2a9f3e-0000-4000-8000-0000000a11ce', { objectId: ownerId, appId: 'a' }]
let handled: ArmRequest[] = []
const route = (method: Method, path: string, action: Route['action'], status = 200): Route => ({
  method,
  path,
  action,
  handle: async (request) => {
    handled.push(request)
    if (status >= 400) throw ServiceError.relayed({ code: 'Failed', message: 'x' }, status)
    return await Promise.resolve({ ...ok({ value: [{ id: '/a' }, { id: '/b' }] }), status })
  },
})
const path = '/subscriptions/{subscription}/things/{name}'
const routes: Route[] = [
  route('GET', path, 'My.Things/things/read'),
  route('PUT', path, 'My.Things/things/write', 201),
  route('DELETE', path, 'My.Things/things/delete'),
  route('POST', `${path}/fail`, 'My.Things/things/fail/action', 418),
  route('POST', `${path}/locks`, 'Microsoft.Authorization/locks/write'),
  route('GET', '/me', signedIn),
  route('POST', '/me', signedIn),
  route('GET', '/subscriptions', signedIn),
  route('GET', '/providers/{name}', signedIn),
]

let rights: RightsPlane
beforeEach(async () => {
  handled = []
  rights = await openRights(() => routes)
  const owner = { scope: subscription, name: 'n', principalId: ownerId, principalType: 'User', by: ownerId, asker }
  await rights.access.assign({ ...owner, roleId: roles[0]!.id })
})
afterEach(async () => await rights.close())

const fault = async (...asked: Parameters<RightsPlane['ask']>): Promise<unknown[]> => {
  const error: unknown = await rights.ask(...asked).catch((cause: unknown) => cause)
  if (!(error instanceof ServiceError)) throw new Error('it was answered')
  return [error.status, error.code]
}
const log = async (): Promise<unknown[]> =>
  (await rights.activity.list({})).map(({ action, status, caller, resource_id: id }) => [action, status, caller, id])

describe('a request', () => {
  it('reaches its handler with what the path names, in the spelling of the route', async () => {
    const answer = await rights.ask('PUT', `/SUBSCRIPTIONS/${subscriptionId}/Things/Mine`, { body: { a: 1 } })
    expect(answer.status).toBe(201)
    expect(handled).toMatchObject([
      { path: thing, params: { subscription: subscriptionId, name: 'Mine' }, body: { a: 1 } },
    ])
  })

  it('is answered in pages', async () => {
    const query = { 'api-version': '2024-11-01', $top: '1' }
    expect((await rights.ask('GET', thing, { query })).body).toMatchObject({
      value: [{ id: '/a' }],
      nextLink: expect.any(String),
    })
  })

  it('is refused without a version, in another subscription or without a role, and reaches no handler', async () => {
    expect(await fault('PUT', thing, { query: {} })).toEqual([400, 'MissingApiVersionParameter'])
    for (const other of ['x', `${subscriptionId}x`])
      expect(await fault('PUT', `/subscriptions/${other}/things/Mine`)).toEqual([404, 'SubscriptionNotFound'])
    expect(await fault('PUT', thing, { as: alice })).toEqual([403, 'AuthorizationFailed'])
    expect(handled).toEqual([])
    expect((await rights.ask('PUT', `/subscriptions/${subscriptionId.toUpperCase()}/things/Mine`)).status).toBe(201)
  })

  it('of anybody who is signed in needs no role where its answer says nothing', async () => {
    expect((await rights.ask('GET', '/me', { as: alice })).status).toBe(200)
    expect((await rights.ask('POST', '/me', { as: alice })).status).toBe(200)
    // These name no subscription.
    for (const at of ['/subscriptions', '/providers/x']) expect((await rights.ask('GET', at)).status).toBe(200)
    expect(await log()).toEqual([])
  })

  it('for what is not there says so, or which methods there are', async () => {
    expect(await fault('GET', '/nothing')).toEqual([404, 'InvalidResourceType'])
    expect(await fault('GET', `${thing}/x/y`)).toEqual([404, 'InvalidResourceType'])
    const unserved = `${subscription}/providers/Microsoft.Storage/storageAccounts`
    for (const [at, remedy] of [
      ['/nothing', expect.any(String)],
      [unserved, substituteAt(unserved)],
    ] as const)
      await expect(rights.ask('GET', at)).rejects.toMatchObject({ code: 'InvalidResourceType', remedy })
    const error = (await rights.ask('PATCH', thing).catch((cause: unknown) => cause)) as ServiceError
    expect([error.status, error.code, error.expected, error.found, error.headers]).toEqual([
      405,
      'HttpMethodNotAllowed',
      'GET, PUT, DELETE',
      'PATCH',
      { allow: 'GET, PUT, DELETE' },
    ])
  })

  it('that would change something is held by a lock, and no other is', async () => {
    await rights.locks.put({ scope: thing, name: 'l', level: 'ReadOnly', notes: '' })
    for (const method of ['PUT', 'DELETE'] as const) expect(await fault(method, thing)).toEqual([409, 'ScopeLocked'])
    expect(handled).toEqual([])
    expect((await rights.ask('GET', thing)).status).toBe(200)
    expect((await rights.ask('POST', `${thing}/locks`)).status).toBe(200)
  })
})

describe('the activity log', () => {
  it('has each change with its result, each failed one, and no reading (attack W50)', async () => {
    await rights.ask('GET', thing)
    await rights.ask('PUT', thing)
    expect(await fault('POST', `${thing}/fail`)).toEqual([418, 'Failed'])
    expect(await fault('GET', thing, { as: alice })).toEqual([403, 'AuthorizationFailed'])
    expect(await fault('DELETE', thing, { as: alice })).toEqual([403, 'AuthorizationFailed'])
    expect(await fault('GET', thing, { query: {} })).toEqual([400, 'MissingApiVersionParameter'])
    const rows = await log()
    expect(rows).toHaveLength(3)
    for (const row of [
      ['My.Things/things/write', 201, ownerId, thing],
      ['My.Things/things/fail/action', 418, ownerId, `${thing}/fail`],
      ['My.Things/things/delete', 403, alice, thing],
    ])
      expect(rows).toContainEqual(row)
    expect((await rights.activity.list({ correlationId: 'c-1' })).length).toBe(3)
    expect(await rights.activity.list({ correlationId: 'c-2' })).toEqual([])
  })

  it('is listed from a time on, below a resource, the newest first, and forgotten by day', async () => {
    const write = async (resourceId: string): Promise<void> =>
      await rights.activity.write({ caller: 'c', action: 'a', resourceId, status: 200, correlationId: 'x' })
    const begun = new Date().toISOString()
    for (const each of [thing, `${thing}/start`, `${thing}2`, '/other']) await write(each)
    const ids = async (o: Parameters<RightsPlane['activity']['list']>[0]): Promise<string[]> =>
      (await rights.activity.list(o)).map(({ resource_id: id }) => id).toSorted()
    for (const below of [thing.toUpperCase(), `${thing}/`])
      expect(await ids({ below })).toEqual([thing, `${thing}/start`])
    expect([await ids({ since: begun }), await ids({ since: '2999-01-01' })]).toEqual([
      ['/other', thing, `${thing}/start`, `${thing}2`],
      [],
    ])
    await rights.activity.removeBefore(new Date(begun))
    expect(await ids({})).toHaveLength(4)
    await rights.activity.removeBefore(new Date(Date.now() + 1000))
    expect(await ids({})).toEqual([])
    for (let n = 0; n < 201; n++) await write(`/n${n}`)
    const newest = await rights.activity.list({})
    expect(newest).toHaveLength(200)
    const times = newest.map(({ at }) => at)
    expect(times).toEqual(times.toSorted().toReversed())
  })
})

describe('checks before a deployment', () => {
  it('ask for the role that the request would need, and whether there is such a route', async () => {
    const authorise = async (method: Method, at: string, as: string): Promise<unknown> =>
      await rights.dispatcher.authorise({ method, path: at, caller: callerOf(as) }).then(
        () => 'allowed',
        (error: ServiceError) => error.code,
      )
    expect(await authorise('PUT', thing, ownerId)).toBe('allowed')
    expect(await authorise('PUT', thing, alice)).toBe('AuthorizationFailed')
    expect(await authorise('GET', '/me', alice)).toBe('allowed')
    expect(await authorise('GET', '/nothing', ownerId)).toBe('InvalidResourceType')
    expect([rights.dispatcher.knows('PUT', thing), rights.dispatcher.knows('PATCH', thing)]).toEqual([true, false])
    expect(handled).toEqual([])
  })
})
