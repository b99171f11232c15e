import { constants, createHash, createPublicKey, publicEncrypt, randomBytes, verify } from 'node:crypto'
import type { KeyBundle } from '@strongroom/contract'
import { describeStores, refuseInserts } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { b64, refusalOf, startTenant } from '../testing/tenant.ts'

const message = Buffer.from('message')
const digestOf = (bits: number): string => b64(createHash(`sha${bits}`).update(message).digest())

describeStores('uses of keys', (open) => {
  const started = async (): ReturnType<typeof startTenant> => startTenant(await open())

  it('sign and verify with every algorithm of the key’s type, and with no other', async () => {
    const { vault, ok, send } = await started()
    const algorithms: Record<string, [object, string[]]> = {
      rsa: [{ kty: 'RSA' }, ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
      p256: [{ kty: 'EC-HSM', crv: 'P-256' }, ['ES256']],
      p384: [{ kty: 'EC', crv: 'P-384' }, ['ES384']],
      p521: [{ kty: 'EC', crv: 'P-521' }, ['ES512']],
      k256: [{ kty: 'EC', crv: 'P-256K' }, ['ES256K']],
    }
    const all = Object.values(algorithms).flatMap(([, names]) => names)
    for (const [name, [request, fitting]] of Object.entries(algorithms)) {
      const { key } = (await ok('POST', `/keys/${name}/create`, request)) as KeyBundle
      for (const alg of all) {
        const digest = digestOf(Number(/\d+/.exec(alg)![0]))
        const signed = await send('POST', `/keys/${name}/sign`, { alg, value: digest })
        if (!fitting.includes(alg)) {
          expect(refusalOf(signed)).toEqual([400, 'BadParameter', 'alg'])
          continue
        }
        expect(signed.body.kid).toBe(key.kid)
        const { value } = signed.body
        const check = async (body: object): Promise<unknown> =>
          (await ok('POST', `/keys/${name}/verify`, { alg, digest, value, ...body })).value
        expect([alg, await check({})]).toEqual([alg, true])
        const altered = Buffer.from(value, 'base64url')
        altered[9]! ^= 1
        expect(await check({ value: b64(altered) })).toBe(false)
        expect(await check({ value: b64(altered.subarray(1)) })).toBe(false)
        expect(
          await check({
            digest: b64(
              createHash(`sha${/\d+/.exec(alg)![0]}`)
                .update('x')
                .digest(),
            ),
          }),
        ).toBe(false)
        const jwk = { ...key, kty: name === 'rsa' ? 'RSA' : 'EC', crv: name === 'k256' ? 'secp256k1' : key.crv }
        const outside = verify(
          `sha${/\d+/.exec(alg)![0]}`,
          message,
          {
            key: createPublicKey({ key: jwk as never, format: 'jwk' }),
            dsaEncoding: 'ieee-p1363',
            ...(alg.startsWith('PS') && { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: -1 }),
          },
          Buffer.from(value, 'base64url'),
        )
        expect([alg, outside]).toEqual([alg, true])
      }
    }
    await vault.close()
  })

  it('take a signature under one padding or curve for none under another', async () => {
    const { vault, ok } = await started()
    await ok('POST', '/keys/rsa/create', { kty: 'RSA' })
    const digest = digestOf(256)
    const { value } = await ok('POST', '/keys/rsa/sign', { alg: 'PS256', value: digest })
    expect((await ok('POST', '/keys/rsa/verify', { alg: 'RS256', digest, value })).value).toBe(false)
    const pkcs1 = await ok('POST', '/keys/rsa/sign', { alg: 'RS256', value: digest })
    expect((await ok('POST', '/keys/rsa/verify', { alg: 'PS256', digest, value: pkcs1.value })).value).toBe(false)
    // RFC 8017: a signature of zero, one, or the modulus itself is invalid.
    const { key } = await ok('GET', '/keys/rsa')
    for (const value of [b64(Buffer.alloc(256)), b64(Buffer.concat([Buffer.alloc(255), Buffer.of(1)])), key.n]) {
      for (const alg of ['RS256', 'PS256']) {
        expect((await ok('POST', '/keys/rsa/verify', { alg, digest, value })).value).toBe(false)
      }
    }
    await ok('POST', '/keys/ec/create', { kty: 'EC' })
    for (const value of [
      b64(Buffer.alloc(64)),
      b64(Buffer.alloc(64, 0xff)),
      b64(Buffer.concat([Buffer.alloc(63), Buffer.of(1)])),
    ]) {
      expect((await ok('POST', '/keys/ec/verify', { alg: 'ES256', digest, value })).value).toBe(false)
    }
    await vault.close()
  })

  it('say in Azure’s words that a digest has the wrong length', async () => {
    const { vault, ok, send } = await started()
    await ok('POST', '/keys/rsa/create', { kty: 'RSA' })
    const answer = await send('POST', '/keys/rsa/sign', { alg: 'RS256', value: b64(Buffer.alloc(20)) })
    expect(answer.body.error.message).toBe(
      "Invalid length of 'value': 20 bytes. RS256 requires 32 bytes, encoded with base64url.",
    )
    for (const value of ['', 'a', 'a+b/', 'ü', 5, null, undefined, [1]]) {
      const refused = await send('POST', '/keys/rsa/sign', { alg: 'RS256', value })
      expect([value, refused.status, refused.body.error.target]).toEqual([value, 400, 'value'])
    }
    await vault.close()
  })

  it('encrypt, decrypt, wrap and unwrap with RSA', async () => {
    const { vault, ok, send } = await started()
    const { key } = (await ok('POST', '/keys/rsa/create', { kty: 'RSA', key_size: 3072 })) as KeyBundle
    const secret = randomBytes(32)
    for (const [there, back] of [
      ['encrypt', 'decrypt'],
      ['wrapkey', 'unwrapkey'],
    ] as const) {
      for (const alg of ['RSA-OAEP', 'RSA-OAEP-256', 'RSA1_5']) {
        const { value } = await ok('POST', `/keys/rsa/${there}`, { alg, value: b64(secret) })
        expect(await ok('POST', `/keys/rsa/${back}`, { alg, value })).toEqual({ kid: key.kid, value: b64(secret) })
      }
    }
    const publicKey = createPublicKey({ key: { kty: 'RSA', n: key.n!, e: key.e! }, format: 'jwk' })
    const outside = publicEncrypt({ key: publicKey, oaepHash: 'sha256' }, secret)
    expect((await ok('POST', '/keys/rsa/decrypt', { alg: 'RSA-OAEP-256', value: b64(outside) })).value).toBe(
      b64(secret),
    )
    const wrongHash = await send('POST', '/keys/rsa/decrypt', { alg: 'RSA-OAEP', value: b64(outside) })
    const cut = await send('POST', '/keys/rsa/decrypt', { alg: 'RSA-OAEP', value: b64(outside.subarray(1)) })
    expect([wrongHash.status, wrongHash.body.error.message]).toEqual([400, cut.body.error.message])
    expect((await send('POST', '/keys/rsa/encrypt', { alg: 'RSA-OAEP', value: b64(Buffer.alloc(400)) })).status).toBe(
      400,
    )
    await ok('POST', '/keys/ec/create', { kty: 'EC', key_ops: ['sign'] })
    expect(refusalOf(await send('POST', '/keys/ec/decrypt', { alg: 'RSA-OAEP', value: 'AA' }))[1]).toBe(
      'KeyOperationForbidden',
    )
    await vault.close()
  })

  it('encrypt and wrap with symmetric keys', async () => {
    const { vault, ok, send } = await started()
    for (const bits of [128, 192, 256]) {
      const path = `/keys/oct${bits}`
      await ok('POST', `${path}/create`, { kty: bits === 192 ? 'oct-HSM' : 'oct', key_size: bits })
      const aad = b64('context')
      const sealed = await ok('POST', `${path}/encrypt`, { alg: `A${bits}GCM`, value: b64(message), aad })
      expect(sealed).toMatchObject({ iv: expect.stringMatching(/^.{16}$/), tag: expect.stringMatching(/^.{22}$/), aad })
      const again = await ok('POST', `${path}/encrypt`, { alg: `A${bits}GCM`, value: b64(message), aad })
      expect(again.iv).not.toBe(sealed.iv)
      const opened = { alg: `A${bits}GCM`, value: sealed.value, iv: sealed.iv, tag: sealed.tag, aad }
      expect((await ok('POST', `${path}/decrypt`, opened)).value).toBe(b64(message))
      for (const bad of [
        { tag: b64(Buffer.alloc(16)) },
        { aad: b64('other') },
        { tag: b64(Buffer.alloc(4)) },
        { iv: sealed.tag },
      ]) {
        expect((await send('POST', `${path}/decrypt`, { ...opened, ...bad })).status).toBe(400)
      }
      expect(
        (await send('POST', `${path}/encrypt`, { alg: `A${bits}GCM`, value: b64(message), iv: sealed.iv })).status,
      ).toBe(400)
      const iv = b64(randomBytes(16))
      const cbc = await ok('POST', `${path}/encrypt`, { alg: `A${bits}CBCPAD`, value: b64(message), iv })
      expect((await ok('POST', `${path}/decrypt`, { alg: `A${bits}CBCPAD`, value: cbc.value, iv })).value).toBe(
        b64(message),
      )
      expect((await send('POST', `${path}/encrypt`, { alg: `A${bits}CBC`, value: b64(message), iv })).status).toBe(400)
      const inner = randomBytes(32)
      for (const alg of [`A${bits}KW`, 'CKM_AES_KEY_WRAP', 'CKM_AES_KEY_WRAP_PAD']) {
        const { value } = await ok('POST', `${path}/wrapkey`, { alg, value: b64(inner) })
        expect((await ok('POST', `${path}/unwrapkey`, { alg, value })).value).toBe(b64(inner))
      }
      const wrong = `A${bits === 128 ? 256 : 128}KW`
      expect(refusalOf(await send('POST', `${path}/wrapkey`, { alg: wrong, value: b64(inner) }))[2]).toBe('alg')
    }
    await vault.close()
  })

  it('are refused for a disabled key, one that lacks the operation, and outside its times, undoing excepted', async () => {
    const { vault, ok, send } = await started()
    const now = Math.floor(vault.clock.now().getTime() / 1000)
    const value = b64(Buffer.alloc(32))
    await ok('POST', '/keys/k/create', { kty: 'RSA', key_ops: ['sign', 'verify', 'encrypt', 'decrypt'] })
    const sealed = (await ok('POST', '/keys/k/encrypt', { alg: 'RSA-OAEP', value })).value
    const reason = async (operation: string, body: object): Promise<unknown> => {
      const answer = await send('POST', `/keys/k/${operation}`, body)
      return answer.status === 200 ? 200 : answer.body.error.innererror.code
    }
    const sign = (): Promise<unknown> => reason('sign', { alg: 'RS256', value })
    const decrypt = (): Promise<unknown> => reason('decrypt', { alg: 'RSA-OAEP', value: sealed })
    expect(await reason('wrapkey', { alg: 'RSA-OAEP', value })).toBe('KeyOperationForbidden')
    await ok('PATCH', '/keys/k', { attributes: { nbf: now + 60 } })
    expect([await sign(), await decrypt()]).toEqual(['KeyNotYetValid', 200])
    await ok('PATCH', '/keys/k', { attributes: { nbf: now - 60, exp: now - 30 } })
    expect([await sign(), await decrypt()]).toEqual(['KeyExpired', 200])
    await ok('PATCH', '/keys/k', { attributes: { exp: now + 60, enabled: false } })
    expect([await sign(), await decrypt()]).toEqual(['KeyDisabled', 'KeyDisabled'])
    await ok('PATCH', '/keys/k', { key_ops: ['verify'], attributes: { enabled: true } })
    expect(await sign()).toBe('KeyOperationForbidden')
    await vault.close()
  })

  it('are each in the operation log, allowed or refused', async () => {
    const store = await open()
    const { vault, ok, send } = await startTenant(store)
    await ok('POST', '/keys/k/create', { kty: 'EC' })
    await ok('POST', '/keys/k/sign', { alg: 'ES256', value: b64(Buffer.alloc(32)) })
    await send('POST', '/keys/k/sign', { alg: 'ES384', value: b64(Buffer.alloc(32)) })
    await send('POST', '/keys/k/sign', { alg: 'ES256', value: b64(Buffer.alloc(32)) }, 'bob')
    const logged = (await loggedIn(store, 'kv1')).map(({ operation, verdict, code, appId }) => [
      operation,
      verdict,
      code,
      appId,
    ])
    expect(logged.slice(-4)).toEqual([
      ['create', 'allowed', undefined, 'alice-app'],
      ['sign', 'allowed', undefined, 'alice-app'],
      ['sign', 'refused', 'BadParameter', 'alice-app'],
      ['sign', 'refused', 'Forbidden', 'bob-app'],
    ])
    await refuseInserts(store, 'log_entry')
    const refused = await send('POST', '/keys/k/sign', { alg: 'ES256', value: b64(Buffer.alloc(32)) })
    expect([refused.status, refused.body.value]).toEqual([503, undefined])
    await vault.close()
  })

  it('go by the version that is named, and by the newest where none is', async () => {
    const { vault, ok, send } = await started()
    const first = (await ok('POST', '/keys/k/create', { kty: 'EC' })) as KeyBundle
    const second = (await ok('POST', '/keys/k/create', { kty: 'EC' })) as KeyBundle
    const body = { alg: 'ES256', value: b64(Buffer.alloc(32)) }
    const version = first.key.kid.split('/').at(-1)!
    expect((await ok('POST', `/keys/k/${version}/sign`, body)).kid).toBe(first.key.kid)
    // As the JavaScript SDK writes it.
    expect((await ok('POST', '/keys/k//sign', body)).kid).toBe(second.key.kid)
    expect((await send('POST', `/keys/k/${'0'.repeat(32)}/sign`, body)).status).toBe(404)
    await vault.close()
  })

  it('give as many random bytes as are asked for', async () => {
    const { vault, ok, send } = await started()
    const { value } = await ok('POST', '/rng', { count: 128 })
    expect(Buffer.from(value, 'base64url')).toHaveLength(128)
    expect((await ok('POST', '/rng', { count: 128 })).value).not.toBe(value)
    for (const count of [0, 129, 1.5, '8', null]) expect((await send('POST', '/rng', { count })).status).toBe(400)
    expect((await send('POST', '/rng', { count: 8 }, 'bob')).status).toBe(403)
    await vault.close()
  })
})
