import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { createTestVault, encodedPolicy, keyRequest, principalIds, type TestVault } from '../testing/test-vault.ts'

describeStores('the vault over HTTP', (open) => {
  const started = async (): Promise<{ vault: TestVault; store: Store }> => {
    const store = await open()
    return { store, vault: await createTestVault(store) }
  }

  it('answers a request without token with the challenge that stock clients expect, whatever its body', async () => {
    const { vault } = await started()
    for (const body of [undefined, keyRequest(), { kty: 'nonsense' }]) {
      const answer = await vault.call(undefined, 'POST', '/keys/vm-1/create', body)
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toMatch(
        /^Bearer authorization="https:\/\/login\.strongroom\.internal\/[0-9a-f-]{36}", resource="https:\/\/vault\.strongroom\.internal"$/,
      )
    }
    expect((await vault.call('stranger' as never, 'GET', '/keys')).status).toBe(401)
    await vault.close()
  })

  it('lets the control plane manage keys but not have them released', async () => {
    const { vault, store } = await started()
    expect((await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))).status).toBe(
      200,
    )
    expect((await vault.call('controlPlane', 'GET', '/keys')).status).toBe(200)
    const target = vault.provider.token(vault.claims)
    const refused = await vault.call('controlPlane', 'POST', '/keys/vm-1/release', { target })
    expect([refused.status, refused.body.error.code]).toEqual([403, 'Forbidden'])
    expect(refused.body.error.innererror.found).toBe(principalIds.controlPlane)
    expect(vault.provider.asked).toEqual([])
    const recorded = await loggedIn(store)
    expect(recorded.at(-1)).toMatchObject({
      operation: 'release',
      verdict: 'refused',
      appId: 'control-plane',
      via: { service: 'control-plane', objectId: principalIds.controlPlane, appId: 'controlPlane-app' },
      keyName: 'vm-1',
    })
    await vault.close()
  })

  it('lets the orchestrator do nothing that changes keys, and the owner nothing at all', async () => {
    const { vault } = await started()
    await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const changes = [
      ['POST', '/keys/vm-2/create', keyRequest()],
      ['PATCH', '/keys/vm-1', { attributes: { enabled: false } }],
      ['DELETE', '/keys/vm-1', undefined],
      ['POST', '/deletedkeys/vm-1/recover', undefined],
      ['DELETE', '/deletedkeys/vm-1', undefined],
      ['GET', '/keys', undefined],
    ] as const
    for (const [method, path, body] of changes) {
      expect((await vault.call('orchestrator', method, path, body)).status).toBe(403)
      expect((await vault.call('owner', method, path, body)).status).toBe(403)
    }
    expect((await vault.call('owner', 'GET', '/keys/vm-1')).status).toBe(403)
    const target = vault.provider.token(vault.claims)
    expect((await vault.call('owner', 'POST', '/keys/vm-1/release', { target })).status).toBe(403)
    await vault.close()
  })

  it('answers names that are not a vault with 404', async () => {
    const { vault } = await started()
    for (const host of [
      'kv1.vault.strongroom.internal',
      'platform.vault.azure.net',
      'a.platform.vault.strongroom.internal',
    ]) {
      const answer = await vault.call('controlPlane', 'GET', '/keys', undefined, host)
      expect([answer.status, answer.body.error.code]).toEqual([404, 'VaultNotFound'])
    }
    const { hosts } = vault.service
    expect(hosts[0]!.matches('kv1.vault.strongroom.internal')).toBe(true)
    for (const host of [
      'vault.strongroom.internal',
      'xvault.strongroom.internal',
      'a--b.vault.strongroom.internal',
      'a.b.vault.strongroom.internal',
    ]) {
      expect(hosts[0]!.matches(host)).toBe(false)
    }
    await vault.close()
  })

  it('asks for an api-version and takes those of az and the SDKs', async () => {
    const { vault } = await started()
    const status = async (version: string): Promise<number> =>
      (await vault.call('controlPlane', 'GET', `/keys?api-version=${version}`)).status
    for (const version of ['7.3', '7.4', '7.5', '7.6-preview.2', '2025-07-01']) expect(await status(version)).toBe(200)
    for (const version of ['', '8.0', '7', '2015-01-01', "7.4'"]) expect(await status(version)).toBe(400)
    await vault.close()
  })

  it('creates keys of each type with the fields clients read', async () => {
    const { vault } = await started()
    const release_policy = keyRequest().release_policy!
    const attributes = { exportable: true }
    const rsa = await vault.call(
      'controlPlane',
      'POST',
      '/keys/My-Key/create',
      keyRequest({ key_size: 3072, tags: { a: 'b' } }),
    )
    expect(rsa.body).toEqual({
      key: {
        kid: expect.stringMatching(/^https:\/\/platform\.vault\.strongroom\.internal\/keys\/My-Key\/[0-9a-f]{32}$/),
        kty: 'RSA-HSM',
        key_ops: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
        n: expect.stringMatching(/^[A-Za-z0-9_-]{512}$/),
        e: 'AQAB',
      },
      attributes: {
        enabled: true,
        created: expect.any(Number),
        updated: expect.any(Number),
        recoveryLevel: 'Recoverable+Purgeable',
        recoverableDays: 90,
        exportable: true,
      },
      tags: { a: 'b' },
      release_policy: { contentType: 'application/json; charset=utf-8', data: release_policy.data, immutable: true },
    })
    const ec = await vault.call('controlPlane', 'POST', '/keys/ec/create', {
      kty: 'EC-HSM',
      crv: 'P-521',
      attributes,
      release_policy,
    })
    expect(ec.body.key).toMatchObject({ kty: 'EC-HSM', crv: 'P-521', x: expect.any(String), y: expect.any(String) })
    const oct = await vault.call('controlPlane', 'POST', '/keys/oct/create', {
      kty: 'oct-HSM',
      key_size: 256,
      attributes,
      release_policy,
    })
    expect(Object.keys(oct.body.key)).toEqual(['kid', 'kty', 'key_ops'])
    const byOtherCase = await vault.call('orchestrator', 'GET', '/keys/MY-KEY/')
    expect(byOtherCase.body).toEqual(rsa.body)
    await vault.close()
  })

  it.each([
    [{ kty: 'DSA' }, 'kty'],
    [{ kty: 'RSA', key_size: 1024 }, 'key_size'],
    [{ kty: 'RSA', key_size: '2048' }, 'key_size'],
    [{ kty: 'RSA', public_exponent: 3 }, 'public_exponent'],
    [{ kty: 'EC', crv: 'P-224' }, 'crv'],
    [{ kty: 'EC', key_ops: ['encrypt'] }, 'key_ops'],
    [{ kty: 'RSA', tags: { a: 1 } }, 'tags.a'],
    [{ kty: 'RSA', tags: { 'X-Strongroom-Guest-State-Generation': '9' } }, 'tags'],
    [{ kty: 'RSA', attributes: { exp: 'tomorrow' } }, 'attributes.exp'],
    [{ kty: 'RSA', attributes: { nbf: 10, exp: 10 } }, 'attributes.exp'],
    [{ kty: 'RSA', attributes: { enabled: 'no' } }, 'attributes.enabled'],
    [{ kty: 'RSA', attributes: { exportable: 'true' } }, 'attributes.exportable'],
    [{ ...keyRequest(), release_policy: undefined }, 'release_policy'],
    [{ ...keyRequest(), attributes: {} }, 'attributes.exportable'],
    [{ ...keyRequest(), kty: 'RSA' }, 'kty'],
    [{ ...keyRequest(), release_policy: { data: encodedPolicy({ anyOf: [] }) } }, '$.anyOf'],
    [
      { ...keyRequest(), release_policy: { ...keyRequest().release_policy, immutable: 'yes' } },
      'release_policy.immutable',
    ],
    [[], 'body'],
  ])('refuses to create %j', async (body, target) => {
    const { vault } = await started()
    const answer = await vault.call('controlPlane', 'POST', '/keys/k/create', body)
    expect([answer.status, answer.body.error.code, answer.body.error.target]).toEqual([400, 'BadParameter', target])
    await vault.close()
  })

  it('says in Azure’s words that an exportable key needs a policy', async () => {
    const { vault } = await started()
    const answer = await vault.call('controlPlane', 'POST', '/keys/k/create', {
      ...keyRequest(),
      release_policy: undefined,
    })
    expect(answer.body.error.message).toBe('AKV.SKR.1004: Exportable keys must have release policy.')
    await vault.close()
  })

  it('refuses names and versions that are paths or worse', async () => {
    const { vault } = await started()
    for (const name of ['..%2f..%2fetc', 'a%00b', 'a.b', 'a_b', 'x'.repeat(128), '%F0%9F%98%80', "a'--"]) {
      expect([name, (await vault.call('controlPlane', 'GET', `/keys/${name}`)).status]).toEqual([name, 400])
    }
    const named = await vault.call('controlPlane', 'GET', '/keys/a_b')
    expect([named.body.error.code, named.body.error.message]).toEqual([
      'BadParameter',
      'The request URI contains an invalid name: a_b',
    ])
    expect((await vault.call('controlPlane', 'GET', '/keys/a/..%2fb')).status).toBe(400)
    expect((await vault.call('controlPlane', 'GET', '/keys/a/versionz')).status).toBe(400)
    await vault.close()
  })

  it('refuses bodies that are too large or nested beyond reason, and goes on', async () => {
    const { vault } = await started()
    const large = await vault.call('controlPlane', 'POST', '/keys/k/create', { kty: 'x'.repeat(600 * 1024) })
    expect(large.status).toBe(413)
    const nested = `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`
    for (const payload of [
      `{"kty":"EC","tags":${nested}}`,
      `{"kty":"EC","tags":{"a":${nested}}}`,
      `{"kty":${nested}}`,
    ]) {
      const answer = await vault.service.hosts[0]!.app.inject({
        method: 'POST',
        url: '/keys/k/create?api-version=7.4',
        payload,
        headers: {
          host: 'platform.vault.strongroom.internal',
          authorization: 'Bearer controlPlane',
          'content-type': 'application/json',
        },
      })
      expect(answer.statusCode).toBe(400)
    }
    expect((await vault.call('controlPlane', 'GET', '/keys')).status).toBe(200)
    await vault.close()
  })

  it('lists keys and versions page by page, each once', async () => {
    const { vault } = await started()
    const names = Array.from({ length: 7 }, (_, index) => `vm-${index}`)
    for (const name of names) await vault.call('controlPlane', 'POST', `/keys/${name}/create`, { kty: 'EC' })
    for (let index = 0; index < 3; index++) await vault.call('controlPlane', 'POST', '/keys/vm-3/create', { kty: 'EC' })
    const all = async (first: string): Promise<string[]> => {
      const found: string[] = []
      for (let path: string | null = first; path !== null;) {
        const { body, status } = await vault.call('controlPlane', 'GET', path)
        expect(status).toBe(200)
        found.push(...body.value.map((item: { kid: string }) => item.kid))
        path = body.nextLink?.replace('https://platform.vault.strongroom.internal', '') ?? null
      }
      return found
    }
    expect(await all('/keys?maxresults=3')).toEqual(
      names.map((name) => `https://platform.vault.strongroom.internal/keys/${name}`),
    )
    expect(new Set(await all('/keys/vm-3/versions?maxresults=2')).size).toBe(4)
    expect((await vault.call('controlPlane', 'GET', '/keys/vm-9/versions')).status).toBe(404)
    for (const query of ['maxresults=0', 'maxresults=26', 'maxresults=x', '$skiptoken=%00']) {
      expect((await vault.call('controlPlane', 'GET', `/keys?${query}`)).status).toBe(400)
    }
    await vault.close()
  })
})
