import { generateKeyPairSync, sign as nodeSign, constants } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../core/bytes/bytes.ts'
import { requireAlgorithm, tokenAlgorithms, verifyTokenSignature, type TokenAlgorithm } from './algorithms.ts'
import type { Jws } from './jws.ts'
import { requireKind } from './kind.ts'
import { requireHeader, requireIssuer, requireTime } from './verify.ts'

const refused = (code: string, facts: object = {}): unknown =>
  expect.objectContaining({ name: 'VerificationError', code, subject: 'token', ...facts })
const data = utf8('header.payload')

describe('the signature of a token', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const
  const curveKeys = Object.fromEntries(
    Object.values(curves).map((namedCurve) => [namedCurve, generateKeyPairSync('ec', { namedCurve })]),
  )
  const signed = (algorithm: TokenAlgorithm): { jwk: JsonWebKey; spki: Uint8Array; signature: Uint8Array } => {
    const hash = `sha${algorithm.slice(2)}`
    const pair = algorithm.startsWith('E') ? curveKeys[curves[algorithm as 'ES256']]! : rsa
    const key = pair.privateKey
    const signature = algorithm.startsWith('E')
      ? nodeSign(hash, data, { key, dsaEncoding: 'ieee-p1363' })
      : algorithm.startsWith('P')
        ? nodeSign(hash, data, {
            key,
            padding: constants.RSA_PKCS1_PSS_PADDING,
            saltLength: Number(algorithm.slice(2)) / 8,
          })
        : nodeSign(hash, data, key)
    const spki = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }))
    return { jwk: pair.publicKey.export({ format: 'jwk' }) as JsonWebKey, spki, signature: new Uint8Array(signature) }
  }

  it.each(tokenAlgorithms)('under %s is what that says and nothing else', async (algorithm) => {
    const { jwk, spki, signature } = signed(algorithm)
    for (const key of [{ jwk }, { spki }])
      expect(await verifyTokenSignature({ algorithm, key, signature, data })).toBe(true)
    expect(await verifyTokenSignature({ algorithm, key: { jwk }, signature, data: utf8('header.other') })).toBe(false)
    for (const other of tokenAlgorithms.filter((each) => each !== algorithm)) {
      const verdict = verifyTokenSignature({ algorithm: other, key: { spki }, signature, data }).catch(
        (error: { code: string }) => error.code,
      )
      expect([false, 'TokenKeyNotAllowed'], other).toContain(await verdict)
    }
  })

  it('is refused by what is not a key', async () => {
    const key = { jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } }
    await expect(verifyTokenSignature({ algorithm: 'ES256', key, signature: data, data })).rejects.toMatchObject({
      code: 'TokenKeyNotAllowed',
    })
  })

  it('is of an algorithm that the verifier named', () => {
    expect(requireAlgorithm('PS384', ['RS256', 'PS384'])).toBe('PS384')
    for (const [named, allowed, found] of [
      ['PS384', ['RS256'], 'PS384'],
      ['none', ['RS256'], 'none'],
      ['HS256', ['HS256' as TokenAlgorithm], 'HS256'],
      ['RS256', [], 'RS256'],
      [['RS256'], ['RS256'], 'object'],
      ['x'.repeat(50), ['RS256', 'ES256'], 'x'.repeat(32)],
    ] as const)
      expect(() => requireAlgorithm(named, allowed)).toThrow(
        refused('AlgorithmNotAllowed', { expected: allowed.join(', '), found }),
      )
  })
})

describe('the header of a token', () => {
  const ask = (header: object) => (): void => requireHeader({ header } as Jws)

  it('may name its kind in either case, or not at all', () => {
    for (const header of [{}, { typ: 'JWT' }, { typ: 'jwt' }]) expect(ask(header)).not.toThrow()
  })

  it.each<[header: object, code: string, found: string]>([
    [{ typ: 'at+jwt' }, 'TokenKeyNotAllowed', 'at+jwt'],
    [{ typ: ['JWT'] }, 'TokenKeyNotAllowed', '["JWT"]'],
    [{ typ: null }, 'TokenKeyNotAllowed', 'null'],
    [{ typ: 'x'.repeat(100) }, 'TokenKeyNotAllowed', 'x'.repeat(64)],
    [{ crit: ['exp'] }, 'UnknownCriticalExtension', '["exp"]'],
    [{ crit: [] }, 'UnknownCriticalExtension', '[]'],
    [{ crit: 'x'.repeat(200) }, 'UnknownCriticalExtension', `"${'x'.repeat(127)}`],
  ])('%j is refused', (header, code, found) => {
    expect(ask(header)).toThrow(refused(code, { found }))
  })
})

