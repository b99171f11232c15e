import { join } from 'node:path'
import type { DeviceSignInView } from '@strongroom/contract/wires'
import { decodeJwt } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { IdentityService } from '../service.ts'
import { askOwnerSocket, testContext, testService } from '../testing.ts'

const hour = 3600_000

let service: IdentityService
let tenant: string
let now: number
let owner: string
let socket: string

beforeEach(async () => {
  now = Date.parse('2026-03-01T00:00:00Z')
  const context = await testContext({ clock: { now: () => new Date(now) } })
  tenant = context.installation.tenantId
  service = await testService(context)
  owner = service.firstStart!.ownerAppId
  socket = join(context.stateDir, 'run/owner.sock')
  await service.start()
})

interface Answer {
  statusCode: number
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
  json(): any
}

const form = async (path: string, body: Record<string, string>): Promise<Answer> =>
  await service.hosts[0]!.app.inject({
    method: 'POST',
    url: `/${tenant}/oauth2/v2.0/${path}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(body).toString(),
  })

describe('sign-in by device code', () => {
  const client = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'
  const scope = 'https://management.azure.com//.default offline_access openid profile'
  const begin = async (): Promise<{ device_code: string; user_code: string }> =>
    (await form('devicecode', { client_id: client, scope })).json()
  const poll = async (deviceCode: string, clientId = client): Promise<Answer> =>
    await form('token', { grant_type: 'device_code', client_id: clientId, device_code: deviceCode, client_info: '1' })

  const shownFor = async (user_code: string): Promise<DeviceSignInView> =>
    (await askOwnerSocket(socket, '/device-sign-in', { user_code })) as DeviceSignInView
  /** As it was shown. */
  const approve = async (user_code: string): Promise<object> => {
    const { client_id, audiences } = await shownFor(user_code)
    return (await askOwnerSocket(socket, '/device', { user_code, approve: true, client_id, audiences })) as object
  }

  it('waits for the owner, then gives tokens once, which can be renewed', async () => {
    const code = await begin()
    expect((await poll(code.device_code)).json().error).toBe('authorization_pending')
    expect(await approve(code.user_code)).toMatchObject({ client_id: client })
    const tokens = (await poll(code.device_code)).json()
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      oid: service.ownerObjectId,
      aud: 'https://management.azure.com/',
    })
    expect(decodeJwt(tokens.id_token)).toMatchObject({ aud: client, preferred_username: 'owner@strongroom.internal' })
    expect((await poll(code.device_code)).json().error).toBe('invalid_grant')
    const again = (o: { client_id: string; refresh_token: string }): Promise<Answer> =>
      form('token', { grant_type: 'refresh_token', scope: 'https://vault.azure.net/.default', ...o })
    const renewed = await again({ client_id: client, refresh_token: tokens.refresh_token })
    expect(decodeJwt(renewed.json().access_token)['aud']).toBe('https://vault.azure.net')
    expect((await again({ client_id: owner, refresh_token: tokens.refresh_token })).statusCode).toBe(400)
  })

  it('is approved by whoever was shown client, audiences and address, and states them (attack W70)', async () => {
    const { user_code, device_code } = await begin()
    const shown = await shownFor(user_code)
    expect(shown).toMatchObject({
      client_id: client,
      client_name: 'Microsoft Azure CLI',
      asked_from: '127.0.0.1',
      scope,
    })
    expect(shown.audiences).toEqual(
      expect.arrayContaining([
        'https://management.azure.com',
        'https://vault.azure.net',
        'https://graph.strongroom.internal',
      ]),
    )
    const said = { user_code, approve: true, client_id: client, audiences: shown.audiences }
    for (const other of [
      { user_code, approve: true },
      { ...said, audiences: ['https://management.azure.com'] },
      { ...said, client_id: owner },
    ]) {
      await expect(askOwnerSocket(socket, '/device', other)).rejects.toThrow('409')
      expect((await poll(device_code)).json().error).toBe('authorization_pending')
    }
    await askOwnerSocket(socket, '/device', said)
    expect((await poll(device_code)).statusCode).toBe(200)
  })

  it.each([
    [
      'a client that nobody knows',
      '11111111-2222-4333-8444-555555555555',
      'https://vault.azure.net',
      'https://management.azure.com/',
    ],
    ['a known client, at an internal service', client, 'https://vault.azure.net', 'https://login.strongroom.internal'],
    ['a known client, at the host', client, 'https://vault.azure.net', 'https://host.strongroom.internal'],
  ])('renews tokens for what was approved alone: %s (attack W70)', async (_name, client_id, approved, other) => {
    const code = (await form('devicecode', { client_id, scope: `${approved}/.default` })).json()
    await approve(code.user_code)
    const { refresh_token } = (await poll(code.device_code, client_id)).json()
    const renew = async (resource: string): Promise<Answer> =>
      await form('token', { grant_type: 'refresh_token', client_id, refresh_token, scope: `${resource}/.default` })
    expect(decodeJwt((await renew(`${approved}/`)).json().access_token)['aud']).toBe(`${approved}/`)
    const refused = (await renew(other)).json()
    expect([refused.error, refused.error_codes, refused.access_token]).toEqual(['invalid_grant', [65_001], undefined])
  })

  it('gives nothing for a declined, an expired or another client’s code', async () => {
    const declined = await begin()
    await askOwnerSocket(socket, '/device', { user_code: declined.user_code, approve: false })
    expect((await poll(declined.device_code)).json().error).toBe('authorization_declined')
    const other = await begin()
    await approve(other.user_code)
    expect((await poll(other.device_code, owner)).json().error).toBe('invalid_grant')
    const late = await begin()
    now += hour
    expect((await poll(late.device_code)).json().error).toBe('expired_token')
    await expect(approve(late.user_code)).rejects.toThrow('404')
  })
})
