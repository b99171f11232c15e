import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseVerifiers, VerifiersInvalid } from './attestation-verifiers.ts'

const issuer = 'https://attest.example.org'
const read = (settings: unknown): unknown => parseVerifiers(JSON.stringify({ other: settings }))

describe('attestation providers of other origins', () => {
  it('have an issuer, and keys beside it unless the operator says where', () => {
    expect(read({ issuer })).toEqual([{ name: 'other', issuer, keys: `${issuer}/certs`, collateral: false }])
    const whole = {
      issuer,
      keys: 'https://keys.example.org:8443/a/jwks.json',
      connect: '[::1]:9643',
      authority: '/etc/ssl/other.pem',
      collateral: true,
    }
    expect(read(whole)).toEqual([{ name: 'other', ...whole, connect: { host: '::1', port: 9643 } }])
  })

  it.each([
    ['no issuer', {}, 'issuer'],
    ['clear text', { issuer: 'http://attest.example.org' }, 'issuer'],
    ['a path', { issuer: `${issuer}/a` }, 'issuer'],
    ['a slash at the end, which no token has', { issuer: `${issuer}/` }, 'issuer'],
    ['a user', { issuer: 'https://me@attest.example.org' }, 'issuer'],
    ['capitals', { issuer: 'https://Attest.example.org' }, 'issuer'],
    ['keys in clear text', { issuer, keys: 'http://attest.example.org/certs' }, 'keys'],
    ['keys with a query', { issuer, keys: `${issuer}/certs?x=1` }, 'keys'],
    ['keys of a file', { issuer, keys: 'file:///etc/passwd' }, 'keys'],
    ['a port beyond the last', { issuer, connect: '127.0.0.1:65536' }, 'connect'],
    ['no port', { issuer, connect: '127.0.0.1' }, 'connect'],
    ['an authority by a relative path', { issuer, authority: 'ca.pem' }, 'authority'],
    ['a word for a flag', { issuer, collateral: 'yes' }, 'collateral'],
    ['a member that nobody reads', { issuer, insecure: true }, 'insecure'],
  ])('are refused with %s, and the place is named', (_what, settings, place) => {
    expect(() => read(settings)).toThrow(
      expect.objectContaining({ name: 'VerifiersInvalid', expected: expect.stringContaining(`other.${place}`) }),
    )
  })

  it('are refused where two have one issuer: whose keys count would have no answer', () => {
    expect(() => parseVerifiers(JSON.stringify({ a: { issuer }, b: { issuer } }))).toThrow(/b\.issuer/)
  })

  it('are read or refused, whatever the file holds', () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(fc.string(), fc.anything()).map((value) => JSON.stringify(value) ?? ''),
    )
    fc.assert(
      fc.property(text, (each) => {
        try {
          for (const verifier of parseVerifiers(each)) expect(verifier.issuer).toMatch(/^https:\/\/[a-z0-9.-]+$/)
        } catch (error) {
          expect(error).toBeInstanceOf(VerifiersInvalid)
        }
      }),
    )
  })
})
