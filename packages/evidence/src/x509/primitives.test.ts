import * as nodeCrypto from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { concat } from '../core/bytes/bytes.ts'
import { nodePrimitives, webPrimitives } from './primitives.ts'
import { verifyRawEcdsa } from './verify-signature.ts'
import { parsePublicKey } from './public-key.ts'

describe.each([
  ['WebCrypto', webPrimitives],
  ['node:crypto', nodePrimitives(nodeCrypto)],
])('ECDSA signatures as r and s through %s', (_name, primitives) => {
  it.each([
    ['P-256', 32, 'SHA-256'],
    ['P-384', 48, 'SHA-384'],
    ['P-521', 66, 'SHA-512'],
  ] as const)('have one form: twice the length of %s', async (curve, size, hash) => {
    const { publicKey, privateKey } = nodeCrypto.generateKeyPairSync('ec', { namedCurve: curve })
    const key = parsePublicKey(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })))
    if (key.kind !== 'EC') throw new Error('another key')
    const data = new TextEncoder().encode('signed')
    const name = hash.replace('-', '').toLowerCase()
    const signature = new Uint8Array(nodeCrypto.sign(name, data, { key: privateKey, dsaEncoding: 'ieee-p1363' }))
    const accepts = (given: Uint8Array): Promise<boolean> =>
      verifyRawEcdsa({ key, hash, signature: given, data, primitives })
    expect(await accepts(signature)).toBe(true)
    const [r, s, zero] = [signature.subarray(0, size), signature.subarray(size), new Uint8Array(1)]
    expect(await accepts(concat(zero, r, zero, s))).toBe(false)
    expect(await accepts(signature.subarray(0, 2 * size - 1))).toBe(false)
    expect(await accepts(new Uint8Array(0))).toBe(false)
    expect(await accepts(new Uint8Array(2 * size))).toBe(false)
  })
})
