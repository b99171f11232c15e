import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { kept } from '@strongroom/platform/testing'
import { describe, expect, it } from 'vitest'
import { createFakeProvider, providerUrl, signedToken } from '../testing/fake-provider.ts'
import { Authorities } from './authorities.ts'
import { tokenDigest, verifyAttestationToken, type AttestationToken } from './token.ts'

const now = new Date('2026-01-01T00:00:00.999Z')
const seconds = Math.floor(now.getTime() / 1000)
const clock = { now: () => now }
const provider = createFakeProvider(clock.now)
const keys = new Authorities({ wire: provider.wire, clock })
const claims = { 'x-ms-attestation-type': 'sevsnpvm' }
const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const header = { alg: 'RS256', kid: 'provider-1' }
const whole = { ...claims, iss: providerUrl, iat: seconds, exp: seconds + 100 }
const signedParts = (head: string, body: string): string =>
  `${head}.${body}.${sign('sha256', Buffer.from(`${head}.${body}`), provider.signingKey).toString('base64url')}`

const verified = async (token: unknown, authorities = [providerUrl]): Promise<AttestationToken> =>
  await verifyAttestationToken({ token, authorities, keys, clock })
const refusalOf = async (token: unknown, authorities?: string[]): Promise<ServiceError> => {
  const error: unknown = await verified(token, authorities).catch((cause: unknown) => cause)
  if (error instanceof ServiceError) return error
  throw new Error('the token was accepted', { cause: error })
}
/** Status, code, faulty part, and the code of the reason. */
const refusal = async (token: unknown, authorities?: string[]): Promise<unknown[]> => {
  const { status, code, target, details } = await refusalOf(token, authorities)
  return [status, code, target, details?.[0]?.code]
}
const malformed = [400, 'BadParameter', 'target', undefined]
const denied = (target: string): unknown[] => [403, 'Forbidden', target, 'KeyReleaseDenied']

