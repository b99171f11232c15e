import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { describe, expect, it, vi } from 'vitest'
import { certificateOf, chainOf, publicKeyOf } from './inputs.ts'
import { spkiSha256 } from './path.ts'
import { webPrimitives } from './primitives.ts'
import { VerificationCache } from './verification-cache.ts'
import type { VerifyContext } from './verify-context.ts'

const pem = rootCertificates.find((each) => new X509Certificate(each).subject.includes('DigiCert Global Root G2'))!
const root = new X509Certificate(pem)
const der = new Uint8Array(root.raw)
const spki = new Uint8Array(root.publicKey.export({ format: 'der', type: 'spki' }))

describe('what is verified', () => {
  it.each<[what: string, read: (context: VerifyContext) => object, wanted: object]>([
    ['a certificate', (context) => certificateOf(der, context), { raw: der, publicKey: { spki } }],
    ['a public key', (context) => publicKeyOf(spki, context), { kind: 'RSA', modulusBits: 2048, spki }],
    ['a chain', (context) => chainOf(`${pem}\n${pem}`, context), [der, der]],
  ])('is read again each time, and once where there is a cache: %s', (_, read, wanted) => {
    const cache = new VerificationCache()
    for (const context of [{}, { cache }]) expect(read(context)).toMatchObject(wanted)
    expect(read({})).not.toBe(read({}))
    expect(read({ cache })).toBe(read({ cache }))
    expect(cache.entries).toBe(1)
  })

  it('has one pin for the key of a certificate, made once', async () => {
    const digest = vi.fn<typeof webPrimitives.digest>(async (hash, data) => await webPrimitives.digest(hash, data))
    const context = { cache: new VerificationCache(), primitives: { ...webPrimitives, digest } }
    const pins = [1, 2].map(async () => await spkiSha256(certificateOf(der, context), context))
    expect(await pins[0]).toBe('8bb593a93be1d0e8a822bb887c547890c3e706aad2dab76254f97fb36b82fc26')
    expect(await pins[1]).toBe(await pins[0])
    expect(await spkiSha256(certificateOf(der, context), context)).toBe(await pins[0])
    // Both started before either result was known.
    expect(digest).toHaveBeenCalledTimes(2)
  })
})
