import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { join } from 'node:path'
import { portalClient } from '@strongroom/contract'
import { decodeJwt } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { IdentityService } from '../service.ts'
import { testContext, testService } from '../testing.ts'

const verifier = 'v'.repeat(43)
const challenge = createHash('sha256').update(verifier).digest('base64url')
const binding = 'b'.repeat(43)
const origin = 'https://portal.strongroom.internal'
const redirect_uri = `${origin}/signed-in`

let service: IdentityService
let now: number
let socket: string

beforeEach(async () => {
  now = Date.parse('2026-03-01T00:00:00Z')
  const context = await testContext({ clock: { now: () => new Date(now) } })
  service = await testService(context)
  socket = join(context.stateDir, 'run/owner.sock')
  await service.start()
})

interface Answer {
  statusCode: number
  headers: Record<string, unknown>
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
  json(): any
}

async function post(path: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
  return await service.hosts[0]!.app.inject({
    method: 'POST',
    url: `/organizations/oauth2/v2.0/${path}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(form).toString(),
  })
}

async function signInCode(): Promise<string> {
  return await new Promise((done, fail) => {
    const sent = request({ socketPath: socket, method: 'POST', path: '/sign-in-code' }, (received) => {
      let text = ''
      received.on('data', (chunk: Buffer) => (text += chunk.toString()))
      received.on('end', () => done((JSON.parse(text) as { code: string }).code))
    })
    sent.on('error', fail)
    sent.end('{}')
  })
}

const asked = {
  client_id: portalClient.appId,
  response_type: 'code',
  redirect_uri,
  scope: 'openid offline_access https://management.azure.com//.default',
  code_challenge: challenge,
  code_challenge_method: 'S256',
  state: 's',
  nonce: 'n',
  session_binding: binding,
}
const authorize = async (more: Record<string, string> = {}, cookie?: string): Promise<Answer> =>
  await post('authorize', { ...asked, ...more }, cookie === undefined ? {} : { cookie })
const answerOf = (answer: Answer): URLSearchParams => new URL(String(answer.headers['location'])).searchParams
const redeem = async (code: string, more: Record<string, string> = {}, from = origin): Promise<Answer> =>
  await post(
    'token',
    {
      client_id: portalClient.appId,
      grant_type: 'authorization_code',
      code,
      redirect_uri,
      code_verifier: verifier,
      ...more,
    },
    { origin: from },
  )
const cookieOf = (answer: Answer): string => String(answer.headers['set-cookie']).split(';')[0]!

describe('the authorization code flow of a single-page app', () => {
  it('gives the owner tokens by a one-time code, and by the session that it began', async () => {
    const first = await authorize({ sign_in_code: await signInCode() })
    expect([first.statusCode, answerOf(first).get('state')]).toEqual([303, 's'])
    const tokens = (await redeem(answerOf(first).get('code')!)).json()
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      aud: 'https://management.azure.com/',
      azp: portalClient.appId,
      idtyp: 'user',
      oid: service.ownerObjectId,
    })
    expect(decodeJwt(tokens.id_token)).toMatchObject({ nonce: 'n', aud: portalClient.appId })
    const again = await authorize({ prompt: 'none' }, cookieOf(first))
    expect((await redeem(answerOf(again).get('code')!)).statusCode).toBe(200)
    await post('logout', {}, { cookie: cookieOf(first) })
    expect(answerOf(await authorize({}, cookieOf(first))).get('error')).toBe('login_required')
  })

  it('takes a one-time code once, and for five minutes', async () => {
    const code = await signInCode()
    expect(answerOf(await authorize({ sign_in_code: code })).has('code')).toBe(true)
    expect(answerOf(await authorize({ sign_in_code: code })).get('error')).toBe('login_required')
    const old = await signInCode()
    now += 301_000
    expect(answerOf(await authorize({ sign_in_code: old })).get('error')).toBe('login_required')
    expect(answerOf(await authorize({ sign_in_code: 'guess' })).get('error')).toBe('login_required')
  })

  it('opens a session to nobody who has one half of it', async () => {
    const cookie = cookieOf(await authorize({ sign_in_code: await signInCode() }))
    const other = { session_binding: 'c'.repeat(43) }
    expect(answerOf(await authorize(other, cookie)).get('error')).toBe('login_required')
    expect(answerOf(await authorize()).get('error')).toBe('login_required')
    expect(answerOf(await authorize({}, cookie)).has('code')).toBe(true)
    now += 13 * 3600_000
    expect(answerOf(await authorize({}, cookie)).get('error')).toBe('login_required')
  })

  it.each([
    ['an address that is not registered', { redirect_uri: `${origin}/signed-in/` }, 50_011],
    ['an address of another site', { redirect_uri: 'https://evil.example/signed-in' }, 50_011],
    ['an unknown app', { client_id: '00000000-0000-4000-8000-000000000000' }, 700_016],
  ])('sends nobody to %s', async (_name, more, number) => {
    const answer = await authorize({ ...more, sign_in_code: await signInCode() })
    expect([answer.statusCode, answer.headers['location'], answer.json().error_codes]).toEqual([
      400,
      undefined,
      [number],
    ])
  })

  it.each([
    ['plain', { code_challenge_method: 'plain' }],
    ['absent', { code_challenge: '' }],
    ['short', { code_challenge: 'x' }],
  ])('wants proof of the code exchange: refuses one that is %s', async (_name, more) => {
    const answer = answerOf(await authorize({ ...more, sign_in_code: await signInCode() }))
    expect([answer.get('error'), answer.has('code')]).toEqual(['invalid_request', false])
  })

  it('redeems a code once, within a minute, with its verifier, at its address and for its own origin', async () => {
    const code = async (): Promise<string> =>
      answerOf(await authorize({ sign_in_code: await signInCode() })).get('code')!
    const one = await code()
    expect((await redeem(one, {}, 'https://evil.example')).json().error_codes).toEqual([9_002_327])
    const granted = await redeem(one)
    expect([granted.statusCode, granted.headers['access-control-allow-origin']]).toEqual([200, origin])
    expect((await redeem(one)).json().error_codes).toEqual([70_008])
    expect((await redeem(await code(), { code_verifier: 'w'.repeat(43) })).json().error_codes).toEqual([50_148])
    const elsewhere = { redirect_uri: 'http://localhost:8644/signed-in' }
    expect((await redeem(await code(), elsewhere)).json().error_codes).toEqual([70_008])
    const late = await code()
    now += 61_000
    expect((await redeem(late)).json().error_codes).toEqual([70_008])
  })

  it('redeems a code, and renews its token, for no service that no page calls (attack W70)', async () => {
    const code = async (): Promise<string> =>
      answerOf(await authorize({ sign_in_code: await signInCode() })).get('code')!
    const scope = 'https://login.strongroom.internal/.default'
    expect((await redeem(await code(), { scope })).json().error_codes).toEqual([65_001])
    const { refresh_token } = (await redeem(await code())).json()
    const form = { client_id: portalClient.appId, grant_type: 'refresh_token', refresh_token, scope }
    expect((await post('token', form, { origin })).json().error_codes).toEqual([65_001])
  })

  it('refreshes for a day, for its own origin, and lets other pages read nothing', async () => {
    const code = answerOf(await authorize({ sign_in_code: await signInCode() })).get('code')!
    const { refresh_token } = (await redeem(code)).json()
    const refresh = async (from: string): Promise<Answer> =>
      await post(
        'token',
        {
          client_id: portalClient.appId,
          grant_type: 'refresh_token',
          refresh_token,
          scope: 'https://vault.azure.net/.default',
        },
        { origin: from },
      )
    expect(decodeJwt((await refresh(origin)).json().access_token)).toMatchObject({ aud: 'https://vault.azure.net' })
    const foreign = await refresh('https://evil.example')
    expect([foreign.statusCode, foreign.headers['access-control-allow-origin']]).toEqual([400, undefined])
    now += 25 * 3600_000
    expect((await refresh(origin)).json().error).toBe('invalid_grant')
  })
})
