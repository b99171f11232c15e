import type { FastifyInstance } from '@strongroom/platform'
import { principals as platformPrincipals } from '@strongroom/contract'
import { decodeJwt } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { IdentityService } from '../service.ts'
import { testContext, testService } from '../testing.ts'

let service: IdentityService
let tenant = ''
type Answer = Awaited<ReturnType<FastifyInstance['inject']>>
const graphUrl = 'https://graph.strongroom.internal/'
const graph = async (method: string, path: string, body?: object, token?: string): Promise<Answer> =>
  await service.hosts[1]!.app.inject({
    method: method as 'GET',
    url: `/v1.0${path}`,
    headers: { authorization: `Bearer ${token ?? (await service.ownerToken(graphUrl))}` },
    ...(body !== undefined && { payload: body }),
  })
const group = async (displayName: string): Promise<string> => {
  const body = { displayName, mailNickname: displayName, mailEnabled: false, securityEnabled: true }
  const made = await graph('POST', '/groups', body)
  expect(made.statusCode).toBe(201)
  return made.json().id as string
}
const user = async (name: string): Promise<Answer> =>
  await graph('POST', '/users', {
    accountEnabled: true,
    displayName: name,
    mailNickname: name,
    userPrincipalName: `${name}@strongroom.internal`,
    passwordProfile: { password: 'not-kept-anywhere', forceChangePasswordNextSignIn: true },
  })
const join = async (groupId: string, member: string): Promise<Answer> =>
  await graph('POST', `/groups/${groupId}/members/$ref`, { '@odata.id': `${graphUrl}v1.0/directoryObjects/${member}` })
const secretOf = async (appId: string): Promise<string> =>
  (await graph('POST', `/applications/${appId}/addPassword`, {})).json().secretText as string
