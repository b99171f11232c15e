import { describe, expect, it } from 'vitest'
import { headerFault, kindFault, timeFault } from './token-faults.ts'

describe('a token’s header', () => {
  const good = { alg: 'RS256', kid: 'a', typ: 'JWT' }
  const part = (change: object): string | undefined => headerFault({ ...good, ...change })?.part

  it('is that of a signed token, whose type may be left out or written small', () => {
    expect(part({})).toBeUndefined()
    expect(part({ typ: 'jwt' })).toBeUndefined()
    expect(headerFault({ alg: 'RS256', kid: 'a' })).toBeUndefined()
    // Keys or certificates that the token itself names are ignored.
    expect(part({ jku: 'https://evil', jwk: {}, x5c: [] })).toBeUndefined()
  })

  it.each([
    ['alg', { alg: 'none' }],
    ['alg', { alg: 'HS256' }],
    ['alg', { alg: 'rs256' }],
    ['alg', { alg: undefined }],
    ['crit', { crit: ['b64'] }],
    ['crit', { b64: false }],
    ['crit', { crit: null }],
    ['typ', { typ: 'at+jwt' }],
    ['typ', { typ: 7 }],
    ['typ', { typ: null }],
    ['kid', { kid: undefined }],
    ['kid', { kid: 7 }],
  ])('is refused for its %s: %o', (name, change) => {
    expect(part(change)).toBe(name)
  })

  it.each<[object, string, string]>([
    [{ alg: 'none' }, 'RS256', 'none'],
    [{ crit: ['b64'] }, 'no critical extensions', '["b64"]'],
    [{ b64: false }, 'no critical extensions', 'false'],
    [{ crit: ['a'], b64: true }, 'no critical extensions', '["a"]'],
    [{ typ: 'at+jwt' }, 'JWT', 'at+jwt'],
    [{ kid: 7 }, 'the id of a key of the authority', '7'],
  ])('says of %j what was expected and found', (change, expected, found) => {
    expect(headerFault({ ...good, ...change })).toMatchObject({ expected, found })
  })
})

describe('the kind of a token', () => {
  it('is one over evidence, which says its type', () => {
    expect(kindFault({ 'x-ms-attestation-type': 'sevsnpvm' })).toBeUndefined()
    expect(kindFault({})).toMatchObject({ part: 'x-ms-attestation-type', found: 'no such claim' })
    expect(kindFault({ 'x-ms-attestation-type': 7 })).toMatchObject({ part: 'x-ms-attestation-type', found: '7' })
  })

  it.each([
    'x-ms-policy-result',
    'x-ms-policy-token-hash',
    'x-ms-policy',
    'x-ms-policy-certificates',
    'x-ms-policycertificates-result',
  ])('is not an answer about policies, which has %s', (name) => {
    expect(kindFault({ 'x-ms-attestation-type': 'sevsnpvm', [name]: 'a' })?.part).toBe(name)
  })
})

describe('the times of a token', () => {
  const now = 1_800_000_000
  const good = { iat: now, exp: now + 1, nbf: now }
  const part = (change: object): string | undefined => timeFault({ ...good, ...change }, now)?.part

  it('hold to the minute that clocks may differ by, and not a second longer', () => {
    expect([part({ exp: now - 59 }), part({ exp: now - 60 })]).toEqual([undefined, 'exp'])
    expect([part({ nbf: now + 60 }), part({ nbf: now + 61 })]).toEqual([undefined, 'nbf'])
    expect([part({ iat: now + 60 }), part({ iat: now + 61 })]).toEqual([undefined, 'iat'])
  })

  it('are numbers; the beginning alone may be left out', () => {
    expect([part({ exp: undefined }), part({ nbf: undefined }), part({ iat: undefined })]).toEqual([
      'exp',
      undefined,
      'iat',
    ])
    for (const name of ['exp', 'nbf', 'iat']) expect([name, part({ [name]: `${now}` })]).toEqual([name, name])
    expect(timeFault({ ...good, exp: 'never' }, now)).toMatchObject({ part: 'exp', found: 'never' })
  })
})