describe('an attestation token', () => {
  it('is taken with its claims, its digest and the authority as the policy names it', async () => {
    const token = provider.token(claims)
    expect(await verified(token, ['https://other.weu.attest.strongroom.internal', `${providerUrl}/`])).toEqual({
      digest: createHash('sha256').update(token).digest('hex'),
      claims: { ...claims, iss: providerUrl, iat: seconds, nbf: seconds, exp: seconds + 28_800 },
      authority: `${providerUrl}/`,
    })
    expect(await verified(provider.token({ ...claims, iss: `${providerUrl}/` }))).toMatchObject({
      authority: providerUrl,
    })
  })

  it('has a digest whatever it is, that of nothing where it is not text', () => {
    const ofNothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    expect(['', undefined, 7, {}].map(tokenDigest)).toEqual(Array(4).fill(ofNothing))
    expect(tokenDigest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  const good = provider.token(claims)
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['an empty text', ''],
    ['a number', 7],
    ['two parts', good.split('.').slice(0, 2).join('.')],
    ['four parts', `${good}.AA`],
    ['an empty header', `.${good.split('.').slice(1).join('.')}`],
    ['no claims', good.replace(/\.[^.]+\./, '..')],
    ['something before it', ` ${good}`],
    ['something behind it', `${good}\n`],
    ['padding', good.replace('.', '=.')],
    ['a header that is not JSON', `${part('{')}.${part(whole)}.AA`],
    ['claims that are not JSON', `${part(header)}.${part('{')}.AA`],
    ['claims in a list', `${part(header)}.${part([])}.AA`],
  ])('is refused as none: %s', async (_name, token) => {
    expect(await refusal(token)).toEqual(malformed)
  })

  it('is refused beyond its longest, and read up to it', async () => {
    const [head, body] = good.split('.') as [string, string]
    const long = (length: number): string => `${head}.${body}.`.padEnd(length, 'A')
    const limit = 128 * 1024
    expect(await refusal(long(limit))).toEqual(denied('signature'))
    expect(await refusalOf(long(limit + 1))).toMatchObject({
      code: 'BadParameter',
      expected: `a token of at most ${limit} characters`,
      found: `${limit + 1} characters`,
    })
    expect(await refusalOf({ a: 1 })).toMatchObject({ code: 'BadParameter', found: '{"a":1}' })
    expect((await refusalOf('')).found).toBe('0 characters')
  })

  it.each([
    ['header', signedParts(part('{"alg":"none","alg":"RS256","kid":"provider-1"}'), part(whole)), 'alg'],
    ['claims', signedParts(part(header), part(JSON.stringify(whole).replace('{', '{"exp":1,'))), 'exp'],
  ])('is refused with a name that stands twice in its %s, though it is signed', async (_where, token, name) => {
    expect(await refusal(token)).toEqual(malformed)
    expect((await refusalOf(token)).found).toBe(`$.${name} twice`)
  })

  it('is judged by its signature where that reads like JSON', async () => {
    const [head, body] = good.split('.') as [string, string]
    expect(await refusal(`${head}.${body}.${part('{"a":1,"a":2}')}`)).toEqual(denied('signature'))
  })

  it.each<[string, unknown, string[] | undefined]>([
    ['no issuer', undefined, undefined],
    ['a number for an issuer', 7, undefined],
    ['a list of the right issuer', [providerUrl], undefined],
    ['an issuer that is not a host', 'provider', undefined],
    ['an issuer that is not a host, which the policy names too', 'provider', ['provider']],
    ['an authority that the policy does not name', 'https://a.weu.attest.strongroom.internal', undefined],
    ['an authority outside, which the policy names', 'https://evil.example', ['https://evil.example', providerUrl]],
  ])('is refused by its issuer: %s', async (_name, iss, authorities) => {
    const asked = provider.asked.length
    const token = provider.token({ ...claims, iss })
    expect(await refusal(token, authorities)).toEqual(denied('iss'))
    expect(provider.asked.length).toBe(asked)
    const { details, expected, found } = await refusalOf(token, authorities)
    const named = authorities !== undefined && iss !== 'provider'
    expect(expected).toMatch(named ? /^an attestation provider of this/ : /^one of the policy's authorities: /)
    expect(found).toBe(Array.isArray(iss) ? JSON.stringify(iss) : String(iss))
    expect(details).toEqual([
      expect.objectContaining({ target: 'iss', innererror: { expected, found }, message: expect.any(String) }),
    ])
  })

  it('says which authorities the policy has, and which of them no installation has', async () => {
    const token = provider.token({ ...claims, iss: 'https://evil.example' })
    expect((await refusalOf(token)).expected).toBe(`one of the policy's authorities: ${providerUrl}`)
    expect((await refusalOf(token, ['https://evil.example'])).expected).toMatch(/^an attestation provider of this/)
  })

  const own = kept('own', () => generateKeyPairSync('rsa', { modulusLength: 2048 })).privateKey
  it.each<[string, string, string]>([
    ['another algorithm', provider.token(claims, { alg: 'RS512' }), 'alg'],
    ['a critical extension', provider.token(claims, { crit: ['a'], a: 1 }), 'crit'],
    ['another type', provider.token(claims, { typ: 'at+jwt' }), 'typ'],
    ['no key id', provider.token(claims, { kid: undefined }), 'kid'],
    ['an unknown key id', provider.token(claims, { kid: 'provider-2' }), 'kid'],
    ['a signature by another key', signedToken(whole, header, own), 'signature'],
    ['no signature', good.replace(/[^.]+$/, ''), 'signature'],
    ['another header under its signature', good.replace(/^[^.]+/, part(header)), 'signature'],
    ['other claims under its signature', good.replace(/\.[^.]+\./, `.${part(whole)}.`), 'signature'],
    ['no type of evidence', provider.token({}), 'x-ms-attestation-type'],
    ['the words of a policy’s answer', provider.token({ ...claims, 'x-ms-policy': 'a' }), 'x-ms-policy'],
    ['a time that is over', provider.token({ ...claims, exp: seconds - 60 }), 'exp'],
    ['a time that has not begun', provider.token({ ...claims, nbf: seconds + 61 }), 'nbf'],
    ['a time from the future', provider.token({ ...claims, iat: seconds + 61 }), 'iat'],
  ])('of the right issuer is refused for %s', async (_name, token, target) => {
    expect(await refusal(token)).toEqual(denied(target))
  })

  it('is held to its times by the second, with the minute that clocks may differ', async () => {
    for (const times of [{ exp: seconds - 59 }, { nbf: seconds + 60 }, { iat: seconds + 60 }])
      expect((await verified(provider.token({ ...claims, ...times }))).claims).toMatchObject(times)
  })
})
