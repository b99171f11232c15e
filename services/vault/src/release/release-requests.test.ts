import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guestStateGenerationTag, type KeyCreateRequest } from '@strongroom/contract'
import { createSealer, openStore, type Store, type WireRequest } from '@strongroom/platform'
import { kept, openRaw, testSealer } from '@strongroom/platform/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LogEntry } from '../log/entry.ts'
import { releaseSigning } from '../signing/certified-signer.ts'
import { migrations } from '../store/migrations.ts'
import { keepSecret } from '../store/secrets.ts'
import { loggedIn } from '../testing/logged.ts'
import { createTestVault, keyRequest, transferJwk, type Answer, type TestVault } from '../testing/test-vault.ts'
import { unwrapRelease } from '../testing/unwrap.ts'

/** One vault for all tests, which have a key each. Its signing key is not regenerated for each mutant of the release. */
let vault: TestVault
let store: Store
const ended: (() => Promise<void>)[] = []
beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-release-'))
  store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
  await store.migrate('vault', migrations)
  const sealer = createSealer(randomBytes(32))
  const signing = kept('release signing', () => generateKeyPairSync('rsa', { modulusLength: 2048 }))
  const value = signing.privateKey.export({ type: 'pkcs8', format: 'der' })
  await keepSecret({ store, sealer: sealer.derive('vault'), name: `${releaseSigning.name}-key`, value })
  vault = await createTestVault(store, { sealer, inTheEnd: (work) => void ended.push(work) })
  ended.push(async () => {
    await vault.close()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
})
afterAll(async () => {
  for (const work of ended.toReversed()) await work()
})

interface Opened {
  name: string
  version: string
}

let opening = 0
async function opened(request: KeyCreateRequest = keyRequest({ kty: 'EC-HSM' })): Promise<Opened> {
  const name = `vm-${++opening}`
  const created = await vault.call('controlPlane', 'POST', `/keys/${name}/create`, request)
  expect(created.status).toBe(200)
  return { name, version: created.body.key.kid.split('/').at(-1) }
}

const ask = async ({ name, version }: Opened, body: unknown, path = 'release'): Promise<Answer> =>
  await vault.call('orchestrator', 'POST', `/keys/${name}/${version}/${path}`, body)
const refusal = ({ status, body }: Answer): unknown[] => {
  const { code, target, innererror = {} } = body.error
  return [status, code, target, innererror.expected, innererror.found]
}
/** What is logged about a key after its creation. */
const logged = async ({ name }: Opened): Promise<LogEntry[]> =>
  (await loggedIn(store)).filter(({ keyName, operation }) => keyName === name && operation !== 'create')
const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
const openedBy = ({ body }: Answer): ReturnType<typeof unwrapRelease> =>
  unwrapRelease({ jws: body.value, transferKey: vault.transferKey, caPem: vault.authority.caPem })

