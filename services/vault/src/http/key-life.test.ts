import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import type { KeyBundle } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { adminGrant, encodedPolicy, keyRequest, transferJwk, vmId } from '../testing/test-vault.ts'
import { b64, refusalOf, startTenant } from '../testing/tenant.ts'
import { unwrapRelease } from '../testing/unwrap.ts'

const jwkOf = (key: KeyObject): Record<string, string> => key.export({ format: 'jwk' }) as Record<string, string>
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey

describeStores('import, rotation and backup of keys', (open) => {
  const started = async (): ReturnType<typeof startTenant> => startTenant(await open())

  it('takes keys that were made elsewhere and uses them', async () => {
    const { vault, ok } = await started()
    const made = (await ok('PUT', '/keys/rsa', {
      key: { ...jwkOf(rsa), key_ops: ['sign'] },
      tags: { a: 'b' },
    })) as KeyBundle
    expect(made).toMatchObject({ key: { kty: 'RSA', key_ops: ['sign'], n: jwkOf(rsa)['n'] }, tags: { a: 'b' } })
    expect(JSON.stringify(made)).not.toContain(jwkOf(rsa)['d'])
    await ok('PUT', '/keys/ec', { key: jwkOf(ec), Hsm: true })
    const digest = b64(Buffer.alloc(48, 7))
    const { value } = await ok('POST', '/keys/ec/sign', { alg: 'ES384', value: digest })
    expect((await ok('POST', '/keys/ec/verify', { alg: 'ES384', digest, value })).value).toBe(true)
    expect((await ok('GET', '/keys/ec')).key.kty).toBe('EC-HSM')
    const oct = randomBytes(32)
    await ok('PUT', '/keys/oct', { key: { kty: 'oct', k: b64(oct) } })
    const wrapped = (await ok('POST', '/keys/oct/wrapkey', { alg: 'A256KW', value: b64(Buffer.alloc(16)) })).value
    await ok('PUT', '/keys/again', { key: { kty: 'oct', k: b64(oct) } })
    expect((await ok('POST', '/keys/again/unwrapkey', { alg: 'A256KW', value: wrapped })).value).toBe(
      b64(Buffer.alloc(16)),
    )
    await vault.close()
  })

  it('refuses halves that do not belong together, weak and strange keys, and repeats nothing private', async () => {
    const { vault, send } = await started()
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const otherEc = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const each: [object, string][] = [
      [{ ...jwkOf(rsa), n: jwkOf(other)['n'] }, 'key'],
      [{ ...jwkOf(rsa), dp: jwkOf(other)['dp'] }, 'key'],
      [{ ...jwkOf(rsa), d: undefined }, 'key.d'],
      [jwkOf(weak), 'key.n'],
      [{ ...jwkOf(ec), x: jwkOf(otherEc)['x'] }, 'key'],
      [{ ...jwkOf(ec), x: jwkOf(otherEc)['x'], y: jwkOf(otherEc)['y'] }, 'key'],
      [{ ...jwkOf(p256), crv: 'P-384' }, 'key'],
      [{ ...jwkOf(ec), crv: 'P-224' }, 'key.crv'],
      [{ kty: 'oct', k: b64(Buffer.alloc(20)) }, 'key.k'],
      [{ kty: 'oct', k: 'not base64url!' }, 'key.k'],
      [{ kty: 'RSA-HSM', key_hsm: 'AAAA' }, 'key.key_hsm'],
      [{ kty: 'DH' }, 'key.kty'],
    ]
    for (const [key, target] of each) {
      const answer = await send('PUT', '/keys/k', { key })
      expect([target, ...refusalOf(answer)]).toEqual([target, 400, 'BadParameter', target])
      for (const secret of [jwkOf(rsa)['d'], jwkOf(ec)['d'], 'not base64url!']) {
        expect(JSON.stringify(answer.body)).not.toContain(secret)
      }
    }
    expect((await send('GET', '/keys/k')).status).toBe(404)
    await vault.close()
  })

  it('lets HSM-backed keys only into vaults of the premium tier', async () => {
    const { vault, ok, send } = await startTenant(await open(), {}, { sku: 'standard', grants: [adminGrant('alice')] })
    await ok('POST', '/keys/soft/create', { kty: 'RSA' })
    for (const kty of ['RSA-HSM', 'EC-HSM', 'oct-HSM']) {
      expect(refusalOf(await send('POST', '/keys/k/create', { kty }))).toEqual([400, 'BadParameter', 'kty'])
    }
    expect(refusalOf(await send('PUT', '/keys/k', { key: jwkOf(ec), hsm: true }))[0]).toBe(400)
    expect(refusalOf(await send('POST', '/keys/k/create', keyRequest()))).toEqual([400, 'BadParameter', 'kty'])
    await vault.close()
  })

  it('releases an imported key as the one that was imported', async () => {
    const { vault, ok } = await started()
    const { attributes, release_policy } = keyRequest()
    await ok('PUT', '/keys/k', { key: jwkOf(rsa), hsm: true, attributes, release_policy })
    const { value } = await ok('POST', '/keys/k/release', { target: vault.provider.token(vault.claims) })
    const { secret } = unwrapRelease({ jws: value, transferKey: vault.transferKey, caPem: vault.authority.caPem })
    expect(secret).toEqual(rsa.export({ type: 'pkcs8', format: 'der' }))
    await vault.close()
  })

  it('rotates on request: a new key under the name, with settings and expiry of the policy', async () => {
    const { vault, ok, send } = await started()
    const now = Math.floor(vault.clock.now().getTime() / 1000)
    const first = (await ok('POST', '/keys/k/create', {
      kty: 'EC',
      crv: 'P-384',
      tags: { a: 'b' },
      attributes: { exp: now + 999 },
    })) as KeyBundle
    expect((await ok('GET', '/keys/k/rotationpolicy')).lifetimeActions[0].action.type).toBe('Notify')
    const policy = {
      lifetimeActions: [{ trigger: { timeBeforeExpiry: 'P30D' }, action: { type: 'rotate' } }],
      attributes: { expiryTime: 'P90D' },
    }
    expect(await ok('PUT', '/keys/k/rotationpolicy', policy)).toMatchObject({
      id: 'https://kv1.vault.strongroom.internal/keys/k/rotationpolicy',
      lifetimeActions: [{ trigger: { timeBeforeExpiry: 'P30D' }, action: { type: 'Rotate' } }],
      attributes: { expiryTime: 'P90D', created: now, updated: now },
    })
    const second = (await ok('POST', '/keys/k/rotate')) as KeyBundle
    expect(second.key.kid).not.toBe(first.key.kid)
    expect(second).toMatchObject({
      key: { kty: 'EC', crv: 'P-384' },
      tags: { a: 'b' },
      attributes: { exp: now + 90 * 86_400 },
    })
    expect(second.key.x).not.toBe(first.key.x)
    expect((await ok('GET', '/keys/k/versions')).value).toHaveLength(2)
    expect((await send('POST', '/keys/none/rotate')).status).toBe(404)
    await vault.close()
  })

  it('refuses rotation policies that say too little or too much, with the place', async () => {
    const { vault, ok, send } = await started()
    await ok('POST', '/keys/k/create', { kty: 'EC' })
    const rotate = (trigger: object): object => ({ trigger, action: { type: 'Rotate' } })
    const each: [object, string][] = [
      [{ lifetimeActions: [rotate({ timeAfterCreate: 'P6D' })] }, 'lifetimeActions[0].trigger.timeAfterCreate'],
      [{ lifetimeActions: [rotate({ timeAfterCreate: '90D' })] }, 'lifetimeActions[0].trigger.timeAfterCreate'],
      [{ lifetimeActions: [rotate({ timeAfterCreate: 'PT90H' })] }, 'lifetimeActions[0].trigger.timeAfterCreate'],
      [{ lifetimeActions: [rotate({})] }, 'lifetimeActions[0].trigger'],
      [
        { lifetimeActions: [rotate({ timeAfterCreate: 'P9D', timeBeforeExpiry: 'P9D' })] },
        'lifetimeActions[0].trigger',
      ],
      [{ lifetimeActions: [rotate({ timeBeforeExpiry: 'P30D' })] }, 'attributes.expiryTime'],
      [
        { lifetimeActions: [rotate({ timeBeforeExpiry: 'P30D' })], attributes: { expiryTime: 'P30D' } },
        'lifetimeActions[0].trigger.timeBeforeExpiry',
      ],
      [{ attributes: { expiryTime: 'P27D' } }, 'attributes.expiryTime'],
      [
        { lifetimeActions: [{ trigger: { timeAfterCreate: 'P90D' }, action: { type: 'Notify' } }] },
        'lifetimeActions[0].trigger',
      ],
      [
        { lifetimeActions: [{ trigger: { timeAfterCreate: 'P90D' }, action: { type: 'Delete' } }] },
        'lifetimeActions[0].action.type',
      ],
      [
        { lifetimeActions: [rotate({ timeAfterCreate: 'P90D' }), rotate({ timeAfterCreate: 'P80D' })] },
        'lifetimeActions',
      ],
    ]
    for (const [policy, target] of each) {
      expect(refusalOf(await send('PUT', '/keys/k/rotationpolicy', policy))).toEqual([400, 'BadParameter', target])
    }
    await vault.close()
  })

  it('backs a key up with all versions and restores it only where the name is free', async () => {
    const { vault, ok, send } = await started()
    await vault.putVault('kv2', { grants: [adminGrant('bob')] })
    const digest = b64(randomBytes(32))
    const versions = [
      (await ok('POST', '/keys/My-Key/create', { kty: 'EC' })) as KeyBundle,
      (await ok('POST', '/keys/My-Key/create', { kty: 'EC' })) as KeyBundle,
    ]
    const old = versions[0]!.key.kid.split('/').at(-1)!
    const { value } = await ok('POST', `/keys/My-Key/${old}/sign`, { alg: 'ES256', value: digest })
    const backup = await ok('POST', '/keys/My-Key/backup')
    expect(refusalOf(await send('POST', '/keys/restore', backup))[1]).toBe('Conflict')
    await ok('DELETE', '/keys/My-Key')
    expect(refusalOf(await send('POST', '/keys/restore', backup))[1]).toBe('ObjectIsDeletedButRecoverable')
    await send('DELETE', '/deletedkeys/My-Key')
    expect((await ok('POST', '/keys/restore', backup)).key.kid).toBe(versions[1]!.key.kid)
    expect((await ok('POST', `/keys/My-Key/${old}/verify`, { alg: 'ES256', digest, value })).value).toBe(true)
    expect((await ok('GET', '/keys/My-Key/versions')).value).toHaveLength(2)
    const kv2 = 'kv2.vault.strongroom.internal'
    const moved = await vault.call('bob', 'POST', '/keys/restore', backup, kv2)
    expect(moved.body.key.kid).toBe(versions[1]!.key.kid.replace('kv1', 'kv2'))
    const resigned = await vault.call('bob', 'POST', `/keys/My-Key/${old}/sign`, { alg: 'ES256', value: digest }, kv2)
    expect(
      (await ok('POST', `/keys/My-Key/${old}/verify`, { alg: 'ES256', digest, value: resigned.body.value })).value,
    ).toBe(true)
    await vault.close()
  })

  it('makes backups under load that restore to one of the states that were', async () => {
    const { vault, ok } = await started()
    await vault.putVault('kv2', { grants: [adminGrant('bob')] })
    await ok('POST', '/keys/k/create', { kty: 'EC' })
    const changes = Array.from({ length: 12 }, (_, n) =>
      ok('PATCH', '/keys/k', { tags: { a: String(n), b: String(n) } }),
    )
    const more = Array.from({ length: 4 }, () => ok('POST', '/keys/k/create', { kty: 'EC', tags: { a: 'x', b: 'x' } }))
    const [backup] = await Promise.all([ok('POST', '/keys/k/backup'), ...changes, ...more])
    const restored = await vault.call('bob', 'POST', '/keys/restore', backup, 'kv2.vault.strongroom.internal')
    expect(restored.status).toBe(200)
    expect(restored.body.tags.a).toBe(restored.body.tags.b)
    const body = { alg: 'ES256', value: b64(Buffer.alloc(32)) }
    expect((await vault.call('bob', 'POST', '/keys/k/sign', body, 'kv2.vault.strongroom.internal')).status).toBe(200)
    await vault.close()
  })

  it('restores nothing that was altered, is of another kind or another installation', async () => {
    const { vault, ok, send } = await started()
    await ok('POST', '/keys/k/create', { kty: 'EC' })
    await ok('PUT', '/secrets/s', { value: 'v' })
    const { value } = (await ok('POST', '/keys/k/backup')) as { value: string }
    const secret = (await ok('POST', '/secrets/s/backup')) as { value: string }
    const other = await startTenant(await open())
    await other.ok('POST', '/keys/k/create', { kty: 'EC' })
    const foreign = (await other.ok('POST', '/keys/k/backup')) as { value: string }
    const altered = Buffer.from(value, 'base64url')
    altered[60]! ^= 1
    for (const bad of [secret.value, foreign.value, b64(altered), value.slice(0, -4), '', '%', 7]) {
      expect((await send('POST', '/keys/restore', { value: bad })).status).toBe(400)
    }
    expect((await send('POST', '/secrets/restore', { value })).status).toBe(400)
    await vault.close()
    await other.vault.close()
  })

  it('keeps the platform’s keys from backup, import and every use', async () => {
    const { vault } = await started()
    await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest())
    for (const principal of ['controlPlane', 'orchestrator', 'owner', 'alice'] as const) {
      for (const [method, path] of [
        ['POST', '/keys/vm-1/backup'],
        ['POST', '/keys/restore'],
        ['PUT', '/keys/vm-1'],
        ['POST', '/keys/vm-1/unwrapkey'],
        ['POST', '/keys/vm-1/sign'],
        ['POST', '/keys/vm-1/rotate'],
        ['PUT', '/keys/vm-1/rotationpolicy'],
        ['PUT', '/secrets/s'],
        ['GET', '/secrets'],
      ] as const) {
        expect([principal, path, (await vault.call(principal, method, path, {})).status]).toEqual([
          principal,
          path,
          403,
        ])
      }
    }
    await vault.close()
  })

  it('binds a release to the policy of the version, also after rotation and restoring', async () => {
    const { vault, ok, send } = await started()
    const policy = { data: keyRequest().release_policy!.data, immutable: true }
    await ok('POST', '/keys/k/create', { ...keyRequest(), release_policy: policy })
    await ok('POST', '/keys/k/rotate')
    const denied = vault.provider.token({
      ...vault.claims,
      'x-ms-runtime': { keys: [transferJwk], 'vm-configuration': { vmUniqueId: vmId.toLowerCase() } },
    })
    const backup = await ok('POST', '/keys/k/backup')
    await ok('DELETE', '/keys/k')
    await send('DELETE', '/deletedkeys/k')
    await ok('POST', '/keys/restore', backup)
    expect((await send('POST', '/keys/k/release', { target: denied })).status).toBe(403)
    expect((await send('POST', '/keys/k/release', { target: vault.provider.token(vault.claims) })).status).toBe(200)
    const wider = {
      data: encodedPolicy({
        anyOf: [{ authority: 'https://a.attest.strongroom.internal', allOf: [{ claim: 'a', equals: 1 }] }],
      }),
    }
    expect((await send('PATCH', '/keys/k', { release_policy: wider })).body.error.message).toContain('AKV.SKR.1020')
    await vault.close()
  })
})
