import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { toBase64Url } from '../core/bytes/base64.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { forWebCrypto } from '../core/bytes/digest.ts'
import { checkToken } from '../checks/check-token.ts'
import { firstFailure } from '../checks/check.ts'
import { EvidenceError, ParseError, VerificationError } from '../core/errors.ts'
import { readJsonObject } from './json.ts'
import { parseJws } from './jws.ts'
import { type Jwk, parseJwks } from './keys.ts'
import { policyStatementClaims, type TokenKind } from './kind.ts'
import { verifyToken } from './verify.ts'

const issuer = 'https://maa.example.test'
const now = new Date('2026-03-01T12:00:00Z')
const seconds = now.getTime() / 1000
const claims = {
  iss: issuer,
  iat: seconds - 60,
  nbf: seconds - 60,
  exp: seconds + 600,
  'x-ms-attestation-type': 'sevsnpvm',
}

const encode = (value: unknown): string => toBase64Url(utf8(typeof value === 'string' ? value : JSON.stringify(value)))
const rsa = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' }

let pair: CryptoKeyPair
let jwk: Jwk
beforeAll(async () => {
  pair = await crypto.subtle.generateKey(rsa, true, ['sign', 'verify'])
  const { kty, n, e } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  jwk = { kty, n, e, kid: 'k1', alg: 'RS256', use: 'sig' }
})

async function sign(header: object, payload: unknown, key: CryptoKey = pair.privateKey): Promise<string> {
  const input = `${encode(header)}.${encode(payload)}`
  const signature = new Uint8Array(await crypto.subtle.sign('RSASSA-PKCS1-v1_5', key, forWebCrypto(utf8(input))))
  return `${input}.${toBase64Url(signature)}`
}

const head = { alg: 'RS256', kid: 'k1', typ: 'JWT', jku: `${issuer}/certs` }

async function outcome(
  token: string,
  o: { keys?: readonly Jwk[]; issuer?: string; audience?: string; at?: Date; kind?: TokenKind } = {},
): Promise<string> {
  const rules = {
    token,
    keys: o.keys ?? [jwk],
    issuer: o.issuer ?? issuer,
    at: o.at ?? now,
    kind: o.kind,
    ...(o.audience === undefined ? {} : { audience: o.audience }),
  }
  const tree = await checkToken(rules)
  try {
    await verifyToken(rules)
    expect(tree.check.outcome).toBe('passed')
    return 'accepted'
  } catch (error) {
    // With two faults, the order of reports may differ; the refusal may not.
    expect(firstFailure(tree.check)).toBeDefined()
    return error instanceof VerificationError || error instanceof ParseError ? error.code : String(error)
  }
}

