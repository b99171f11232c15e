import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { createSealer } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { openWrapped } from '../testing/unwrap.ts'
import type { KeyBinding, KeySpec } from './keystore.ts'
import { createSoftwareKeystore } from './software.ts'

const binding: KeyBinding = {
  vault: 'platform',
  name: 'vm-1',
  version: 'a'.repeat(32),
  exportable: true,
  policyHash: 'b'.repeat(64),
}
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const wrappingKey = publicKey.export({ format: 'jwk' }) as { n: string; e: string }
const algorithm = 'RSA_AES_KEY_WRAP_256'

describe('the software keystore', () => {
  const keystore = createSoftwareKeystore(createSealer(randomBytes(32)))

  it('makes RSA and EC keys whose wrapped private half belongs to the public one', async () => {
    const specs: KeySpec[] = [
      { type: 'RSA', bits: 3072 },
      { type: 'EC', curve: 'P-256' },
      { type: 'EC', curve: 'P-384' },
      { type: 'EC', curve: 'P-521' },
    ]
    for (const spec of specs) {
      const { publicParts, material } = await keystore.generate(spec, binding)
      const wrapped = await keystore.wrapForRelease({ material, binding, wrappingKey, algorithm })
      const secret = openWrapped(wrapped, privateKey, algorithm)
      const opened = createPublicKey(createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' })).export({
        format: 'jwk',
      })
      expect(opened).toMatchObject(publicParts)
    }
  })

  it('wraps oct keys raw', async () => {
    const { publicParts, material } = await keystore.generate({ type: 'oct', bits: 192 }, binding)
    const wrapped = await keystore.wrapForRelease({ material, binding, wrappingKey, algorithm })
    expect(publicParts).toEqual({})
    expect(openWrapped(wrapped, privateKey, algorithm)).toHaveLength(24)
  })

  it('opens material only under the binding it was made for', async () => {
    const { material } = await keystore.generate({ type: 'EC', curve: 'P-256' }, binding)
    const others: Partial<KeyBinding>[] = [
      { vault: 'other' },
      { name: 'vm-2' },
      { version: 'c'.repeat(32) },
      { exportable: false },
      { policyHash: 'c'.repeat(64) },
    ]
    for (const other of others) {
      const wrapping = keystore.wrapForRelease({ material, binding: { ...binding, ...other }, wrappingKey, algorithm })
      await expect(wrapping).rejects.toMatchObject({ code: 'KeyMaterialUnreadable' })
    }
  })

  it('opens nothing under another master key', async () => {
    const { material } = await keystore.generate({ type: 'EC', curve: 'P-256' }, binding)
    const other = createSoftwareKeystore(createSealer(randomBytes(32)))
    await expect(other.wrapForRelease({ material, binding, wrappingKey, algorithm })).rejects.toMatchObject({
      code: 'KeyMaterialUnreadable',
    })
  })

  it('takes material to another binding, after which the old one no longer opens it', async () => {
    const { material } = await keystore.generate({ type: 'EC', curve: 'P-256' }, binding)
    const next = { ...binding, policyHash: 'd'.repeat(64) }
    const moved = await keystore.rebind(material, binding, next)
    await expect(
      keystore.wrapForRelease({ material: moved, binding: next, wrappingKey, algorithm }),
    ).resolves.toBeTruthy()
    await expect(keystore.wrapForRelease({ material: moved, binding, wrappingKey, algorithm })).rejects.toThrow()
  })
})
