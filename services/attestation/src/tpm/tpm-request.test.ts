import { generateKeyPairSync } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { kept } from '@strongroom/platform/testing'
import { CompactSign } from 'jose'
import { describe, expect, it } from 'vitest'
import { parseTpmMessage, readTpmMessage, type TpmInit, type TpmRequest } from './tpm-request.ts'

const pair = (name: string) => kept(name, () => generateKeyPairSync('rsa', { modulusLength: 2048 }))
const [own, other] = [pair('tpm-own'), pair('tpm-other')]
const attestKey = own.publicKey.export({ format: 'jwk' })
const base64 = (text: string): string => Buffer.from(text).toString('base64url')
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const tpm = {
  aik_cert: base64('certificate'),
  aik_pub: { kty: 'RSA', n: 'n', e: 'e' },
  current_claim: base64('claim'),
  srtm_boot_log: base64('log'),
}
const data = {
  rp_id: 'party',
  rp_data: 'data',
  challenge: base64('challenge'),
  service_context: base64('context'),
  attest_key: attestKey,
}
const payloadOf = (change: object = {}, ofTpm: object = {}): object => ({
  att_type: 'basic',
  att_data: { ...data, tpm_att_data: { ...tpm, ...ofTpm }, ...change },
})
const signed = async (payload: object, alg = 'PS256', key = own.privateKey): Promise<string> =>
  await new CompactSign(bytes(JSON.stringify(payload))).setProtectedHeader({ alg }).sign(key)
/** A message with an unverified signature. */
const unsigned = (payload: object): string => `e30.${base64(JSON.stringify(payload))}.AA`
const bodyOf = (message: unknown): Record<string, unknown> => ({ data: base64(JSON.stringify(message)) })
const fault = (error: unknown): unknown[] => {
  if (!(error instanceof ServiceError)) throw error
  expect([error.status, error.code]).toEqual([400, 'InvalidParameter'])
  return [error.target, error.details?.[0]?.code, error.expected, error.found]
}
const parse = (message: unknown): TpmInit | TpmRequest => parseTpmMessage(bodyOf(message)).message
const refusal = (message: unknown): unknown[] => {
  try {
    parse(message)
  } catch (error) {
    return fault(error)
  }
  return ['read']
}
const ofPayload = (payload: object): unknown[] => refusal({ request: unsigned(payload) })