describe('a token', () => {
  it('is accepted by its issuer’s key, in its time', async () => {
    expect(await outcome(await sign(head, claims))).toBe('accepted')
  })

  it('is refused before and after its time, at the very second that it ends, and without an end', async () => {
    const token = await sign(head, claims)
    expect(await outcome(token, { at: new Date(now.getTime() - 61_000) })).toBe('TokenNotYetValid')
    expect(await outcome(token, { at: new Date(now.getTime() + 599_999) })).toBe('accepted')
    expect(await outcome(token, { at: new Date(now.getTime() + 600_000) })).toBe('TokenExpired')
    expect(await outcome(token, { at: new Date(Number.NaN) })).toMatch(/^Token/)
    const { exp: _, ...endless } = claims
    expect(await outcome(await sign(head, endless))).toBe('TokenClaimMissing')
    expect(await outcome(await sign(head, { ...claims, exp: '9999999999' }))).toBe('TokenClaimMissing')
    expect(await outcome(await sign(head, { ...claims, iat: seconds + 10 }))).toBe('TokenNotYetValid')
  })

  it('is refused for another issuer or audience, also with a key set that is not its issuer’s', async () => {
    const token = await sign(head, claims)
    expect(await outcome(token, { issuer: `${issuer}/` })).toBe('TokenIssuerMismatch')
    expect(await outcome(await sign({ ...head, jku: 'https://evil.test/certs' }, claims))).toBe('TokenIssuerMismatch')
    expect(await outcome(token, { audience: 'x' })).toBe('TokenAudienceMismatch')
    expect(await outcome(await sign(head, { ...claims, aud: ['x', 'y'] }), { audience: 'x' })).toBe('accepted')
  })

  it('without a signature, or with a keyed hash over the public key, is refused', async () => {
    const none = `${encode({ ...head, alg: 'none' })}.${encode(claims)}.`
    expect(await outcome(none)).toBe('AlgorithmNotAllowed')
    const secret = await crypto.subtle.importKey(
      'raw',
      forWebCrypto(utf8(JSON.stringify(jwk))),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign'],
    )
    const input = `${encode({ ...head, alg: 'HS256' })}.${encode(claims)}`
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', secret, forWebCrypto(utf8(input))))
    expect(await outcome(`${input}.${toBase64Url(mac)}`)).toBe('AlgorithmNotAllowed')
    expect(await outcome(await sign({ ...head, alg: ['RS256'] }, claims))).toBe('Missing')
  })

  it('never brings its own key', async () => {
    const other = await crypto.subtle.generateKey(rsa, true, ['sign', 'verify'])
    const own = await crypto.subtle.exportKey('jwk', other.publicKey)
    expect(await outcome(await sign({ ...head, jwk: own }, claims, other.privateKey))).toBe('TokenSignatureInvalid')
    expect(await outcome(await sign({ ...head, kid: 'k2', jwk: own }, claims, other.privateKey))).toBe(
      'TokenKeyUnknown',
    )
    const { kid: _, ...nameless } = head
    expect(await outcome(await sign(nameless, claims))).toBe('TokenKeyUnknown')
  })

  it('is refused under a key for another use, algorithm, type or name that occurs twice, and under a private or weak key', async () => {
    const token = await sign(head, claims)
    const { d } = await crypto.subtle.exportKey('jwk', pair.privateKey)
    for (const [keys, code] of [
      [[{ ...jwk, use: 'enc' }], 'TokenKeyNotAllowed'],
      [[{ ...jwk, alg: 'PS256' }], 'TokenKeyNotAllowed'],
      [[{ ...jwk, kty: 'EC' }], 'TokenKeyNotAllowed'],
      [[{ ...jwk, key_ops: ['encrypt'] }], 'TokenKeyNotAllowed'],
      [[{ ...jwk, d }], 'TokenKeyNotAllowed'],
      [[{ ...jwk, e: 'AQ' }], 'TokenKeyNotAllowed'],
      [[{ ...jwk, n: 'AQAB' }], 'TokenKeyNotAllowed'],
      [[jwk, { ...jwk }], 'TokenKeyUnknown'],
      [[], 'TokenKeyUnknown'],
    ] as const) {
      expect(await outcome(token, { keys })).toBe(code)
    }
  })

  it('that is about a provider’s policies is refused where one over evidence is awaited, and the reverse', async () => {
    const { 'x-ms-attestation-type': _, ...bare } = claims
    for (const name of policyStatementClaims) {
      const about = await sign(head, { ...bare, [name]: 'Updated' })
      expect(await outcome(about)).toBe('TokenOfAnotherKind')
      expect(await outcome(about, { kind: 'policy' })).toBe('accepted')
      // A token with claims of both kinds is of neither.
      const both = await sign(head, { ...claims, [name]: 'Updated' })
      expect(await outcome(both)).toBe('TokenOfAnotherKind')
      expect(await outcome(both, { kind: 'policy' })).toBe('TokenOfAnotherKind')
    }
    expect(await outcome(await sign(head, claims), { kind: 'policy' })).toBe('TokenOfAnotherKind')
  })

  it('with critical headers, of another kind, or with an unencoded payload is refused', async () => {
    expect(await outcome(await sign({ ...head, crit: ['exp'] }, claims))).toBe('UnknownCriticalExtension')
    expect(await outcome(await sign({ ...head, typ: 'secevent+jwt' }, claims))).toBe('TokenKeyNotAllowed')
    expect(await outcome(await sign({ ...head, b64: false }, claims))).toBe('InvalidValue')
  })

  it('that two readers could read differently is refused', async () => {
    const doubled = `{"iss":"${issuer}","iss":"https://evil.test","exp":${claims.exp}}`
    expect(await outcome(await sign(head, doubled))).toBe('Duplicate')
    const hidden = `{"iss":"${issuer}","\\u0069ss":"https://evil.test","exp":${claims.exp}}`
    expect(await outcome(await sign(head, hidden))).toBe('Duplicate')
    expect(await outcome(await sign(head, '[1]'))).toBe('InvalidEncoding')
    const token = await sign(head, claims)
    expect(await outcome(`${token}=`)).toBe('InvalidEncoding')
    expect(await outcome(`${token}.x`)).toBe('WrongLength')
    expect(await outcome(token.replace('.', '..'))).toBe('WrongLength')
  })

  it('is refused with any character of it changed', async () => {
    const token = await sign(head, claims)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(token.length - 1),
        fc.constantFrom('A', 'z', '-', '_', '9', '.', '='),
        async (at, character) => {
          fc.pre(token[at] !== character)
          expect(await outcome(token.slice(0, at) + character + token.slice(at + 1))).not.toBe('accepted')
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('readers of tokens', () => {
  it('end in an EvidenceError for whatever they are given', () => {
    const inputs = fc.string({ unit: fc.constantFrom('eyJ', '.', '{', '}', '"', ':', 'a', '\\', 'AAAA', '-', ',') })
    fc.assert(
      fc.property(inputs, (text) => {
        for (const read of [() => parseJws(text), () => readJsonObject(utf8(text), 'x'), () => parseJwks(text)]) {
          try {
            read()
          } catch (error) {
            expect(error).toBeInstanceOf(EvidenceError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('read every JSON object as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (value) => {
        const text = JSON.stringify(value)
        expect(readJsonObject(utf8(text), 'x')).toEqual(JSON.parse(text))
      }),
    )
  })

  it('refuse nesting that no token has', () => {
    expect(() => readJsonObject(utf8(`{"a":${'['.repeat(40)}${']'.repeat(40)}}`), 'x')).toThrow(
      expect.objectContaining({ code: 'TooDeep' }),
    )
  })
})
