import { constants, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { AesCipher, AesWrapping, RsaEncryption } from '@strongroom/contract'
import { open } from '../../services/paravisor/src/vmgs/aead.ts'
import { unwrapKey, wrapKey } from '../../services/paravisor/src/vmgs/key-wrap.ts'
import type { KeySpec, KeyUse } from '../../services/vault/src/keystore/keystore.ts'
import { useSecret } from '../../services/vault/src/keystore/secret-operations.ts'
import { aesKeyWrapPad, rsaAesKeyUnwrap } from '../../services/vault/src/keystore/wrap.ts'
import { type Group, hex, judgeVectors, missingVectors, type Vector } from './vectors.ts'

const sameBytes = (bytes: Uint8Array, text: string): boolean => Buffer.from(bytes).toString('hex') === text

/** What a vault does with these bytes as an oct key. */
function octUse(vector: Vector, use: KeyUse): Uint8Array {
  return useSecret(hex(vector.key), { type: 'oct', bits: 256 }, use).value
}

describe.skipIf(missingVectors !== undefined)('vectors of Wycheproof', { timeout: 600_000 }, () => {
  it.each([
    ['hmac_sha256', 'HS256', 256],
    ['hmac_sha384', 'HS384', 384],
    ['hmac_sha512', 'HS512', 512],
  ] as const)('%s: oct keys of a vault under %s', async (name, algorithm, size) => {
    const found = await judgeVectors(
      name,
      (vector) => sameBytes(octUse(vector, { operation: 'mac', algorithm, value: hex(vector.msg) }), vector.tag),
      // Tags are never cut here.
      ({ tagSize }) => tagSize === size,
    )
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(20)
  })

  it('aes_gcm: oct keys of a vault open what is whole and has a tag of 16 bytes', async () => {
    const accepts = (vector: Vector, group: Group): boolean => {
      const algorithm = `A${group.keySize}GCM` as AesCipher
      const [value, iv, aad, tag] = [hex(vector.ct), hex(vector.iv), hex(vector.aad), hex(vector.tag)]
      return sameBytes(octUse(vector, { operation: 'open', algorithm, value, iv, aad, tag }), vector.msg)
    }
    // OpenSSL takes at most 128 bytes of initialization vector.
    const whole = await judgeVectors('aes_gcm', accepts, ({ tagSize, ivSize }) => tagSize === 128 && ivSize <= 1024)
    expect(whole.wrong).toEqual([])
    expect(Math.min(whole.valid, whole.refused)).toBeGreaterThan(20)
    const cut = await judgeVectors('aes_gcm', accepts, ({ tagSize }) => tagSize !== 128)
    expect(cut.valid).toBe(0)
  })

  it('aes_gcm: VMGS files', async () => {
    const found = await judgeVectors(
      'aes_gcm',
      (vector) => {
        const [nonce, tag, bytes] = [vector.iv, vector.tag, vector.ct].map((text) => Buffer.from(text, 'hex')) as [
          Buffer,
          Buffer,
          Buffer,
        ]
        if (vector.aad !== '') return vector.result === 'valid'
        return open(hex(vector.key), { nonce, tag, bytes })?.toString('hex') === vector.msg
      },
      ({ keySize, ivSize, tagSize }) => keySize === 256 && ivSize === 96 && tagSize === 128,
    )
    expect(found.wrong).toEqual([])
    expect(found.valid).toBeGreaterThan(5)
  })

  it('aes_cbc_pkcs5: oct keys of a vault under A…CBCPAD', async () => {
    const found = await judgeVectors('aes_cbc_pkcs5', (vector, group) => {
      const algorithm = `A${group.keySize}CBCPAD` as AesCipher
      const iv = hex(vector.iv)
      const opened = octUse(vector, { operation: 'open', algorithm, value: hex(vector.ct), iv })
      const sealed = octUse(vector, { operation: 'seal', algorithm, value: hex(vector.msg), iv })
      return sameBytes(opened, vector.msg) && sameBytes(sealed, vector.ct)
    })
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(50)
  })

  it('aes_wrap: oct keys of a vault under A…KW', async () => {
    const found = await judgeVectors('aes_wrap', (vector, group) => {
      const algorithm = `A${group.keySize}KW` as AesWrapping
      const unwrapped = octUse(vector, { operation: 'unwrap', algorithm, value: hex(vector.ct) })
      const wrapped = octUse(vector, { operation: 'wrap', algorithm, value: hex(vector.msg) })
      return sameBytes(unwrapped, vector.msg) && sameBytes(wrapped, vector.ct)
    })
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(20)
  })

  it('aes_kwp: oct keys of a vault under CKM_AES_KEY_WRAP_PAD', async () => {
    const algorithm = 'CKM_AES_KEY_WRAP_PAD'
    const found = await judgeVectors('aes_kwp', (vector) => {
      const unwrapped = octUse(vector, { operation: 'unwrap', algorithm, value: hex(vector.ct) })
      const wrapped = octUse(vector, { operation: 'wrap', algorithm, value: hex(vector.msg) })
      return sameBytes(unwrapped, vector.msg) && sameBytes(wrapped, vector.ct)
    })
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(50)
  })

  it('aes_kwp: what is released, and what is taken from another HSM', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const found = await judgeVectors('aes_kwp', (vector) => {
      const padding = constants.RSA_PKCS1_OAEP_PADDING
      const transport = publicEncrypt({ key: publicKey, padding, oaepHash: 'sha256' }, hex(vector.key))
      const wrapped = Buffer.concat([transport, hex(vector.ct)])
      const secret = rsaAesKeyUnwrap({ wrapped, key: privateKey, keyBytes: 256, algorithm: 'RSA_AES_KEY_WRAP_256' })
      return sameBytes(secret, vector.msg) && sameBytes(aesKeyWrapPad(hex(vector.key), hex(vector.msg)), vector.ct)
    })
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(50)
  })

  it('aes_kwp: key protectors of VMGS files', async () => {
    const found = await judgeVectors(
      'aes_kwp',
      (vector) =>
        sameBytes(unwrapKey(hex(vector.ct), hex(vector.key)), vector.msg) &&
        sameBytes(wrapKey(hex(vector.msg), hex(vector.key)), vector.ct),
      ({ keySize }) => keySize === 256,
    )
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(20)
  })

  it.each([
    ['rsa_oaep_2048_sha1_mgf1sha1', 'RSA-OAEP'],
    ['rsa_oaep_2048_sha256_mgf1sha256', 'RSA-OAEP-256'],
    ['rsa_oaep_3072_sha256_mgf1sha256', 'RSA-OAEP-256'],
    ['rsa_oaep_4096_sha256_mgf1sha256', 'RSA-OAEP-256'],
  ] as const)('%s: RSA keys of a vault under %s', async (name, algorithm) => {
    const found = await judgeVectors(name, (vector, group) => {
      // The wire has no labels.
      if (vector.label !== '') return vector.result === 'valid'
      return sameBytes(decrypt(vector, group, algorithm), vector.msg)
    })
    expect(found.wrong).toEqual([])
    expect(Math.min(found.valid, found.refused)).toBeGreaterThan(5)
  })

  it.each([['rsa_pkcs1_2048'], ['rsa_pkcs1_3072'], ['rsa_pkcs1_4096']])(
    '%s: RSA keys of a vault under RSA1_5 tell nobody whether the padding was good',
    async (name) => {
      const plain = await judgeVectors(name, (vector, group) =>
        sameBytes(decrypt(vector, group, 'RSA1_5'), vector.result === 'valid' ? vector.msg : 'never'),
      )
      expect(plain.wrong).toEqual([])
      expect(Math.min(plain.valid, plain.refused)).toBeGreaterThan(5)
      // OpenSSL's implicit rejection: a value that looks decrypted, and is the same each time.
      const whole = await judgeVectors(name, (vector, group) => {
        if (vector.result === 'valid' || hex(vector.ct).length !== group.keySize / 8) return vector.result === 'valid'
        const twice = [1, 2].map(() => Buffer.from(decrypt(vector, group, 'RSA1_5')).toString('hex'))
        if (twice[0] !== twice[1]) throw new Error('another value')
        return false
      })
      expect(whole.wrong).toEqual([])
    },
  )
})

function decrypt(vector: Vector, group: Group, algorithm: RsaEncryption): Uint8Array {
  const spec = { type: 'RSA', bits: group.keySize } as KeySpec
  return useSecret(hex(group.privateKeyPkcs8), spec, { operation: 'decrypt', algorithm, value: hex(vector.ct) }).value
}