describe('who issued a token and for whom', () => {
  const iss = 'https://maa.test'
  const ask = (header: object, claims: object, rules: { issuer: string; audience?: string }) => (): void =>
    requireIssuer({ ...header }, { ...claims }, rules)

  it.each<[header: object, claims: object, rules: { issuer: string; audience?: string }]>([
    [{}, { iss }, { issuer: iss }],
    [{}, { iss }, { issuer: 'any' }],
    [{ jku: `${iss}/certs` }, { iss }, { issuer: iss }],
    [{ jku: `${iss}/certs` }, { iss: `${iss}/` }, { issuer: `${iss}/` }],
    [{}, { iss, aud: 'x' }, { issuer: iss, audience: 'x' }],
    [{}, { iss, aud: ['y', 'x'] }, { issuer: iss, audience: 'x' }],
    [{}, { iss, aud: 'y' }, { issuer: iss }],
  ])('is taken: %j %j %j', (header, claims, rules) => {
    expect(ask(header, claims, rules)).not.toThrow()
  })

  it.each<[header: object, claims: object, rules: { issuer: string; audience?: string }, code: string, facts: object]>([
    [{}, {}, { issuer: 'any' }, 'TokenIssuerMismatch', { expected: 'an issuer', found: 'undefined' }],
    [{}, { iss: [iss] }, { issuer: iss }, 'TokenIssuerMismatch', { expected: iss, found: 'object' }],
    [{}, { iss: `${iss}.evil` }, { issuer: iss }, 'TokenIssuerMismatch', { found: `${iss}.evil` }],
    [{}, { iss: 'x'.repeat(300) }, { issuer: iss }, 'TokenIssuerMismatch', { found: 'x'.repeat(256) }],
    [{ jku: iss }, { iss }, { issuer: iss }, 'TokenIssuerMismatch', { expected: `${iss}/certs`, found: iss }],
    [{ jku: null }, { iss }, { issuer: 'any' }, 'TokenIssuerMismatch', { found: 'null' }],
    [{ jku: `${iss}//certs` }, { iss: `${iss}/` }, { issuer: 'any' }, 'TokenIssuerMismatch', {}],
    [{ jku: 'x'.repeat(300) }, { iss }, { issuer: iss }, 'TokenIssuerMismatch', { found: 'x'.repeat(256) }],
    [{}, { iss }, { issuer: iss, audience: 'x' }, 'TokenAudienceMismatch', { expected: 'x', found: 'nothing' }],
    [{}, { iss, aud: ['y', 5] }, { issuer: iss, audience: 'x' }, 'TokenAudienceMismatch', { found: 'y, 5' }],
    [{}, { iss, aud: 'xx' }, { issuer: iss, audience: 'x' }, 'TokenAudienceMismatch', { found: 'xx' }],
  ])('is refused: %j %j %j', (header, claims, rules, code, facts) => {
    expect(ask(header, claims, rules)).toThrow(refused(code, facts))
  })
})

