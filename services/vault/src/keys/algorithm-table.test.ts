import { constants, createHmac, createPublicKey, publicDecrypt, randomBytes } from 'node:crypto'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { b64, refusalOf, startTenant } from '../testing/tenant.ts'

const rsa = {
  sign: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'RSNULL'],
  encrypt: ['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'],
  wrapkey: ['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'],
}
const ec = (algorithm: string) => ({ sign: [algorithm], encrypt: [], wrapkey: [] })
const oct = (bits: number) => ({
  sign: ['HS256', 'HS384', 'HS512'],
  encrypt: [`A${bits}GCM`, `A${bits}CBC`, `A${bits}CBCPAD`],
  wrapkey: [`A${bits}KW`, 'CKM_AES_KEY_WRAP', 'CKM_AES_KEY_WRAP_PAD'],
})
type Row = Record<'sign' | 'encrypt' | 'wrapkey', string[]>

/** Every kind of key and its operations: Azure's "Key types, algorithms, and operations", each kind also as -HSM. */
const table: [kind: string, request: object, row: Row][] = [
  ['RSA 2048', { kty: 'RSA', key_size: 2048 }, rsa],
  ['RSA 3072', { kty: 'RSA', key_size: 3072 }, rsa],
  ['P-256', { kty: 'EC', crv: 'P-256' }, ec('ES256')],
  ['P-384', { kty: 'EC', crv: 'P-384' }, ec('ES384')],
  ['P-521', { kty: 'EC', crv: 'P-521' }, ec('ES512')],
  ['P-256K', { kty: 'EC', crv: 'P-256K' }, ec('ES256K')],
  ['oct 128', { kty: 'oct', key_size: 128 }, oct(128)],
  ['oct 192', { kty: 'oct', key_size: 192 }, oct(192)],
  ['oct 256', { kty: 'oct', key_size: 256 }, oct(256)],
]
const everything = {
  sign: [...new Set(table.flatMap(([, , row]) => row.sign))],
  encrypt: [...new Set(table.flatMap(([, , row]) => row.encrypt))],
  wrapkey: [...new Set(table.flatMap(([, , row]) => row.wrapkey))],
}
const back = { sign: 'verify', encrypt: 'decrypt', wrapkey: 'unwrapkey' } as const
const octOperations = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey', 'sign', 'verify']

const digestBytes = (algorithm: string): number => (algorithm === 'RSNULL' ? 36 : Number(/\d+/.exec(algorithm)![0]) / 8)

describeStores('keys of each kind', (open) => {
  it(
    'do with every algorithm what the table says, there and back, and refuse every other',
    { timeout: 120_000 },
    async () => {
      const { vault, ok, send } = await startTenant(await open())
      for (const [kind, request, row] of table) {
        for (const suffix of ['', '-HSM']) {
          const kty = `${(request as { kty: string }).kty}${suffix}`
          const key_ops = kty.startsWith('oct') ? octOperations : undefined
          await ok('POST', '/keys/k/create', { ...request, kty, key_ops })
          for (const operation of ['sign', 'encrypt', 'wrapkey'] as const) {
            for (const alg of everything[operation]) {
              const place = `${kind}${suffix} ${operation} ${alg}`
              const value = b64(randomBytes(operation === 'sign' ? digestBytes(alg) : 32))
              const more = alg.includes('CBC') ? { iv: b64(randomBytes(16)) } : {}
              const there = await send('POST', `/keys/k/${operation}`, { alg, value, ...more })
              if (!row[operation].includes(alg)) {
                const expected = kty.startsWith('EC') && operation !== 'sign' ? 'KeyOperationForbidden' : 'BadParameter'
                expect([place, refusalOf(there)[1]]).toEqual([place, expected])
                continue
              }
              expect([place, there.status, there.body.error]).toEqual([place, 200, undefined])
              const { iv, tag } = there.body
              const asked =
                operation === 'sign' ? { digest: value, value: there.body.value } : { value: there.body.value, iv, tag }
              const again = await ok('POST', `/keys/k/${back[operation]}`, { alg, ...asked })
              expect([place, again.value]).toEqual([place, operation === 'sign' ? true : value])
            }
          }
        }
      }
      await vault.close()
    },
  )

  it('authenticate with HMAC as RFC 7518 has it, and take no code that is cut, padded or of another key (attack Q7)', async () => {
    const { vault, ok, send } = await startTenant(await open())
    const k = Buffer.alloc(32, 0x0b)
    await ok('PUT', '/keys/mac', { key: { kty: 'oct', k: b64(k), key_ops: ['sign', 'verify'] } })
    const value = b64('Hi There')
    for (const [alg, hash] of [
      ['HS256', 'sha256'],
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
    ] as const) {
      const code = createHmac(hash, k).update('Hi There').digest()
      expect((await ok('POST', '/keys/mac/sign', { alg, value })).value).toBe(b64(code))
      const check = async (signature: Uint8Array): Promise<unknown> =>
        (await ok('POST', '/keys/mac/verify', { alg, digest: value, value: b64(signature) })).value
      const altered = Buffer.from(code)
      altered[5]! ^= 1
      expect(await check(code)).toBe(true)
      for (const bad of [altered, code.subarray(1), code.subarray(0, 16), Buffer.concat([code, Buffer.of(0)])]) {
        expect(await check(bad)).toBe(false)
      }
    }
    expect(refusalOf(await send('POST', '/keys/mac/encrypt', { alg: 'A256GCM', value }))[1]).toBe(
      'KeyOperationForbidden',
    )
    // An oct key signs only if its creator requested it.
    await ok('POST', '/keys/plain/create', { kty: 'oct' })
    expect(refusalOf(await send('POST', '/keys/plain/sign', { alg: 'HS256', value }))[1]).toBe('KeyOperationForbidden')
    await vault.close()
  })

  it('pad what RSNULL is given as PKCS#1 v1.5 does, up to the length that leaves room for it', async () => {
    const { vault, ok, send } = await startTenant(await open())
    const { key } = await ok('POST', '/keys/rsa/create', { kty: 'RSA' })
    const publicKey = createPublicKey({ key: { kty: 'RSA', n: key.n, e: key.e }, format: 'jwk' })
    for (const length of [1, 36, 245]) {
      const value = randomBytes(length)
      const signed = await ok('POST', '/keys/rsa/sign', { alg: 'RSNULL', value: b64(value) })
      const opened = publicDecrypt(
        { key: publicKey, padding: constants.RSA_PKCS1_PADDING },
        Buffer.from(signed.value, 'base64url'),
      )
      expect(opened).toEqual(value)
      const other = b64(randomBytes(length))
      expect((await ok('POST', '/keys/rsa/verify', { alg: 'RSNULL', digest: other, value: signed.value })).value).toBe(
        false,
      )
    }
    const long = await send('POST', '/keys/rsa/sign', { alg: 'RSNULL', value: b64(randomBytes(246)) })
    expect([long.status, long.body.error.message]).toEqual([
      400,
      "Invalid length of 'value': 246 bytes. RSNULL requires 1 to 245 bytes, encoded with base64url.",
    ])
    await vault.close()
  })
})
