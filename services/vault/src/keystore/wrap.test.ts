import { createDecipheriv, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aesKeyWrapPad, rsaAesKeyWrap } from './wrap.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = publicKey.export({ format: 'jwk' }) as { n: string; e: string }

describe('wrapping of released keys', () => {
  it('gives the results of RFC 5649 section 6', () => {
    const key = Buffer.from('5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8', 'hex')
    const wrapped = (secret: string): string =>
      Buffer.from(aesKeyWrapPad(key, Buffer.from(secret, 'hex'))).toString('hex')
    expect(wrapped('c37b7e6492584340bed12207808941155068f738')).toBe(
      '138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a',
    )
    expect(wrapped('466f7250617369')).toBe('afbeb0f07dfbf5419200f2ccb50bb24f')
  })

  it('is opened by the owner of the wrapping key, for secrets of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 3000 }), (secret) => {
        const wrapped = rsaAesKeyWrap({ secret, wrappingKey: jwk, algorithm: 'RSA_AES_KEY_WRAP_256' })
        const aesKey = privateDecrypt({ key: privateKey, oaepHash: 'sha256' }, wrapped.subarray(0, 256))
        expect(aesKey).toHaveLength(32)
        const decipher = createDecipheriv('id-aes256-wrap-pad', aesKey, Buffer.from('a65959a6', 'hex'))
        expect(Buffer.concat([decipher.update(wrapped.subarray(256)), decipher.final()])).toEqual(Buffer.from(secret))
      }),
      { numRuns: 20 },
    )
  })

  it('uses a fresh AES key each time', () => {
    const wrap = (): Uint8Array =>
      rsaAesKeyWrap({ secret: Buffer.alloc(32), wrappingKey: jwk, algorithm: 'CKM_RSA_AES_KEY_WRAP' })
    expect(wrap().subarray(256)).not.toEqual(wrap().subarray(256))
  })
})
