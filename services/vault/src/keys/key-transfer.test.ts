import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import type { KeyBundle, KeyTransferBlob } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { rsaAesKeyWrap } from '../keystore/wrap.ts'
import { loggedIn } from '../testing/logged.ts'
import { b64, refusalOf, startTenant } from '../testing/tenant.ts'
import { keyRequest } from '../testing/test-vault.ts'

const pkcs8 = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' })

/** What another HSM vendor's tool does: wraps a key to the public half of the key exchange key. */
function transferBlob(exchange: KeyBundle, secret: Uint8Array, o: Partial<KeyTransferBlob> = {}): KeyTransferBlob {
  const { kid, n, e } = exchange.key
  const wrapped = rsaAesKeyWrap({ secret, wrappingKey: { n: n!, e: e! }, algorithm: 'CKM_RSA_AES_KEY_WRAP' })
  return {
    schema_version: '1.0.0',
    header: { kid, alg: 'dir', enc: 'CKM_RSA_AES_KEY_WRAP' },
    ciphertext: b64(wrapped),
    generator: 'a test',
    ...o,
  }
}
const importOf = (kty: string, blob: unknown, more: object = {}): object => ({
  key: { kty, key_hsm: b64(JSON.stringify(blob)), ...more },
})
const exchangeRequest = { kty: 'RSA-HSM', key_size: 2048, key_ops: ['import'] }

