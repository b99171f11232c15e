import { describe, expect, it } from 'vitest'
import { toBase64Url } from '../core/bytes/base64.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { algorithmsOfToken } from './issuers.ts'
import { bundleOf, claimsOf, detachedDigests, tokenDigest } from './bundle.ts'
import { readJson, readJsonObject } from './json.ts'
import { parseJws } from './jws.ts'
import { type Jwk, parseJwks, requireStrongRsa, selectKey } from './keys.ts'
import { readKeyRelease } from './release.ts'
import { shown } from './shown.ts'

const refused = (code: string, facts: object = {}): unknown => expect.objectContaining({ code, ...facts })
const encode = (value: unknown): string => toBase64Url(utf8(JSON.stringify(value)))
const token = (payload: unknown, header: object = { alg: 'RS256' }): string => `${encode(header)}.${encode(payload)}.AA`

describe('strict JSON', () => {
  it.each<[text: string, value: unknown]>([
    ['{"a":{"b":1},"c":{"b":2}}', { a: { b: 1 }, c: { b: 2 } }],
    ['[{"a":1},{"a":2}]', [{ a: 1 }, { a: 2 }]],
    ['{"a":"\\"}{:\\\\","b":[":"]}', { a: '"}{:\\', b: [':'] }],
    ['{"a":["b",{"a":"a"}],"b":"a"}', { a: ['b', { a: 'a' }], b: 'a' }],
    ['"a"', 'a'],
    ['5', 5],
    [`${'['.repeat(32)}${']'.repeat(32)}`, JSON.parse(`${'['.repeat(32)}${']'.repeat(32)}`)],
  ])('%s is read', (text, value) => {
    expect(readJson(text, 'x')).toEqual(value)
  })

  it.each<[text: string, code: string, facts?: object]>([
    ['{"a":1,"a":2}', 'Duplicate', { offset: 10, found: 'a' }],
    ['{"b":{"a":1,"\\u0061":2}}', 'Duplicate', { found: 'a' }],
    ['{"a":{"b":1},"a":2}', 'Duplicate', { found: 'a' }],
    ['{"a":[1],"b":[{"c":1}],"a":2}', 'Duplicate', { found: 'a' }],
    [`${'['.repeat(33)}${']'.repeat(33)}`, 'TooDeep', { offset: 32 }],
    [`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, 'TooDeep'],
    ['{"a":"b', 'InvalidEncoding', { offset: 5 }],
    ['{"a":"b\\"', 'InvalidEncoding', { offset: 5 }],
    ['{"a\\x":1}', 'InvalidEncoding'],
    ['{"a":1,}', 'InvalidEncoding'],
    ['{"a":1,"a":2', 'InvalidEncoding'],
    ['', 'InvalidEncoding'],
  ])('%s is refused', (text, code, facts) => {
    expect(() => readJson(text, 'x')).toThrow(refused(code, { name: 'ParseError', ...facts }))
  })

  it('is an object of valid UTF-8 without a mark before it', () => {
    for (const text of ['[]', 'null', '"a"', '5', '\ufeff{}'])
      expect(() => readJsonObject(utf8(text), 'x'), text).toThrow(refused('InvalidEncoding'))
    expect(() => readJsonObject(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), 'x')).toThrow(
      refused('InvalidEncoding'),
    )
    expect(readJsonObject(utf8('{"é":1}'), 'x')).toEqual({ é: 1 })
  })
})

describe('a compact JWS', () => {
  it('is read in its three parts, of which the first two are signed as they stand', () => {
    const text = token({ a: 1 })
    expect(parseJws(text)).toEqual({
      header: { alg: 'RS256' },
      payload: utf8('{"a":1}'),
      signingInput: utf8(text.slice(0, text.lastIndexOf('.'))),
      signature: Uint8Array.of(0),
    })
  })

  it.each<[what: string, text: string, code: string, facts?: object]>([
    ['of two parts', 'e30.e30', 'WrongLength', { found: '2' }],
    ['of four parts', `${token({})}.`, 'WrongLength', { found: '4' }],
    ['longer than any', 'A'.repeat(256 * 1024 + 1), 'TooLarge'],
    ['as long as any may be', 'A'.repeat(256 * 1024), 'WrongLength'],
    ['without an algorithm', token({}, {}), 'Missing'],
    ['with a number for its algorithm', token({}, { alg: 5 }), 'Missing'],
    ['with an unencoded payload', token({}, { alg: 'RS256', b64: true }), 'InvalidValue'],
    ['with a padded part', token({}).replace('.AA', '.AA=='), 'InvalidEncoding'],
    ['with bits left over', token({}).replace('.AA', '.AB'), 'InvalidEncoding'],
    ['with a header that is a list', `${encode([])}.e30.AA`, 'InvalidEncoding'],
    ['with a payload that is not encoded', `${encode({ alg: 'RS256' })}.{}.AA`, 'InvalidEncoding'],
  ])('%s is refused', (_, text, code, facts) => {
    expect(() => parseJws(text)).toThrow(refused(code, { name: 'ParseError', ...facts }))
  })
})

describe('a set of keys', () => {
  const n = toBase64Url(new Uint8Array(256).fill(0xc1))
  const rsa: Jwk = { kty: 'RSA', kid: 'k', n, e: 'AQAB' }
  const ec: Jwk = { kty: 'EC', kid: 'k', crv: 'P-384', x: 'AA', y: 'AQ' }

  it('is a list of objects, not longer than any', () => {
    const sixtyFour = Array.from({ length: 64 }, () => rsa)
    expect(parseJwks({ keys: sixtyFour })).toEqual(sixtyFour)
    expect(() => parseJwks({ keys: [...sixtyFour, rsa] })).toThrow(refused('TooLarge'))
    for (const value of [null, undefined, {}, { keys: {} }, 'keys'])
      expect(() => parseJwks(value)).toThrow(refused('Missing'))
    for (const key of [null, [], 'key', 5]) expect(() => parseJwks({ keys: [key] })).toThrow(refused('InvalidValue'))
  })

  it('gives the public members of the key that is named, and no others', () => {
    const other = { ...rsa, kid: 'other', n: 'AA' }
    const key = { ...rsa, use: 'sig', alg: 'RS256', key_ops: ['verify'] }
    expect(selectKey({ keys: [other, key], kid: 'k', algorithm: 'RS256' })).toEqual({
      jwk: { kty: 'RSA', n, e: 'AQAB' },
    })
    expect(selectKey({ keys: [ec], kid: 'k', algorithm: 'ES384' })).toEqual({
      jwk: { kty: 'EC', crv: 'P-384', x: 'AA', y: 'AQ' },
    })
    // Leading zeros do not change a modulus, but some importers refuse them.
    const padded = toBase64Url(Uint8Array.of(0, 0, ...new Uint8Array(256).fill(0xc1)))
    expect(selectKey({ keys: [{ ...rsa, n: padded }], kid: 'k', algorithm: 'PS512' })).toEqual({
      jwk: { kty: 'RSA', n, e: 'AQAB' },
    })
  })

  it.each<[what: string, keys: Jwk[], algorithm: 'RS256' | 'ES384', code: string, facts?: object]>([
    ['no key', [], 'RS256', 'TokenKeyUnknown', { expected: '', found: 'k' }],
    [
      'no key of that name',
      [{ ...rsa, kid: 'x' }, { kty: 'RSA' }],
      'RS256',
      'TokenKeyUnknown',
      { expected: 'x, nothing' },
    ],
    ['two of that name', [rsa, ec], 'RS256', 'TokenKeyUnknown', { message: expect.stringMatching(/^Several/) }],
    ['one of another type', [ec], 'RS256', 'TokenKeyNotAllowed', { expected: 'RSA', found: 'EC' }],
    ['one for another algorithm', [{ ...rsa, alg: 'RS384' }], 'RS256', 'TokenKeyNotAllowed', { found: 'RS384' }],
    ['one for another use', [{ ...rsa, use: 'enc' }], 'RS256', 'TokenKeyNotAllowed', { expected: 'sig', found: 'enc' }],
    [
      'one for other operations',
      [{ ...rsa, key_ops: ['sign'] }],
      'RS256',
      'TokenKeyNotAllowed',
      { expected: 'verify', found: '["sign"]' },
    ],
    ['one whose operations are a text', [{ ...rsa, key_ops: 'verify' }], 'RS256', 'TokenKeyNotAllowed'],
    [
      'one on another curve',
      [{ ...ec, crv: 'P-256' }],
      'ES384',
      'TokenKeyNotAllowed',
      { expected: 'P-384', found: 'P-256' },
    ],
    ['one without x', [{ ...ec, x: undefined }], 'ES384', 'TokenKeyNotAllowed', { expected: 'x' }],
    ['one without y', [{ ...ec, y: 5 }], 'ES384', 'TokenKeyNotAllowed', { expected: 'y', found: 'number' }],
    ['one without numbers', [{ kty: 'RSA', kid: 'k' }], 'RS256', 'TokenKeyNotAllowed', { found: 'nothing' }],
    ['one without an exponent', [{ ...rsa, e: undefined }], 'RS256', 'TokenKeyNotAllowed', { expected: 'e' }],
    ['one that is too weak', [{ ...rsa, e: 'Aw' }], 'RS256', 'TokenKeyNotAllowed'],
    ...['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].map((name): [string, Jwk[], 'RS256', string] => [
      `one with ${name}`,
      [{ ...rsa, [name]: 'AA' }],
      'RS256',
      'TokenKeyNotAllowed',
    ]),
    ['a good one beside a private one', [rsa, { ...rsa, kid: 'x', d: 'AA' }], 'RS256', 'TokenKeyNotAllowed'],
  ])('gives none where it has %s', (_, keys, algorithm, code, facts) => {
    expect(() => selectKey({ keys, kid: 'k', algorithm })).toThrow(
      refused(code, { name: 'VerificationError', ...facts }),
    )
  })

  it('gives none to a token that names none', () => {
    for (const kid of [undefined, 5, ['k']])
      expect(() => selectKey({ keys: [{ ...rsa, kid }], kid, algorithm: 'RS256' })).toThrow(
        refused('TokenKeyUnknown', { found: 'no key id' }),
      )
    expect(() => selectKey({ keys: [rsa], kid: 'x'.repeat(200), algorithm: 'RS256' })).toThrow(
      refused('TokenKeyUnknown', { found: 'x'.repeat(128) }),
    )
  })

  const bytes = (length: number, first = 0x80): Uint8Array => new Uint8Array(length).fill(first, 0, 1)
  it.each<[bits: string, modulus: Uint8Array, exponent: number[], good: boolean]>([
    ['2048', bytes(256), [1, 0, 1], true],
    ['2047', bytes(256, 0x7f), [1, 0, 1], false],
    ['2041', bytes(256, 0x01), [1, 0, 1], false],
    ['8192', bytes(1024), [1, 0, 1], true],
    ['8193', bytes(1025, 0x01), [1, 0, 1], false],
    ['2048', bytes(256), [1, 0, 3], true],
    ['2048', bytes(256), [0xff, 0xff], false],
    ['2048', bytes(256), [1, 0, 2], false],
    ['2048', bytes(256), [3], false],
    ['2048', bytes(256), [1], false],
    ['2048', bytes(256), [], false],
    ['2048', bytes(256), [0xff, 0xff, 0xff, 0xff], true],
    ['2048', bytes(256), [1, 0, 0, 0, 1], false],
    ['0', new Uint8Array(0), [1, 0, 1], false],
  ])('has RSA keys of %s bits with an exponent that is large and odd', (_, modulus, exponent, good) => {
    const ask = (): void => requireStrongRsa(modulus, Uint8Array.from(exponent))
    if (good) expect(ask).not.toThrow()
    else expect(ask).toThrow(refused('TokenKeyNotAllowed'))
  })
})

describe('the algorithms of an issuer', () => {
  it.each([
    ['https://nras.attestation.nvidia.com', ['ES384']],
    ['https://portal.trustauthority.intel.com', ['PS384', 'RS256']],
    ['https://portal.eu.trustauthority.intel.com', ['PS384', 'RS256']],
    ['https://portal.us.trustauthority.intel.com', ['RS256']],
    ['https://nras.attestation.nvidia.com.evil.test', ['RS256']],
    ['https://evil.test/https://nras.attestation.nvidia.com', ['RS256']],
    ['https://portal.trustauthority.intel.com/', ['RS256']],
    ['x https://portal.trustauthority.intel.com', ['RS256']],
    ['https://portalxtrustauthority.intel.com', ['RS256']],
    ['https://sharedweu.weu.attest.azure.net', ['RS256']],
    [undefined, ['RS256']],
    [['https://nras.attestation.nvidia.com'], ['RS256']],
  ])('%s are %j', (issuer, algorithms) => {
    expect(algorithmsOfToken({ iss: issuer })).toEqual(algorithms)
  })
})

describe('tokens that are given together', () => {
  it('are named by their digests, and by nothing else', async () => {
    const detached = token({ a: 1 })
    const digest = await tokenDigest(detached)
    const bad = 'a digest that is not SHA-256'
    const submods = {
      a: ['DIGEST', ['SHA-256', digest.toUpperCase()]],
      b: ['DIGEST', ['SHA-384', digest]],
      c: ['JWT', ['SHA-256', digest]],
      d: 'x',
      e: ['DIGEST', 'x'],
      f: ['DIGEST', ['SHA-256', 5]],
    }
    expect(detachedDigests({ submods })).toEqual([digest, bad, bad, bad, bad, bad])
    for (const other of [undefined, null, [], 'x']) expect(detachedDigests({ submods: other })).toBeUndefined()
    const main = token({ submods })
    expect(await bundleOf([main, detached, 'junk'])).toEqual({
      given: new Set([await tokenDigest(main), digest, await tokenDigest('junk')]),
      named: new Set([digest, bad]),
    })
    expect((await bundleOf([detached, 'junk'])).named).toBeUndefined()
    expect((await bundleOf([token({ submods: {} })])).named).toEqual(new Set())
    expect([claimsOf(detached), claimsOf('junk')]).toEqual([{ a: 1 }, undefined])
  })
})

describe('a released key', () => {
  const wrapped = { header: { kid: 'TpmEphemeralEncryptionKey', enc: 'CKM_RSA_AES_KEY_WRAP' }, ciphertext: 'AQI' }
  const key = { kid: 'https://v.test/keys/k/1', kty: 'RSA-HSM', key_hsm: encode(wrapped) }
  const policy = { data: encode({ version: '1.0.0' }) }
  const release = (changes: object = {}, ofKey: object = {}, ofWrapped: object = {}): Uint8Array =>
    utf8(
      JSON.stringify({
        request: { nonce: 'n' },
        response: {
          key: {
            key: { ...key, key_hsm: encode({ ...wrapped, ...ofWrapped }), ...ofKey },
            release_policy: policy,
            tags: { a: 'b' },
            ...changes,
          },
        },
      }),
    )

  it('is read whole', () => {
    expect(readKeyRelease(release())).toEqual({
      keyId: 'https://v.test/keys/k/1',
      keyType: 'RSA-HSM',
      wrappedFor: 'TpmEphemeralEncryptionKey',
      wrapping: 'CKM_RSA_AES_KEY_WRAP',
      ciphertext: Uint8Array.of(1, 2),
      tags: { a: 'b' },
      releasePolicy: { version: '1.0.0' },
      request: { nonce: 'n' },
    })
    expect(readKeyRelease(release({ tags: undefined })).tags).toEqual({})
  })

  it.each<[what: string, payload: Uint8Array, code: string, message?: RegExp]>([
    ['a request', utf8('{"response":{"key":{}}}'), 'Missing', /no request$/],
    ['a response', utf8('{"request":{}}'), 'Missing', /no response$/],
    ['a key', utf8('{"request":{},"response":{"key":{}}}'), 'Missing', /no key$/],
    ['an object for a key', release({ key: ['x'] }), 'Missing', /no key$/],
    ['its id', release({}, { kid: 5 }), 'Missing', /no text kid$/],
    ['its type', release({}, { kty: undefined }), 'Missing', /no text kty$/],
    ['its wrapped form', release({}, { key_hsm: undefined }), 'Missing', /no text key_hsm$/],
    ['a header', release({}, {}, { header: null }), 'Missing', /no header$/],
    ['whom it is wrapped for', release({}, {}, { header: { enc: 'x' } }), 'Missing', /no text kid$/],
    ['how it is wrapped', release({}, {}, { header: { kid: 'x' } }), 'Missing', /no text enc$/],
    ['its ciphertext', release({}, {}, { ciphertext: undefined }), 'Missing', /no text ciphertext$/],
    ['its policy', release({ release_policy: undefined }), 'Missing', /no release_policy$/],
    ['the text of its policy', release({ release_policy: {} }), 'Missing', /no text data$/],
    ['tags that are an object', release({ tags: [] }), 'Missing', /no tags$/],
    ['a policy that is JSON', release({ release_policy: { data: 'AAAA' } }), 'InvalidEncoding'],
    ['ciphertext that is base64url', release({}, {}, { ciphertext: 'A+A=' }), 'InvalidEncoding'],
  ])('without %s is refused', (_, payload, code, message = /./) => {
    expect(() => readKeyRelease(payload)).toThrow(refused(code, { name: 'ParseError' }))
    expect(() => readKeyRelease(payload)).toThrow(message)
  })
})

describe('a value in an error', () => {
  it.each([
    ['text', 'text'],
    [{ a: 1 }, '{"a":1}'],
    [undefined, 'nothing'],
    ['x'.repeat(200), 'x'.repeat(128)],
  ])('is shown short', (value, text) => {
    expect(shown(value)).toBe(text)
    expect(shown(value, 3)).toBe(text.slice(0, 3))
  })
})