describe('a message of TPM attestation', () => {
  it('asks for a challenge, inside a payload or not', () => {
    expect(parse({ type: 'aikcert' })).toEqual({ kind: 'init', wrapped: false })
    expect(parse({ payload: { type: 'aikcert' } })).toEqual({ kind: 'init', wrapped: true })
    expect(parse({ payload: null, type: 'aikcert' })).toEqual({ kind: 'init', wrapped: false })
    expect(parse({ payload: 'a', type: 'aikcert' })).toMatchObject({ wrapped: false })
  })

  it('answers one, each member from its own', () => {
    const request = {
      kind: 'request',
      wrapped: true,
      relyingParty: 'party',
      relyingPartyData: 'data',
      challenge: { challenge: bytes('challenge'), context: bytes('context') },
      akCertificate: bytes('certificate'),
      akPublic: tpm.aik_pub,
      currentClaim: bytes('claim'),
      bootLog: bytes('log'),
      attestKey,
    }
    const jws = unsigned(payloadOf())
    expect(parseTpmMessage(bodyOf({ payload: { request: jws } }))).toEqual({ jws, message: request })
    expect(parse({ request: jws })).toEqual({ ...request, wrapped: false })
    expect(parse({ request: unsigned(payloadOf({ rp_id: null, rp_data: undefined, custom_claims: [] })) })).toEqual({
      ...request,
      wrapped: false,
      relyingParty: undefined,
      relyingPartyData: undefined,
    })
  })

  it('is neither, and says what it is', () => {
    const expected = '{"type":"aikcert"} or {"request":"<JWS>"}'
    for (const message of [{ type: 'aikpub', more: 1 }, { payload: { type: 'aikpub', more: 1 } }])
      expect(refusal(message)).toEqual(['data', undefined, expected, 'type, more'])
    expect(refusal({ request: 7 })).toEqual(['data', undefined, expected, 'request'])
    expect(refusal({ ['k'.repeat(200)]: 1 })[3]).toBe('k'.repeat(100))
    expect(refusal({ payload: [] })[0]).toBe('body')
    for (const body of [{}, { data: 7 }, { data: '!' }, { data: base64('[]') }, { data: base64('{') }])
      expect(() => parseTpmMessage(body)).toThrow(expect.objectContaining({ target: 'data' }))
  })

  it('has a payload of JSON', () => {
    for (const jws of ['', 'a', 'e30.!.AA', `e30.${base64('[]')}.AA`, `e30.${base64('{')}.AA`])
      expect(refusal({ request: jws })[0]).toBe('request')
  })

  it.each<[unknown, string]>([
    ['vbs', '"vbs"'],
    ['Basic', '"Basic"'],
    [undefined, 'nothing'],
  ])('is of no enclave: %j', (type, found) => {
    expect(ofPayload({ ...payloadOf(), att_type: type })).toEqual([
      'request.att_type',
      'AttestationTypeNotOffered',
      '"basic"',
      found,
    ])
  })

  it.each(['att_data', 'tpm_att_data', 'attest_key', 'aik_pub'])('has %s as an object', (name) => {
    for (const value of [undefined, null, 'a', []]) {
      const payload =
        name === 'att_data'
          ? { att_type: 'basic', att_data: value }
          : name === 'aik_pub'
            ? payloadOf({}, { aik_pub: value })
            : payloadOf({ [name]: value })
      expect(ofPayload(payload)).toEqual([`request.${name}`, undefined, 'a JSON object', undefined])
    }
  })

  it.each(['aik_cert', 'current_claim', 'srtm_boot_log', 'challenge', 'service_context'])('has %s in bytes', (name) => {
    const inTpm = name in tpm
    for (const value of [undefined, '', '!', 7])
      expect(ofPayload(inTpm ? payloadOf({}, { [name]: value }) : payloadOf({ [name]: value }))[0]).toBe(
        `request.${name}`,
      )
  })

  it.each(['rp_id', 'rp_data'])('has %s of 1024 characters at most', (name) => {
    const longest = 'x'.repeat(1024)
    expect(parse({ request: unsigned(payloadOf({ [name]: longest })) })).toMatchObject({
      [name === 'rp_id' ? 'relyingParty' : 'relyingPartyData']: longest,
    })
    for (const value of [`${longest}x`, 7, {}, []])
      expect(ofPayload(payloadOf({ [name]: value }))).toEqual([
        `request.${name}`,
        undefined,
        'text of at most 1024 characters',
        undefined,
      ])
  })

  it('has no claims of the client’s own', () => {
    expect(ofPayload(payloadOf({ custom_claims: [{}] }))).toEqual([
      'request.custom_claims',
      undefined,
      'no custom_claims',
      undefined,
    ])
    for (const none of [undefined, [], {}, 'a']) expect(ofPayload(payloadOf({ custom_claims: none }))).toEqual(['read'])
  })
})

describe('the sender of a message', () => {
  const read = async (jws: string): Promise<unknown> =>
    await readTpmMessage(bodyOf({ request: jws })).then(({ kind }) => kind, fault)
  const refused = (found = 'a JWS by attest_key (RSA), PS256 or RS256'): unknown[] => [
    'request',
    'RequestSignatureInvalid',
    found,
    undefined,
  ]

  it.each(['PS256', 'RS256'])('is who holds its key, by %s', async (alg) => {
    expect(await read(await signed(payloadOf(), alg))).toBe('request')
  })

  it('signs nothing to ask for a challenge', async () => {
    expect(await readTpmMessage(bodyOf({ type: 'aikcert' }))).toEqual({ kind: 'init', wrapped: false })
  })

  it('is nobody by another key, another algorithm, or none', async () => {
    const good = await signed(payloadOf())
    const [head, , signature] = good.split('.') as [string, string, string]
    const changed = base64(JSON.stringify(payloadOf({ rp_id: 'evil' })))
    for (const jws of [
      await signed(payloadOf(), 'PS256', other.privateKey),
      await signed(payloadOf(), 'PS384'),
      await signed(payloadOf(), 'RS512'),
      unsigned(payloadOf()),
      `${base64('{"alg":"none"}')}.${base64(JSON.stringify(payloadOf()))}.`,
      `${head}.${changed}.${signature}`,
      `${base64('{"alg":"RS256"}')}.${good.split('.')[1]}.${signature}`,
    ])
      expect(await read(jws)).toEqual(refused())
    for (const key of [
      { ...attestKey, kty: 'EC' },
      { ...attestKey, kty: undefined },
      { kty: 'oct', k: base64('secret') },
      { ...attestKey, n: undefined },
    ])
      expect(await read(await signed(payloadOf({ attest_key: key })))).toEqual(refused())
  })
})