describe('when a token holds', () => {
  const at = new Date('2026-03-01T12:00:00Z')
  const now = at.getTime() / 1000
  const ask = (claims: object, clockSkew?: number, time = at): ReturnType<typeof requireTime> =>
    requireTime({ ...claims }, { at: time, clockSkew })

  it('is what it says', () => {
    expect(ask({ exp: now + 1, nbf: now, iat: now - 5 })).toEqual({
      expires: new Date((now + 1) * 1000),
      notBefore: at,
      issuedAt: new Date((now - 5) * 1000),
    })
    expect(ask({ exp: now + 1 })).toEqual({ expires: new Date((now + 1) * 1000) })
  })

  it.each<[claims: object, skew: number | undefined, code: string | undefined]>([
    [{ exp: now }, undefined, 'TokenExpired'],
    [{ exp: now }, 1, undefined],
    [{ exp: now - 299 }, 300, undefined],
    [{ exp: now - 300 }, 300, 'TokenExpired'],
    [{ exp: now - 300 }, 10_000, 'TokenExpired'],
    [{ exp: now + 1 }, -10, undefined],
    [{ exp: now + 9, nbf: now + 1 }, undefined, 'TokenNotYetValid'],
    [{ exp: now + 9, nbf: now + 1 }, 1, undefined],
    [{ exp: now + 9, nbf: now + 2 }, 1, 'TokenNotYetValid'],
    [{ exp: now + 9, iat: now + 1 }, undefined, 'TokenNotYetValid'],
    [{ exp: now + 999, iat: now + 300 }, 300, undefined],
    [{ exp: now + 999, iat: now + 301 }, 999, 'TokenNotYetValid'],
    [{}, undefined, 'TokenClaimMissing'],
    [{ exp: `${now + 9}` }, undefined, 'TokenClaimMissing'],
    [{ exp: 1e300 }, undefined, 'TokenClaimMissing'],
    [{ exp: now + 9, nbf: null }, undefined, 'TokenClaimMissing'],
    [{ exp: now + 9, iat: {} }, undefined, 'TokenClaimMissing'],
  ])('%j with %s seconds between the clocks: %s', (claims, skew, code) => {
    if (code === undefined) expect(ask(claims, skew).expires).toBeInstanceOf(Date)
    else expect(() => ask(claims, skew)).toThrow(refused(code))
  })

  it('says what it wanted and found', () => {
    expect(() => ask({ exp: now - 1 })).toThrow(
      refused('TokenExpired', { expected: 'before 2026-03-01T11:59:59.000Z', found: '2026-03-01T12:00:00.000Z' }),
    )
    expect(() => ask({ exp: now + 9, nbf: now + 1 })).toThrow(
      refused('TokenNotYetValid', {
        message: expect.stringContaining('(nbf)'),
        expected: 'at or after 2026-03-01T12:00:01.000Z',
      }),
    )
    expect(() => ask({ exp: now + 9, iat: now + 1 })).toThrow(/\(iat\)/)
    expect(() => ask({ exp: 'soon' })).toThrow(refused('TokenClaimMissing', { found: 'soon' }))
    expect(() => ask({})).toThrow(refused('TokenClaimMissing', { expected: 'exp' }))
    const never = new Date(Number.NaN)
    expect(() => ask({ exp: now + 9 }, 0, never)).toThrow(refused('TokenExpired', { found: 'no time' }))
    expect(() => ask({ exp: now + 9, nbf: now }, 0, never)).toThrow(refused('TokenNotYetValid', { found: 'no time' }))
  })
})

describe('what a signed text is about', () => {
  const over = { 'x-ms-attestation-type': 'sevsnpvm' }
  const about = { 'x-ms-policy-result': 'Updated', 'x-ms-policy': 'x' }

  it('is evidence or policies, never both', () => {
    expect(() => requireKind({}, 'attestation')).not.toThrow()
    expect(() => requireKind(over, 'attestation')).not.toThrow()
    expect(() => requireKind(about, 'policy')).not.toThrow()
    const other = (claims: object, kind: 'attestation' | 'policy', found: string): void =>
      expect(() => requireKind({ ...claims }, kind)).toThrow(refused('TokenOfAnotherKind', { found }))
    other(about, 'attestation', 'x-ms-policy-result, x-ms-policy')
    other({ ...about, ...over }, 'attestation', 'x-ms-policy-result, x-ms-policy, x-ms-attestation-type')
    other({ ...about, ...over }, 'policy', 'x-ms-policy-result, x-ms-policy, x-ms-attestation-type')
    other(over, 'policy', 'x-ms-attestation-type')
    other({}, 'policy', 'none of them')
    expect(() => requireKind({}, 'policy')).toThrow(/is not about a provider/)
    expect(() => requireKind(about, 'attestation')).toThrow(/is about a provider/)
  })

  it('has names that inherited members do not give it', () => {
    expect(() => requireKind(Object.create(about) as object as Record<string, unknown>, 'attestation')).not.toThrow()
  })
})
