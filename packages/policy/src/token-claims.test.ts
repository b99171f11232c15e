import { describe, expect, it } from 'vitest'
import { beforeSigning, claimsForPolicy, claimsOfToken, incomingClaims, issuedClaims } from './token-claims.ts'

const issuer = 'AttestationService'

describe('claims that a policy sees', () => {
  it('are those of the evidence, and what the service gives to each policy under both its names', () => {
    const seen = incomingClaims({ 'x-ms-attestation-type': 'tdxvm', a: [1, 'b'] }, { hash: 'H' })
    expect(seen).toEqual(
      [
        ['ver', '1.0'],
        ['tee', 'tdxvm'],
        ['maa-policyHash', 'H'],
        ['policy_hash', 'H'],
        ['x-ms-ver', '1.0'],
        ['x-ms-policy-hash', 'H'],
        ['x-ms-attestation-type', 'tdxvm'],
        ['a', 1],
        ['a', 'b'],
      ].map(([type, value]) => ({ type, value, issuer })),
    )
  })

  it('have who signed the policy, where somebody did, and what the evidence says before what is given', () => {
    const seen = new Map(
      incomingClaims({ ver: 'mine' }, { hash: 'H', signer: { kty: 'RSA' } }).map(({ type, value }) => [type, value]),
    )
    expect([seen.get('policy_signer'), seen.get('x-ms-policy-signer'), seen.get('ver')]).toEqual([
      '{"kty":"RSA"}',
      '{"kty":"RSA"}',
      'mine',
    ])
    expect(incomingClaims({}, { hash: 'H' }).map(({ type }) => type)).not.toContain('tee')
  })

  it('are values as they are, texts of what is none, and nothing of what is absent', () => {
    expect(
      claimsForPolicy({ a: undefined, b: null, c: 2 ** 53, d: [1, null], e: [], f: '', g: false, h: [1, {}] }),
    ).toEqual([
      { type: 'c', value: '9007199254740992', issuer },
      { type: 'd', value: '[1,null]', issuer },
      { type: 'f', value: '', issuer },
      { type: 'g', value: false, issuer },
      { type: 'h', value: '[1,{}]', issuer },
    ])
  })

  it('may not leave where they are registers, and no others', () => {
    expect(claimsForPolicy({ pcrs: { a: 1 }, PCRs: 1, events: 2 })).toStrictEqual([
      { type: 'pcrs', value: '{"a":1}', issuer, readOnly: true },
      { type: 'PCRs', value: 1, issuer },
      { type: 'events', value: 2, issuer },
    ])
  })
})

describe('claims of a token', () => {
  it('are those that it had before it was signed', () => {
    const signed = { iss: 'i', iat: 1, nbf: 1, exp: 2, jti: 'j', nonce: 'n' }
    expect(beforeSigning({ ...signed, a: 1, 'x-ms-ver': '1.0' })).toEqual({ a: 1, 'x-ms-ver': '1.0' })
    expect(claimsOfToken({ ...signed, a: ['b', true] })).toEqual([
      { type: 'a', value: 'b', issuer },
      { type: 'a', value: true, issuer },
    ])
  })

  it('have one value as it is, several as a list', () => {
    expect(
      issuedClaims(
        new Map([
          ['a', [1]],
          ['b', [1, 'x']],
          ['c', []],
        ]),
      ),
    ).toEqual({ a: 1, b: [1, 'x'], c: [] })
  })
})
