import { scryptSync } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { createSecret, hashSecret, isSlow, matchesSecret } from './directory/secret.ts'
import type { IdentityService } from './service.ts'
import { testContext, testService } from './testing.ts'

/** The earlier hash format. */
const slowHash = (secret: string): string => {
  const salt = Buffer.alloc(16, 7)
  const hash = scryptSync(secret, salt, 32, { N: 16_384, r: 8, p: 1 })
  return ['scrypt', 16_384, 8, 1, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

describe('anyone who signs in without end', () => {
  let service: IdentityService
  let tenant: string
  beforeEach(async () => {
    const context = await testContext()
    tenant = context.installation.tenantId
    service = await testService(context)
  })
  const post = async (
    path: string,
    form: Record<string, string>,
    remoteAddress = '127.0.0.1',
  ): Promise<{ status: number; retryAfter: unknown; error: unknown }> => {
    const answer = await service.hosts[0]!.app.inject({
      method: 'POST',
      url: `/${tenant}/oauth2/v2.0/${path}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams(form).toString(),
      remoteAddress,
    })
    return {
      status: answer.statusCode,
      retryAfter: answer.headers['retry-after'],
      error: (answer.json() as { error?: unknown }).error,
    }
  }
  const grant = { grant_type: 'client_credentials', scope: 'https://management.azure.com//.default' }

  it('holds up nobody who has the secret, and is told to come back (attack W5)', async () => {
    const { ownerAppId: client_id, ownerSecret: client_secret } = service.firstStart!
    let open = 1_200
    const guesses = Array.from({ length: open }, async () => {
      const answer = await post('token', { ...grant, client_id, client_secret: createSecret() })
      open -= 1
      return answer
    })
    // Some refusals are delayed by then, but not for the secret's holder.
    await expect.poll(() => open).toBeLessThan(1_200)
    expect((await post('token', { ...grant, client_id, client_secret })).status).toBe(200)
    expect(open).toBeGreaterThan(0)
    const answers = await Promise.all(guesses)
    const later = answers.filter(({ status }) => status === 429)
    expect(later.length).toBeGreaterThan(0)
    expect(later[0]).toEqual({ status: 429, retryAfter: '5', error: 'temporarily_unavailable' })
    expect(answers.filter(({ status }) => status === 401).length).toBe(1_200 - later.length)
  })

  it('waits before it may guess again, whomever it guesses (attack W5)', async () => {
    const begun = performance.now()
    const guesses = Array.from({ length: 300 }, (_, n) => {
      const client_id = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
      return post('token', { ...grant, client_id, client_secret: createSecret() })
    })
    for (const { status } of await Promise.all(guesses)) expect(status).toBe(400)
    // A hundred a second, and a small burst.
    const guessing = performance.now() - begun
    expect(guessing).toBeGreaterThan(2_500)
    const alone = performance.now()
    await post('token', { ...grant, client_id: '00000000-0000-4000-8000-00000000abcd', client_secret: createSecret() })
    expect(performance.now() - alone).toBeLessThan(guessing / 2)
  })

  it('takes the device codes of nobody else (attack W5)', async () => {
    const form = { client_id: '04b07795-8ddb-461a-bbee-02f9e1bf7b46', scope: 'https://management.azure.com//.default' }
    for (let n = 0; n < 100; n++) expect((await post('devicecode', form, '192.0.2.9')).status).toBe(200)
    const refused = { status: 429, retryAfter: '5', error: 'temporarily_unavailable' }
    for (let n = 0; n < 150; n++) expect(await post('devicecode', form, '192.0.2.9')).toEqual(refused)
    expect((await post('devicecode', form, '127.0.0.1')).status).toBe(200)
  })
})

describe('hashes of before', () => {
  it('match still, of which only so many are compared at once (attack W5)', async () => {
    const secret = createSecret()
    const stored = slowHash(secret)
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => matchesSecret(secret, stored)))
    const matched = answers.filter((each) => each.status === 'fulfilled' && each.value)
    expect(matched.length).toBe(18)
    for (const each of answers) if (each.status === 'rejected') expect(each.reason).toMatchObject({ status: 429 })
    expect(await matchesSecret(createSecret(), stored)).toBe(false)
    expect(isSlow(stored) && !isSlow(await hashSecret(secret))).toBe(true)
  })
})