/** Mistakes in a caller's request, one at a time. The store's engine does not matter. */
describe('a request for a release', () => {
  it('is refused by its wrapping, its nonce or its whole, before any key is looked for', async () => {
    const here = await opened()
    const target = vault.provider.token(vault.claims)
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
    const path = `/keys/${here.name}/${here.version}/release`
    const headers = { 'content-type': 'application/json' }
    for (const body of [JSON.stringify([target]), 'null', '7', '"a"'])
      expect(refusal(await vault.call('orchestrator', 'POST', path, body, undefined, headers)).slice(0, 4)).toEqual([
        400,
        'BadParameter',
        'body',
        'an object with target',
      ])
    expect(refusal(await ask(here, [target]))[4]).toMatch(/^\["eyJ/)
    expect(await logged(here)).toEqual([])
  })

  it('is answered with what it reported about itself and no more: its nonce to the last character, and its wrapping', async () => {
    const here = await opened()
    const target = vault.provider.token(vault.claims)
    const requestOf = async (more: object): Promise<unknown> => {
      const { payload, envelope } = openedBy(await ask(here, { target, ...more }))
      expect(envelope).toMatchObject({ schema_version: '1.0', header: { alg: 'dir', kid: transferJwk['kid'] } })
      return payload.request
    }
    const kid = `https://platform.vault.strongroom.internal/keys/${here.name}/${here.version}`
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
    await ask(here, { target: 'none' })
    await ask(here, {})
    await vault.call('controlPlane', 'PATCH', `/keys/${here.name}/${here.version}`, { attributes: { enabled: false } })
    const token = vault.provider.token(vault.claims)
    await ask(here, { target: token })
    await ask(here, { target: token, generation: 1 }, 'guest-state-generation')
    const refused = (await logged(here)).filter(({ verdict }) => verdict === 'refused')
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
    const target = vault.provider.token(vault.claims)
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
    const target = vault.provider.token(vault.claims)
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
    expect((await logged(here)).map(({ operation, verdict, code }) => [operation, verdict, code])).toEqual([
      ['advanceGuestStateGeneration', 'allowed', undefined],
      ['advanceGuestStateGeneration', 'refused', 'GuestStateGenerationTooOld'],
    ])
  })

  it('is logged as refused where its counter cannot be kept, and changes nothing', async () => {
    const here = await opened()
    const target = vault.provider.token(vault.claims)
    const raw = await openRaw(store)
    await raw.run("create trigger kept before update on key_version begin select raise(abort, 'kept'); end")
    const answer = await ask(here, { target, generation: 1 }, 'guest-state-generation')
    expect([answer.status, answer.body.error.code]).toEqual([500, 'InternalError'])
    await raw.run('drop trigger kept')
    await raw.close()
    expect((await logged(here)).map(({ verdict, code }) => [verdict, code])).toEqual([['refused', 'InternalError']])
    expect((await ask(here, { target, generation: 0 }, 'guest-state-generation')).status).toBe(200)
  })
})

/** `placement.test.ts` tests it further, on both engines. */
describe('a release of a key whose VM is placed', () => {
  const [first, second] = ['first ticket', 'second ticket']
  const place = async (
    { name, version }: Opened,
    epoch: unknown,
    ticket: string,
    as: 'controlPlane' | 'orchestrator' = 'controlPlane',
  ): Promise<Answer> =>
    await vault.call(as, 'PUT', `/keys/${name}/${version}/placement`, { epoch, ticketSha256: digest(ticket) })
  const tokenAt = (epoch: number): string => {
    const runtime = vault.claims['x-ms-runtime'] as Record<string, Record<string, unknown>>
    const configuration = { ...runtime['vm-configuration'], 'placement-epoch': epoch }
    return vault.provider.token({ ...vault.claims, 'x-ms-runtime': { ...runtime, 'vm-configuration': configuration } })
  }

  it('is for its placement alone, and so is its counter (attack W34)', async () => {
    const here = await opened(keyRequest({ kty: 'EC-HSM', tags: { mine: 'x' } }))
    expect(await place(here, 1, first)).toMatchObject({ status: 200, body: { epoch: 1 } })
    expect(await place(here, 2, second)).toMatchObject({ status: 200, body: { epoch: 2 } })
    const now = { target: tokenAt(2), placement: { epoch: 2, ticket: second } }
    for (const [path, more] of [
      ['release', {}],
      ['guest-state-generation', { generation: 4 }],
    ] as const) {
      for (const before of [
        { target: tokenAt(1), placement: { epoch: 1, ticket: first } },
        { target: tokenAt(2), placement: { epoch: 2, ticket: first } },
        { target: tokenAt(2) },
      ])
        expect((await ask(here, { ...before, ...more }, path)).body.error.innererror).toMatchObject({
          code: 'PlacementOver',
        })
      expect((await ask(here, { ...now, ...more }, path)).status).toBe(200)
    }
    const { payload } = openedBy(await ask(here, now))
    expect(payload.response.key.tags).toEqual({ mine: 'x', [guestStateGenerationTag]: '4' })
    const entries = await logged(here)
    const kinds = entries.map(({ operation, verdict }) => `${operation} ${verdict}`)
    expect(kinds).toEqual([
      'placeKey allowed',
      'placeKey allowed',
      ...Array(3).fill('release refused'),
      'release allowed',
      ...Array(3).fill('advanceGuestStateGeneration refused'),
      'advanceGuestStateGeneration allowed',
      'release allowed',
    ])
    expect(entries[0]).toMatchObject({ keyVersion: here.version, tokenDigest: digest('') })
    expect(entries[5]).toMatchObject({ keyVersion: here.version, tokenDigest: digest(now.target) })
    expect(entries[9]).toMatchObject({ keyVersion: here.version, tokenDigest: digest(now.target) })
  })

  it('is placed in a form of its own, by a key that is there, and logged so where it is', async () => {
    const here = await opened()
    for (const epoch of [0.5, '1', undefined]) expect(refusal(await place(here, epoch, first))[2]).toBe('epoch')
    expect((await place({ ...here, version: '0'.repeat(32) }, 1, first)).status).toBe(404)
    expect((await place(here, 2, second)).status).toBe(200)
    expect(await place(here, 1, first)).toMatchObject({ status: 409, body: { error: { code: 'PlacementOver' } } })
    expect((await logged(here)).map(({ operation, verdict }) => [operation, verdict])).toEqual([
      ['placeKey', 'allowed'],
    ])
  })

  it('is none of a key that was purged while its token was judged', async () => {
    const here = await opened()
    const { wire } = vault.provider
    const asked = wire.request.bind(wire)
    // The authority's keys are fetched again if a token names an unknown one.
    wire.request = async <T>(o: WireRequest) => {
      wire.request = asked
      await vault.call('controlPlane', 'DELETE', `/keys/${here.name}`)
      await vault.call('controlPlane', 'DELETE', `/deletedkeys/${here.name}`)
      return await asked<T>(o)
    }
    vault.provider.published.keys.push({ ...vault.provider.published.keys[0], kid: 'provider-2' })
    vault.clock.set(new Date(vault.clock.now().getTime() + 600_000))
    const target = vault.provider.token(vault.claims, { kid: 'provider-2' })
    expect((await ask(here, { target, generation: 1 }, 'guest-state-generation')).status).toBe(404)
    expect((await logged(here)).at(-1)).toMatchObject({ verdict: 'refused', code: 'KeyNotFound' })
  })
})
