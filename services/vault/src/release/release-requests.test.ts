import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyCreateRequest } from '@strongroom/contract'
import { openStore, type Store } from '@strongroom/platform'
import { openRaw, testSealer } from '@strongroom/platform/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { createTestVault, keyRequest, transferJwk, type Answer, type TestVault } from '../testing/test-vault.ts'
import { unwrapRelease } from '../testing/unwrap.ts'

interface Opened {
  vault: TestVault
  store: Store
  version: string
}

async function opened(request: KeyCreateRequest = keyRequest({ kty: 'EC-HSM' })): Promise<Opened> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-release-'))
  const store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
  const vault = await createTestVault(store)
  onTestFinished(async () => {
    await vault.close()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  const created = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', request)
  expect(created.status).toBe(200)
  return { vault, store, version: created.body.key.kid.split('/').at(-1) }
}

const ask = async ({ vault, version }: Opened, body: unknown, path = 'release'): Promise<Answer> =>
  await vault.call('orchestrator', 'POST', `/keys/vm-1/${version}/${path}`, body)
const refusal = ({ status, body }: Answer): unknown[] => {
  const { code, target, innererror = {} } = body.error
  return [status, code, target, innererror.expected, innererror.found]
}

/** What a caller writes wrong in a request, one thing at a time. The engine of the store does not matter to it. */
describe('a request for a release', () => {
  it('is refused by its wrapping, its nonce or its whole, before any key is looked for', async () => {
    const here = await opened()
    const target = here.vault.provider.token(here.vault.claims)
    const wrappings = 'CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256, RSA_AES_KEY_WRAP_384'
    for (const enc of ['RSA1_5', 'ckm_rsa_aes_key_wrap', 7, ''])
      expect(refusal(await ask(here, { target, enc }))).toEqual([
        400,
        'BadParameter',
        'enc',
        wrappings,
        typeof enc === 'string' ? enc : '7',
      ])
    const long = 'n'.repeat(1025)
    for (const nonce of [7, long, {}, false]) {
      const answer = refusal(await ask(here, { target, nonce }))
      expect(answer.slice(0, 4)).toEqual([400, 'BadParameter', 'nonce', 'at most 1024 characters'])
    }
    expect(refusal(await ask(here, [target]))).toEqual([
      400,
      'BadParameter',
      'body',
      'an object with target',
      expect.stringMatching(/^\["eyJ/),
    ])
    expect((await loggedIn(here.store)).map(({ operation }) => operation)).toEqual(['create'])
  })

  it('is answered with what it reported about itself and no more: its nonce to the last character, and its wrapping', async () => {
    const here = await opened()
    const target = here.vault.provider.token(here.vault.claims)
    const requestOf = async (more: object): Promise<unknown> => {
      const { vault } = here
      const { body } = await ask(here, { target, ...more })
      const { payload, envelope } = unwrapRelease({
        jws: body.value,
        transferKey: vault.transferKey,
        caPem: vault.authority.caPem,
      })
      expect(envelope).toMatchObject({ schema_version: '1.0', header: { alg: 'dir', kid: transferJwk['kid'] } })
      return payload.request
    }
    const kid = `https://platform.vault.strongroom.internal/keys/vm-1/${here.version}`
    const plain = { 'api-version': '7.4', enc: 'CKM_RSA_AES_KEY_WRAP', kid }
    expect(await requestOf({})).toEqual(plain)
    expect(await requestOf({ enc: null, nonce: null })).toEqual(plain)
    const nonce = 'n'.repeat(1024)
    expect(await requestOf({ nonce, enc: 'RSA_AES_KEY_WRAP_384' })).toEqual({
      ...plain,
      enc: 'RSA_AES_KEY_WRAP_384',
      nonce,
    })
    expect(await requestOf({ nonce: '' })).toEqual({ ...plain, nonce: '' })
  })

  it('of a key that is for its vault alone says so, whatever the token is', async () => {
    const { vault } = await opened()
    await vault.call('controlPlane', 'POST', '/keys/plain/create', { kty: 'EC' })
    const answer = await vault.call('orchestrator', 'POST', '/keys/plain/release', { target: 'none' })
    expect(answer.body.error).toMatchObject({
      code: 'Forbidden',
      innererror: { code: 'KeyNotExportable', expected: 'exportable', found: 'not exportable' },
    })
    expect(answer.body.error.target).toMatch(/^plain\/[0-9a-f]{32}$/)
    expect(answer.status).toBe(403)
  })

  it('is logged with the reason for which it was refused, and the digest of what came for a token', async () => {
    const here = await opened()
    const { vault, store } = here
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
    await ask(here, { target: 'none' })
    await ask(here, {})
    await vault.call('controlPlane', 'PATCH', `/keys/vm-1/${here.version}`, { attributes: { enabled: false } })
    const token = vault.provider.token(vault.claims)
    await ask(here, { target: token })
    await ask(here, { target: token, generation: 1 }, 'guest-state-generation')
    const refused = (await loggedIn(store)).filter(({ verdict }) => verdict === 'refused')
    expect(refused.map(({ operation, code, tokenDigest }) => [operation, code, tokenDigest])).toEqual([
      ['release', 'BadParameter', digest('none')],
      ['release', 'BadParameter', digest('')],
      ['release', 'Forbidden', digest(token)],
      ['advanceGuestStateGeneration', 'Forbidden', digest(token)],
    ])
  })
})

describe('a request to count a guest state', () => {
  it('is refused by its counter: expected, and what was found', async () => {
    const here = await opened()
    const target = here.vault.provider.token(here.vault.claims)
    for (const [generation, found] of [
      [-1, '-1'],
      [1.5, '1.5'],
      ['2', 'a text of 1 characters'],
      [2 ** 53, '9007199254740992'],
      [null, 'null'],
      [undefined, 'nothing'],
    ])
      expect(refusal(await ask(here, { target, generation }, 'guest-state-generation'))).toEqual([
        400,
        'BadParameter',
        'generation',
        'a whole number from 0 to 9007199254740991',
        found,
      ])
    expect(refusal(await ask(here, [], 'guest-state-generation'))[2]).toBe('body')
  })

  it('is taken to the largest counter, logged once, and refused below it by name', async () => {
    const here = await opened()
    const target = here.vault.provider.token(here.vault.claims)
    const largest = Number.MAX_SAFE_INTEGER
    expect((await ask(here, { target, generation: largest }, 'guest-state-generation')).body).toEqual({
      generation: largest,
    })
    expect(refusal(await ask(here, { target, generation: largest - 1 }, 'guest-state-generation'))).toEqual([
      409,
      'GuestStateGenerationTooOld',
      'generation',
      `${largest} or higher`,
      `${largest - 1}`,
    ])
    const entries = (await loggedIn(here.store)).filter(({ operation }) => operation !== 'create')
    expect(entries.map(({ operation, verdict, code }) => [operation, verdict, code])).toEqual([
      ['advanceGuestStateGeneration', 'allowed', undefined],
      ['advanceGuestStateGeneration', 'refused', 'GuestStateGenerationTooOld'],
    ])
  })

  it('is logged as refused where its counter cannot be kept, and changes nothing', async () => {
    const here = await opened()
    const target = here.vault.provider.token(here.vault.claims)
    const raw = await openRaw(here.store)
    await raw.run("create trigger kept before update on key_version begin select raise(abort, 'kept'); end")
    const answer = await ask(here, { target, generation: 1 }, 'guest-state-generation')
    expect([answer.status, answer.body.error.code]).toEqual([500, 'InternalError'])
    await raw.run('drop trigger kept')
    await raw.close()
    expect((await loggedIn(here.store)).map(({ verdict, code }) => [verdict, code]).slice(1)).toEqual([
      ['refused', 'InternalError'],
    ])
    expect((await ask(here, { target, generation: 0 }, 'guest-state-generation')).status).toBe(200)
  })
})