describeStores('a key that another HSM wrapped', (open) => {
  it('is imported of each type, and does what its public half verifies', async () => {
    const store = await open()
    const { vault, ok } = await startTenant(store)
    const exchange: KeyBundle = await ok('POST', '/keys/kek/create', exchangeRequest)
    const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 })
    const digest = b64(randomBytes(32))
    const made: KeyBundle = await ok(
      'PUT',
      '/keys/rsa',
      importOf('RSA-HSM', transferBlob(exchange, pkcs8(rsa.privateKey))),
    )
    expect(made.key).toMatchObject({ kty: 'RSA-HSM', n: rsa.publicKey.export({ format: 'jwk' }).n })
    const signed = await ok('POST', '/keys/rsa/sign', { alg: 'PS256', value: digest })
    expect((await ok('POST', '/keys/rsa/verify', { alg: 'PS256', digest, value: signed.value })).value).toBe(true)
    for (const [namedCurve, crv, alg] of [
      ['P-256', 'P-256', 'ES256'],
      ['secp256k1', 'P-256K', 'ES256K'],
    ] as const) {
      const pair = generateKeyPairSync('ec', { namedCurve })
      const blob = transferBlob(exchange, pkcs8(pair.privateKey))
      const { key }: KeyBundle = await ok('PUT', '/keys/ec', importOf('EC-HSM', blob, { crv }))
      expect(key).toMatchObject({ kty: 'EC-HSM', crv, x: pair.publicKey.export({ format: 'jwk' }).x })
      expect((await ok('POST', '/keys/ec/sign', { alg, value: digest })).value).toBeTruthy()
    }
    // A soft type in the request becomes an HSM key, as az and the SDKs send it; oct keys are raw.
    const oct = randomBytes(32)
    expect((await ok('PUT', '/keys/oct', importOf('oct', transferBlob(exchange, oct)))).key.kty).toBe('oct-HSM')
    const sealed = await ok('POST', '/keys/oct/wrapkey', { alg: 'A256KW', value: digest })
    await ok('PUT', '/keys/same', { key: { kty: 'oct', k: b64(oct) } })
    expect((await ok('POST', '/keys/same/unwrapkey', { alg: 'A256KW', value: sealed.value })).value).toBe(digest)
    const uses = (await loggedIn(store, 'kv1')).filter(({ keyName }) => keyName === 'kek')
    expect(uses.map(({ operation, verdict }) => [operation, verdict])).toEqual([
      ['create', 'allowed'],
      ...Array.from({ length: 4 }, () => ['unwrapKey', 'allowed']),
    ])
    await vault.close()
  })

  it('may be exportable, under a policy of its own', async () => {
    const { vault, ok, send } = await startTenant(await open())
    const exchange: KeyBundle = await ok('POST', '/keys/kek/create', exchangeRequest)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { attributes, release_policy } = keyRequest()
    const body = { ...importOf('EC-HSM', transferBlob(exchange, pkcs8(privateKey))), attributes, release_policy }
    await ok('PUT', '/keys/e', body)
    expect((await send('POST', '/keys/e/release', { target: vault.provider.token(vault.claims) })).status).toBe(200)
    await vault.close()
  })

  it('is refused in one text for whatever does not unwrap, and with the place for what is not a transfer blob', async () => {
    const store = await open()
    const { vault, ok, send } = await startTenant(store)
    const exchange: KeyBundle = await ok('POST', '/keys/kek/create', exchangeRequest)
    const other: KeyBundle = await ok('POST', '/keys/kek2/create', exchangeRequest)
    const ec = pkcs8(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    const good = transferBlob(exchange, ec)
    const bytes = Buffer.from(good.ciphertext, 'base64url')
    const flipped = (at: number): string => {
      const copy = Buffer.from(bytes)
      copy[at]! ^= 1
      return b64(copy)
    }
    const small = pkcs8(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
    const dead: Record<string, [string, KeyTransferBlob]> = {
      'a changed AES key': ['EC-HSM', { ...good, ciphertext: flipped(7) }],
      'a changed private key': ['EC-HSM', { ...good, ciphertext: flipped(300) }],
      'a cut wrap': ['EC-HSM', { ...good, ciphertext: b64(bytes.subarray(0, -8)) }],
      'a padded wrap': ['EC-HSM', { ...good, ciphertext: b64(Buffer.concat([bytes, Buffer.alloc(8)])) }],
      'the AES key alone': ['EC-HSM', { ...good, ciphertext: b64(bytes.subarray(0, 256)) }],
      'a wrap for another key': ['EC-HSM', { ...transferBlob(other, ec), header: good.header }],
      'another hash': ['EC-HSM', { ...good, header: { ...good.header, enc: 'RSA_AES_KEY_WRAP_256' } }],
      'a key of another type': ['RSA-HSM', good],
      'an oct key that is none': ['oct-HSM', good],
      'an RSA key that is too small': ['RSA-HSM', transferBlob(exchange, small)],
      'no key': ['EC-HSM', transferBlob(exchange, Buffer.from('no key at all'))],
    }
    const texts = new Set<string>()
    for (const [name, [kty, blob]] of Object.entries(dead)) {
      const answer = await send('PUT', '/keys/bad', importOf(kty, blob))
      expect([name, ...refusalOf(answer)]).toEqual([name, 400, 'BadParameter', 'key.key_hsm.ciphertext'])
      texts.add(answer.body.error.message)
    }
    expect(texts.size).toBe(1)
    const header = good.header
    const misshapen: [string, unknown][] = [
      ['key.key_hsm.schema_version', { ...good, schema_version: '2.0' }],
      ['key.key_hsm.header.alg', { ...good, header: { ...header, alg: 'RSA-OAEP' } }],
      ['key.key_hsm.header.enc', { ...good, header: { ...header, enc: 'A256GCM' } }],
      ['key.key_hsm.header.kid', { ...good, header: { ...header, kid: header.kid.replace('kv1', 'kv2') } }],
      ['key.key_hsm.header.kid', { ...good, header: { ...header, kid: `${header.kid}/release` } }],
      ['key.key_hsm.header.kid', { ...good, header: { ...header, kid: 7 } }],
      ['name', { ...good, header: { ...header, kid: header.kid.replace('/kek/', '/%2e%2e/') } }],
      ['key.key_hsm.header', { ...good, header: [] }],
      ['key.key_hsm.ciphertext', { ...good, ciphertext: 'not base64url!' }],
      ['key.key_hsm', 'text'],
    ]
    for (const [place, blob] of misshapen) {
      expect(refusalOf(await send('PUT', '/keys/bad', importOf('EC-HSM', blob)))).toEqual([400, 'BadParameter', place])
    }
    for (const key_hsm of ['%%', 5, {}, '']) {
      expect((await send('PUT', '/keys/bad', { key: { kty: 'EC-HSM', key_hsm } })).status).toBe(400)
    }
    const gone = { ...good, header: { ...header, kid: header.kid.replace('/kek/', '/none/') } }
    expect((await send('PUT', '/keys/bad', importOf('EC-HSM', gone))).status).toBe(404)
    expect((await send('GET', '/keys/bad')).status).toBe(404)
    const refusals = (await loggedIn(store, 'kv1')).filter(
      ({ operation, verdict }) => operation === 'unwrapKey' && verdict === 'refused',
    )
    expect(refusals).toHaveLength(Object.keys(dead).length)
    await vault.close()
  })

  it('is opened by a key exchange key alone, which does nothing else and stays one', async () => {
    const { vault, ok, send } = await startTenant(await open())
    const exchange: KeyBundle = await ok('POST', '/keys/kek/create', exchangeRequest)
    const ec = pkcs8(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    const value = b64(randomBytes(256))
    for (const use of ['decrypt', 'unwrapkey', 'sign', 'encrypt']) {
      expect(refusalOf(await send('POST', `/keys/kek/${use}`, { alg: 'RSA-OAEP', value }))[1]).toBe(
        'KeyOperationForbidden',
      )
    }
    const change = await send('PATCH', '/keys/kek', { key_ops: ['import', 'decrypt'] })
    expect(refusalOf(change)).toEqual([400, 'BadParameter', 'key_ops'])
    const plain: KeyBundle = await ok('POST', '/keys/rsa/create', { kty: 'RSA-HSM', key_size: 2048 })
    expect(refusalOf(await send('PATCH', '/keys/rsa', { key_ops: ['import'] }))[2]).toBe('key_ops')
    const byPlain = await send('PUT', '/keys/x', importOf('EC-HSM', transferBlob(plain, ec)))
    expect(refusalOf(byPlain)).toEqual([400, 'BadParameter', 'key.key_hsm.header.kid'])
    for (const request of [
      { kty: 'RSA', key_ops: ['import'] },
      { kty: 'RSA-HSM', key_ops: ['import', 'decrypt'] },
      { ...keyRequest(), key_ops: ['import'] },
    ]) {
      expect(refusalOf(await send('POST', '/keys/no/create', request))[2]).toBe('key_ops')
    }
    const own = { ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }) }
    const imported = { key: { ...own, kty: 'RSA-HSM', key_ops: ['import'] } }
    expect(refusalOf(await send('PUT', '/keys/no', imported))).toEqual([400, 'BadParameter', 'key.key_ops'])
    const blob = transferBlob(exchange, ec)
    const byNobody = await send('PUT', '/keys/x', importOf('EC-HSM', blob), 'bob')
    expect(byNobody.status).toBe(403)
    await ok('PATCH', '/keys/kek', { attributes: { enabled: false } })
    expect(refusalOf(await send('PUT', '/keys/x', importOf('EC-HSM', blob)))[1]).toBe('KeyDisabled')
    await ok('PATCH', '/keys/kek', { attributes: { enabled: true } })
    await ok('PUT', '/keys/x', importOf('EC-HSM', blob))
    expect(
      createPublicKey(createPrivateKey({ key: ec, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' }).x,
    ).toBe((await ok('GET', '/keys/x')).key.x)
    await vault.close()
  })

  it('needs a vault of the premium tier', async () => {
    const { vault, send } = await startTenant(await open(), {}, { sku: 'standard' })
    const answer = await send('PUT', '/keys/x', importOf('EC-HSM', {}))
    expect(answer.body.error.message).toContain('standard tier')
    await vault.close()
  })
})
