import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { providerUrl } from '../testing/fake-provider.ts'
import { loggedIn } from '../testing/logged.ts'
import { b64, refusalOf, startTenant } from '../testing/tenant.ts'
import { encodedPolicy, keyRequest, transferJwk } from '../testing/test-vault.ts'

/** Known attacks on keys, policies and services, tried by a client that has only the wire. */
describeStores('an attacker with the wire', (open) => {
  const started = async (): ReturnType<typeof startTenant> => startTenant(await open())
  const exportable = (policy: unknown): object => ({ ...keyRequest(), release_policy: { data: encodedPolicy(policy) } })
  const condition = { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }
  const policyOf = (allOf: unknown): object => ({ version: '1.0.0', anyOf: [{ authority: providerUrl, allOf }] })

  it('has no key wrapped to a key of his own, whatever he sends beside the token (attack K8)', async () => {
    const { vault, ok, send } = await started()
    await ok('POST', '/keys/k/create', keyRequest())
    const own = {
      ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
      kid: 'his',
      key_ops: ['encrypt'],
    }
    const target = vault.provider.token(vault.claims)
    const beside = { key: own, wrappingKey: own, kek: own, 'x-ms-runtime': { keys: [own] }, header: { jwk: own } }
    const { value } = await ok('POST', '/keys/k/release', { target, ...beside })
    const payload = JSON.parse(Buffer.from(value.split('.')[1], 'base64url').toString())
    const envelope = JSON.parse(Buffer.from(payload.response.key.key.key_hsm, 'base64url').toString())
    expect(envelope.header.kid).toBe(transferJwk['kid'])
    // The paravisor's keys, and those in a guest's own data, are not the evidence's.
    const elsewhere = {
      ...vault.claims,
      'x-ms-runtime': {
        'vm-configuration': (vault.claims['x-ms-runtime'] as Record<string, unknown>)['vm-configuration'],
        'client-payload': { keys: [own] },
      },
      'x-ms-isolation-tee': { 'x-ms-runtime': { keys: [own] } },
    }
    const refused = await send('POST', '/keys/k/release', { target: vault.provider.token(elsewhere) })
    expect(refusalOf(refused)).toEqual([403, 'Forbidden', 'x-ms-runtime.keys'])
    await vault.close()
  })

  it('finds each decision made by the one policy that its entry in the log has the hash of (attack K9)', async () => {
    const store = await open()
    const { vault, ok, send } = await startTenant(store)
    const [loose, strict] = [policyOf([condition]), policyOf([condition, { claim: 'never', equals: true }])]
    await ok('POST', '/keys/k/create', exportable(loose))
    const target = vault.provider.token(vault.claims)
    const swap = (policy: object): Promise<unknown> =>
      ok('PATCH', '/keys/k', { release_policy: { data: encodedPolicy(policy) } })
    const releases = Array.from({ length: 8 }, () => send('POST', '/keys/k/release', { target }))
    const [answers] = await Promise.all([Promise.all(releases), swap(strict), swap(loose)])
    // Changes sent together arrive in any order: the last one is awaited separately.
    await swap(strict)
    answers.push(await send('POST', '/keys/k/release', { target }))
    const hashOf = (policy: object): string => createHash('sha256').update(JSON.stringify(policy)).digest('hex')
    const entries = (await loggedIn(store, 'kv1')).filter(({ operation }) => operation === 'release')
    expect(entries).toHaveLength(answers.length)
    const allowed = entries.filter(({ verdict }) => verdict === 'allowed')
    expect(allowed.filter(({ policyHash }) => policyHash !== hashOf(loose))).toEqual([])
    expect(allowed).toHaveLength(answers.filter(({ status }) => status === 200).length)
    expect(entries.at(-1)).toMatchObject({ verdict: 'refused', policyHash: hashOf(strict) })
    await vault.close()
  })

  it('has no right that nobody gave him, by any route of the vault (attack P1)', async () => {
    const { vault, ok, send } = await started()
    await ok('POST', '/keys/k/create', { kty: 'EC' })
    await ok('PUT', '/secrets/s', { value: 'v' })
    const routes = [
      ['GET', '/keys'],
      ['GET', '/keys/k'],
      ['PUT', '/keys/k'],
      ['PATCH', '/keys/k'],
      ['DELETE', '/keys/k'],
      ['GET', '/deletedkeys'],
      ['POST', '/keys/k/create'],
      ['POST', '/keys/k/sign'],
      ['POST', '/keys/k/release'],
      ['POST', '/keys/k/rotate'],
      ['POST', '/keys/k/backup'],
      ['POST', '/keys/restore'],
      ['GET', '/keys/k/attestation'],
      ['GET', '/keys/k/rotationpolicy'],
      ['POST', '/rng'],
      ['GET', '/secrets'],
      ['GET', '/secrets/s'],
      ['PUT', '/secrets/s'],
      ['GET', '/deletedsecrets'],
      ['POST', '/secrets/restore'],
    ] as const
    for (const [method, path] of routes) {
      expect([method, path, (await send(method, path, method === 'GET' ? undefined : {}, 'bob')).status]).toEqual([
        method,
        path,
        403,
      ])
      const anonymous = await vault.call(undefined, method, path, undefined, 'kv1.vault.strongroom.internal')
      expect([method, path, anonymous.status]).toEqual([method, path, 401])
    }
    await vault.close()
  })

  it('meets no policy by what a token lacks, or says in another type, and makes none that he alone understands (attack P3)', async () => {
    const { vault, ok, send } = await started()
    const cases: [unknown, unknown, boolean][] = [
      [true, true, true],
      [true, 'true', false],
      [true, 1, false],
      [false, undefined, false],
      [false, null, false],
      [false, 0, false],
      [1, '1', false],
      [1, true, false],
      [0, false, false],
      [0, '', false],
      ['a', ['a'], false],
      ['a', { a: 1 }, false],
      ['', undefined, false],
      ['null', null, false],
      ['undefined', undefined, false],
      ['A', 'a', false],
    ]
    for (const [equals, actual, holds] of cases) {
      await ok('POST', '/keys/k/create', exportable(policyOf([{ claim: 'c.d', equals }])))
      const answer = await send('POST', '/keys/k/release', {
        target: vault.provider.token({ ...vault.claims, c: { d: actual } }),
      })
      expect([equals, actual, answer.status]).toEqual([equals, actual, holds ? 200 : 403])
    }
    // Incomparable values are neither unequal nor ordered, and what cannot be looked up is not absent.
    const compared: [object, unknown, boolean][] = [
      [{ notEquals: true }, false, true],
      [{ notEquals: 'true' }, true, false],
      [{ notEquals: true }, 'false', false],
      [{ notEquals: 1 }, undefined, false],
      [{ notEquals: 1 }, null, false],
      [{ notEquals: 1 }, [2], false],
      [{ greaterOrEquals: 3 }, 3, true],
      [{ greaterOrEquals: 3 }, '4', false],
      [{ greater: -1 }, undefined, false],
      [{ less: 1 }, null, false],
      [{ less: 1 }, false, false],
      [{ lessOrEquals: 1 }, [0], false],
      [{ exists: true }, '', true],
      [{ exists: true }, undefined, false],
      [{ exists: true }, null, false],
      [{ exists: false }, undefined, true],
      [{ exists: false }, null, false],
      [{ exists: false }, 0, false],
    ]
    for (const [operator, actual, holds] of compared) {
      await ok('POST', '/keys/k/create', exportable(policyOf([{ claim: 'c.d', ...operator }])))
      const target = vault.provider.token({ ...vault.claims, c: { d: actual } })
      const { status } = await send('POST', '/keys/k/release', { target })
      expect([operator, actual, status]).toEqual([operator, actual, holds ? 200 : 403])
    }
    for (const claim of ['__proto__.polluted', 'constructor.name', 'toString', 'c.length']) {
      await ok('POST', '/keys/k/create', exportable(policyOf([{ claim, equals: 'Object' }])))
      expect(
        (await send('POST', '/keys/k/release', { target: vault.provider.token({ ...vault.claims, c: 'text' }) }))
          .status,
      ).toBe(403)
    }
    const unreadable: unknown[] = [
      {},
      { anyOf: [] },
      { anyOf: {} },
      policyOf([]),
      policyOf({}),
      policyOf([{ claim: 'a' }]),
      policyOf([{ equals: 1 }]),
      policyOf([{ claim: 'a', equals: null }]),
      policyOf([{ claim: 'a', equals: ['a'] }]),
      policyOf([{ claim: 'a', equals: {} }]),
      policyOf([{ claim: 'a', notIn: ['a'] }]),
      policyOf([{ claim: 'a', greater: '0' }]),
      policyOf([{ claim: 'a', 'greater-than': 0 }]),
      policyOf([{ claim: 'a', exists: 'true' }]),
      policyOf([{ claim: 'a', equals: 1, notEquals: 2 }]),
      policyOf([{ claim: 'a', matches: '.*' }]),
      policyOf([{ allOf: [] }]),
      policyOf([{ noneOf: [condition] }]),
      policyOf([{ ...condition, extra: 1 }]),
      policyOf([{ claim: '', equals: 1 }]),
      { version: '2.0.0', anyOf: [{ authority: providerUrl, allOf: [condition] }] },
      { anyOf: [{ authority: providerUrl }] },
      { anyOf: [{ allOf: [condition] }] },
      { allOf: [condition] },
      { allOf: [1, 2].map(() => ({ authority: providerUrl, allOf: [condition] })) },
      { anyOf: [{ authority: providerUrl, allOf: [condition], anyOf: [condition] }] },
      { anyOf: [{ authority: 'http://x', allOf: [condition] }] },
    ]
    for (const policy of unreadable) {
      const answer = await send('POST', '/keys/no/create', exportable(policy))
      expect([policy, answer.status]).toEqual([policy, 400])
      expect(answer.body.error.message + String(answer.body.error.target)).toMatch(/\$|release_policy/)
    }
    const twice = `{"version":"1.0.0","anyOf":[{"authority":"${providerUrl}","allOf":[{"claim":"a","equals":1,"equals":2}]}]}`
    for (const data of [b64(twice), b64('{'), '%', b64('[]'), b64('null')]) {
      expect((await send('POST', '/keys/no/create', { ...keyRequest(), release_policy: { data } })).status).toBe(400)
    }
    expect((await send('GET', '/keys/no')).status).toBe(404)
    await vault.close()
  })

  it('makes no policy that takes the service down, nested or long (attack P4)', async () => {
    const { vault, send } = await started()
    const nested = (depth: number): unknown => (depth === 0 ? condition : { allOf: [nested(depth - 1)] })
    const short = { claim: 'x', equals: 1 }
    const wide = policyOf(Array.from({ length: 2_100 }, () => short))
    const long = policyOf(Array.from({ length: 1_200 }, () => condition))
    const scattered = policyOf(Array.from({ length: 50 }, () => ({ anyOf: Array.from({ length: 50 }, () => short) })))
    const huge = policyOf(Array.from({ length: 20_000 }, () => condition))
    const longClaim = policyOf([{ claim: 'a'.repeat(600), equals: 1 }])
    const parts = policyOf([{ claim: `${'a.'.repeat(20)}a`, equals: 1 }])
    const text = `{"version":"1.0.0","anyOf":[{"authority":"${providerUrl}","allOf":${'[{"allOf":'.repeat(4000)}[]${'}]'.repeat(4000)}}]}`
    for (const [data, status, limit] of [
      [encodedPolicy(policyOf([nested(200)])), 400, 'at most 8 levels'],
      [b64(text), 400, 'at most 8 levels'],
      [encodedPolicy(wide), 400, 'at most 2000 entries'],
      [encodedPolicy(scattered), 400, 'at most 2000 conditions'],
      [encodedPolicy(longClaim), 400, 'a path of claim names separated by dots'],
      [encodedPolicy(long), 400, 'at most 65536 bytes'],
      [encodedPolicy(parts), 400, 'at most 16 parts'],
      [encodedPolicy(huge), 413, 'too large'],
    ] as const) {
      const answer = await send('POST', '/keys/k/create', { ...keyRequest(), release_policy: { data } })
      expect([answer.status, answer.body.error.message]).toEqual([status, expect.stringContaining(limit)])
    }
    expect((await send('POST', '/keys/k/create', { kty: 'EC' })).status).toBe(200)
    await vault.close()
  })

  it('makes no exportable key without a policy, and changes none that is immutable, in any way (attack P5)', async () => {
    const { vault, ok, send } = await started()
    const without = await send('POST', '/keys/k/create', { kty: 'RSA-HSM', attributes: { exportable: true } })
    expect([without.status, without.body.error.message]).toEqual([
      400,
      'AKV.SKR.1004: Exportable keys must have release policy.',
    ])
    const data = encodedPolicy(policyOf([condition]))
    await ok('POST', '/keys/k/create', { ...keyRequest(), release_policy: { data, immutable: true } })
    const other = encodedPolicy(policyOf([{ claim: 'x', equals: 1 }]))
    for (const release_policy of [
      { data: other },
      { data: other, immutable: true },
      { data: other, immutable: false },
    ]) {
      const answer = await send('PATCH', '/keys/k', { release_policy })
      expect([answer.status, answer.body.error.message]).toEqual([
        400,
        'AKV.SKR.1020: Immutable Key Release Policy cannot be modified.',
      ])
    }
    await ok('PATCH', '/keys/k', { release_policy: { data, immutable: false } })
    expect((await ok('GET', '/keys/k')).release_policy).toMatchObject({ data, immutable: true })
    expect((await send('PATCH', '/keys/k', { attributes: { exportable: false } })).status).toBe(400)
    await vault.close()
  })

  it('reaches no file and no other key by a name (attack Q6)', async () => {
    const { vault, send } = await started()
    for (const name of [
      '..',
      '%2e%2e',
      '..%2f..%2fetc%2fpasswd',
      'a%2fb',
      'a%5cb',
      'a%00',
      'a.json',
      '%252e',
      'ä',
      ' ',
    ]) {
      for (const [method, path] of [
        ['GET', `/keys/${name}`],
        ['PUT', `/secrets/${name}`],
        ['POST', `/keys/${name}/create`],
        ['GET', `/deletedkeys/${name}`],
      ] as const) {
        const answer = await send(method, path, method === 'GET' ? undefined : { value: 'v', kty: 'EC' })
        expect([name, path, answer.status >= 400 && answer.status < 500]).toEqual([name, path, true])
      }
    }
    await vault.close()
  })

  it('is refused with bodies that are packed, nested or endless, and the service goes on (attack Q8)', async () => {
    const { vault, ok } = await started()
    const { app } = vault.service.hosts[0]!
    const inject = async (payload: string | Buffer, more: Record<string, string> = {}): Promise<number> => {
      const headers = {
        host: 'kv1.vault.strongroom.internal',
        authorization: 'Bearer alice',
        'content-type': 'application/json',
        ...more,
      }
      return (await app.inject({ method: 'POST', url: '/keys/k/create?api-version=7.4', payload, headers })).statusCode
    }
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '))
    for (const encoding of ['gzip', 'deflate', 'br']) {
      const status = await inject(bomb, { 'content-encoding': encoding })
      expect([encoding, status >= 400 && status < 500]).toEqual([encoding, true])
    }
    expect(await inject('['.repeat(200_000))).toBe(400)
    expect(await inject(`{"kty":"EC","key_ops":[${'"sign",'.repeat(50_000)}"sign"]}`)).toBe(400)
    expect(await inject(`{"kty":"EC","__proto__":{"kty":"RSA"}}`)).toBe(400)
    expect(await inject(Buffer.alloc(600 * 1024, 'a'))).toBe(413)
    await ok('POST', '/keys/k/create', { kty: 'EC' })
    await vault.close()
  })

  it('wraps that are cut, padded, changed or of another mode open nothing, all in one text', async () => {
    const { vault, ok, send } = await started()
    await ok('POST', '/keys/aes/create', { kty: 'oct', key_size: 256 })
    await ok('POST', '/keys/rsa/create', { kty: 'RSA' })
    const inner = randomBytes(32)
    const texts = new Map<string, Set<string>>()
    for (const [key, alg] of [
      ['aes', 'A256KW'],
      ['aes', 'CKM_AES_KEY_WRAP'],
      ['aes', 'CKM_AES_KEY_WRAP_PAD'],
      ['rsa', 'RSA-OAEP'],
      ['rsa', 'RSA-OAEP-256'],
    ] as const) {
      const good = Buffer.from(
        (await ok('POST', `/keys/${key}/wrapkey`, { alg, value: b64(inner) })).value,
        'base64url',
      )
      const changed = Buffer.from(good)
      changed[changed.length - 1]! ^= 1
      const bad = [
        good.subarray(1),
        good.subarray(8),
        good.subarray(0, -1),
        good.subarray(0, -8),
        good.subarray(0, 8),
        good.subarray(0, 16),
        Buffer.concat([good, Buffer.alloc(1)]),
        Buffer.concat([good, Buffer.alloc(8)]),
        Buffer.concat([Buffer.alloc(8), good]),
        changed,
        Buffer.alloc(good.length),
        randomBytes(good.length),
      ]
      for (const value of bad) {
        const answer = await send('POST', `/keys/${key}/unwrapkey`, { alg, value: b64(value) })
        expect([alg, value.length, answer.status]).toEqual([alg, value.length, 400])
        texts.set(key, (texts.get(key) ?? new Set()).add(answer.body.error.message))
      }
      expect((await ok('POST', `/keys/${key}/unwrapkey`, { alg, value: b64(good) })).value).toBe(b64(inner))
    }
    expect([...texts.values()].map((each) => each.size)).toEqual([1, 1])
    // RFC 5649's wrap differs from RFC 3394's; OAEP's hash is part of it.
    for (const [key, by, as] of [
      ['aes', 'CKM_AES_KEY_WRAP_PAD', 'A256KW'],
      ['aes', 'A256KW', 'CKM_AES_KEY_WRAP_PAD'],
      ['rsa', 'RSA-OAEP-256', 'RSA-OAEP'],
    ] as const) {
      const { value } = await ok('POST', `/keys/${key}/wrapkey`, { alg: by, value: b64(inner) })
      expect((await send('POST', `/keys/${key}/unwrapkey`, { alg: as, value })).status).toBe(400)
    }
    await vault.close()
  })
})