const tokenOf = async (appId: string, secret: string, scope: string): Promise<string> =>
  (
    await service.hosts[0]!.app.inject({
      method: 'POST',
      url: `/${tenant}/oauth2/v2.0/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: appId,
        client_secret: secret,
        scope: `${scope}/.default`,
      }).toString(),
    })
  ).json().access_token as string
const memberGroups = async (objectId: string, token: string): Promise<Answer> =>
  await service.hosts[0]!.app.inject({
    method: 'GET',
    url: `/${tenant}/memberGroups/${objectId}`,
    headers: { authorization: `Bearer ${token}` },
  })

beforeEach(async () => {
  const context = await testContext()
  tenant = context.installation.tenantId
  service = await testService(context)
})

describe('people and groups of the directory', () => {
  it('are made, found by the filters that az sends, and removed', async () => {
    const made = await user('ana')
    expect(made.statusCode).toBe(201)
    expect(made.body).not.toContain('not-kept')
    const { id } = made.json()
    expect((await graph('GET', '/users/ANA@strongroom.internal')).json().id).toBe(id)
    expect(
      (await graph('GET', "/users?$filter=userPrincipalName eq 'ana@strongroom.internal'")).json().value,
    ).toHaveLength(1)
    expect((await graph('GET', "/users?$filter=displayName eq 'x and y'")).json().value).toEqual([])
    expect((await user('ana')).json().error.code).toBe('Request_BadRequest')
    expect(
      (await graph('POST', '/users', { displayName: 'b', mailNickname: 'b', userPrincipalName: 'b@evil.example' }))
        .statusCode,
    ).toBe(400)
    const team = await group('team')
    const filter = "displayName eq 'team' and mailNickname eq 'team'"
    expect((await graph('GET', `/groups?$filter=${encodeURIComponent(filter)}`)).json().value).toHaveLength(1)
    expect((await graph('GET', "/groups?$filter=startswith(displayName,'te')")).json().value).toHaveLength(1)
    expect((await graph('POST', '/directoryObjects/getByIds', { ids: [id, team] })).json().value).toMatchObject([
      { '@odata.type': '#microsoft.graph.user' },
      { '@odata.type': '#microsoft.graph.group' },
    ])
    expect((await graph('DELETE', `/users/${id}`)).statusCode).toBe(204)
    expect((await graph('DELETE', `/groups/${team}`)).statusCode).toBe(204)
    expect((await graph('GET', `/users/${id}`)).json().error.code).toBe('Request_ResourceNotFound')
    expect((await graph('GET', `/groups/${team}`)).statusCode).toBe(404)
  })

  it('membership reaches through groups in groups, also where they hold each other, and ends', async () => {
    const ana = (await user('ana')).json().id as string
    const [inner, outer, other] = [await group('inner'), await group('outer'), await group('other')]
    expect((await join(inner, ana)).statusCode).toBe(204)
    expect((await join(inner, ana)).statusCode).toBe(400)
    expect((await join(inner, inner)).statusCode).toBe(400)
    expect((await join(inner, '00000000-0000-4000-8000-000000000000')).statusCode).toBe(404)
    expect((await join(outer, inner)).statusCode).toBe(204)
    expect((await join(inner, outer)).statusCode).toBe(204)
    const groups = async (): Promise<string[]> =>
      (await graph('POST', `/users/${ana}/getMemberGroups`, { securityEnabledOnly: false })).json().value as string[]
    expect(await groups()).toEqual([inner, outer].toSorted())
    const check = { groupIds: [outer, other] }
    expect((await graph('POST', `/directoryObjects/${ana}/checkMemberGroups`, check)).json().value).toEqual([outer])
    expect((await graph('GET', `/groups/${outer}/members`)).json().value).toMatchObject([{ id: inner }])
    expect((await graph('DELETE', `/groups/${outer}/members/${inner}/$ref`)).statusCode).toBe(204)
    expect(await groups()).toEqual([inner])
    expect((await graph('DELETE', `/groups/${outer}/members/${inner}/$ref`)).statusCode).toBe(404)
    await graph('DELETE', `/groups/${inner}`)
    expect(await groups()).toEqual([])
  })

  it('are the owner’s to change, and everybody’s to read', async () => {
    const { appId } = (await graph('POST', '/applications', { displayName: 'robot' })).json()
    const team = await group('team')
    const token = await tokenOf(appId, await secretOf(appId), 'https://graph.strongroom.internal')
    expect((await graph('GET', '/groups', undefined, token)).json().value).toHaveLength(1)
    for (const [method, path] of [
      ['POST', '/groups'],
      ['POST', '/users'],
      ['POST', `/groups/${team}/members/$ref`],
      ['DELETE', `/groups/${team}`],
      ['POST', '/groups?x=/getByIds'],
      ['POST', '/applications?x=/getMemberGroups'],
      ['DELETE', `/groups/${team}?x=/checkMemberGroups`],
    ] as const)
      expect((await graph(method, path, {}, token)).statusCode, `${method} ${path}`).toBe(403)
  })

  it('tokens name the groups of their principal, and the resource manager alone may ask for them', async () => {
    const { appId } = (await graph('POST', '/applications', { displayName: 'robot' })).json()
    const [robot] = (await graph('GET', `/servicePrincipals?$filter=appId eq '${appId}'`)).json().value
    const secret = await secretOf(appId)
    const before = await tokenOf(appId, secret, 'https://management.azure.com')
    expect(decodeJwt(before)['groups']).toBeUndefined()
    const team = await group('team')
    await join(team, robot.id as string)
    const token = await tokenOf(appId, secret, 'https://login.strongroom.internal')
    expect(decodeJwt(token)['groups']).toEqual([team])
    expect((await memberGroups(robot.id as string, token)).statusCode).toBe(403)
    const { controlPlane } = platformPrincipals
    await service.setPrincipal({ ...controlPlane, secret: 'in-memory' })
    const own = await tokenOf(controlPlane.appId, 'in-memory', 'https://login.strongroom.internal')
    const found = (await memberGroups(robot.id as string, own)).json()
    expect(found).toEqual({ principalType: 'ServicePrincipal', groups: [team] })
    expect((await memberGroups(team, own)).json()).toEqual({ principalType: 'Group', groups: [] })
    const ana = (await user('ana')).json().id as string
    expect((await memberGroups(ana, own)).json().principalType).toBe('User')
    expect((await memberGroups('nobody', own)).json()).toEqual({ groups: [] })
  })
})
