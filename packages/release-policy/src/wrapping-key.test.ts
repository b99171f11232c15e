import { describe, expect, it } from 'vitest'
import { findWrappingKey } from './wrapping-key.ts'

/** A modulus of this many bits with this last byte. */
function modulus(bits: number, last = 0xff): string {
  const bytes = Buffer.alloc(Math.ceil(bits / 8), 0xff)
  bytes[0] = 0xff >> (bytes.length * 8 - bits)
  bytes[bytes.length - 1] = last
  return bytes.toString('base64url')
}
const good = { kid: 'a', kty: 'RSA', key_ops: ['encrypt'], n: modulus(2048), e: 'AQAB' }
const found = (...keys: unknown[]): unknown => {
  const key = findWrappingKey({ 'x-ms-runtime': { keys } })
  return 'kid' in key ? key.kid : `${key.part}: ${key.found}`
}
const none = 'x-ms-runtime.keys: no such key'

describe('the key that a release is wrapped to', () => {
  it('is the first RSA key for encryption, with what wrapping needs of it', () => {
    expect(findWrappingKey({ 'x-ms-runtime': { keys: [good] } })).toEqual({ kid: 'a', n: good.n, e: 'AQAB' })
    const signs = { ...good, kid: 'signs', key_ops: ['sign'] }
    expect(found(signs, null, 'text', [good], { ...good, kty: 'EC' }, good, { ...good, kid: 'b' })).toBe('a')
    expect(found({ ...good, key_ops: undefined, use: 'enc' })).toBe('a')
    expect(found({ ...good, key_ops: undefined, key_use: 'enc' })).toBe('a')
    expect(found({ ...good, key_ops: ['wrapKey', 'encrypt'] })).toBe('a')
  })

  it('is none that is for something else, or elsewhere in the token', () => {
    for (const change of [{ key_ops: ['sign'] }, { key_ops: 'encrypt' }, { key_ops: [], use: 'sig' }, { kty: 'rsa' }])
      expect([change, found({ ...good, ...change })]).toEqual([change, none])
    expect(found()).toBe(none)
    for (const runtime of [undefined, null, [good], { keys: good }, { keys: { 0: good, length: 1 } }, 'keys'])
      expect(findWrappingKey({ 'x-ms-runtime': runtime })).toMatchObject({ found: 'no such key' })
    expect(findWrappingKey({ 'x-ms-isolation-tee': { 'x-ms-runtime': { keys: [good] } } })).toMatchObject({
      found: 'no such key',
    })
  })

  it('has an id of bounded length, n and e', () => {
    expect(found({ ...good, kid: 'k'.repeat(200) })).toBe('k'.repeat(200))
    for (const change of [
      { kid: 'k'.repeat(201) },
      { kid: 7 },
      { kid: undefined },
      { n: undefined },
      { n: 7 },
      { e: undefined },
      { e: 65537 },
    ])
      expect([change, found({ ...good, ...change })]).toEqual([
        change,
        'x-ms-runtime.keys: an RSA key without kid, n or e',
      ])
  })

  it('has an odd modulus of 2048 to 16384 bits', () => {
    for (const bits of [2048, 2049, 3072, 4096, 16384])
      expect([bits, found({ ...good, n: modulus(bits) })]).toEqual([bits, 'a'])
    for (const bits of [1024, 2047, 16385])
      expect(found({ ...good, n: modulus(bits) })).toBe(`x-ms-runtime.keys: an RSA key of ${bits} bits`)
    expect(found({ ...good, n: modulus(2048, 0xfe) })).toBe('x-ms-runtime.keys: an RSA key of 2048 bits')
    // Leading zeros do not count, and text that is not base64url is not a number.
    expect(
      found({
        ...good,
        n: Buffer.concat([Buffer.alloc(200), Buffer.from(modulus(1024), 'base64url')]).toString('base64url'),
      }),
    ).toBe('x-ms-runtime.keys: an RSA key of 1024 bits')
    for (const n of [
      '',
      `${good.n}=`,
      `${good.n.slice(0, -3)}+${good.n.slice(-2)}`,
      `${good.n}\n`,
      `!${good.n}`,
      'A'.repeat(345),
    ])
      expect([n, found({ ...good, n })]).toEqual([n, 'x-ms-runtime.keys: an RSA key of 0 bits'])
    expect(found({ ...good, n: `-_${good.n.slice(2)}` })).toBe('a')
  })

  it('has an odd exponent from 3 to 32 bits', () => {
    for (const e of ['Aw', 'AQAB', '_____w', 'AAAD']) expect([e, found({ ...good, e })]).toEqual([e, 'a'])
    for (const e of ['AQ', 'Ag', 'BA', 'AA', '', 'AQAAAAE', 'AQAC', '____-w8'])
      expect([e, found({ ...good, e })]).toEqual([e, 'x-ms-runtime.keys: an RSA key with an unsuitable exponent'])
  })
})
