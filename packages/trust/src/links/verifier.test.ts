import { describe, expect, it } from 'vitest'
import { sharedIssuer } from '../provenance/asked.ts'
import { vouch } from '../provenance/known.ts'
import { Proof } from '../provenance/link.ts'
import { describeVerifier, verifierKey, verifierOf } from './verifier.ts'

const issuer = 'https://attest.example.org'
const other = { name: 'witness', issuer, keys: 'https://keys.example.org/jwks.json', collateral: false }

describe('who verified a VM', () => {
  it('is a provider of this installation, or one that its operator named, with the place of its keys', () => {
    expect(verifierOf(sharedIssuer, [], { issuer: sharedIssuer })).toEqual({
      issuer: sharedIssuer,
      origin: 'installation',
      keys: `${sharedIssuer}/certs`,
    })
    const found = verifierOf(issuer, [other], { issuer })
    expect(found).toEqual({ issuer, origin: 'other', name: 'witness', keys: other.keys })
    const proof = new Proof()
    const key = vouch({ id: 'k', thumbprint: 't' }, 'published key')
    describeVerifier(found, { issuer: vouch(issuer, 'first use'), key, proof })
    expect(proof.shows).toEqual([
      `verified by a provider of another origin: ${issuer}`,
      'published key k…, thumbprint t',
    ])
    expect(proof.stated[0]).toContain('witness, a provider of another origin')
    expect(proof.stated[1]).toContain(other.keys)
    expect(proof.restsOn).toEqual(['published key', 'first use'])
    const long = new Proof()
    const named = vouch({ id: '0123456789abcdef01', thumbprint: 't' }, 'published key')
    describeVerifier(found, { issuer: vouch(issuer, 'first use'), key: named, proof: long })
    expect(long.shows[1]).toBe('published key 0123456789abcdef…, thumbprint t')
  })

  it('keeps its operator’s name where that name is under the installation’s own domain', () => {
    const near = { ...other, issuer: 'https://witness.weu.attest.strongroom.internal' }
    expect(verifierOf(near.issuer, [near], { issuer: near.issuer })).toMatchObject({ origin: 'other', keys: near.keys })
  })

  it('is nobody whom neither the installation nor its operator knows', () => {
    for (const stranger of [
      issuer,
      'https://a.attest.strongroom.internal.evil.example',
      'http://a.attest.strongroom.internal',
      'xhttps://a.attest.strongroom.internal',
      'https://evil.example/a.attest.strongroom.internal',
    ])
      expect(() => verifierOf(stranger, [], { issuer: stranger })).toThrow(
        expect.objectContaining({ name: 'LinkRefused', actual: stranger }),
      )
    expect(() => verifierOf('https://b.example', [other], { issuer })).toThrow(
      expect.objectContaining({ expected: `https://{provider}.attest.strongroom.internal, ${issuer}` }),
    )
  })

  it('is not another one than the VM named, and unknown where the VM’s provider is unavailable', () => {
    expect(() => verifierOf(sharedIssuer, [other], { issuer })).toThrow(
      expect.objectContaining({ name: 'LinkRefused', expected: issuer, actual: sharedIssuer }),
    )
    expect(() => verifierOf(sharedIssuer, [], { unknown: 'it was deleted' })).toThrow(
      expect.objectContaining({ name: 'LinkNotChecked', message: 'it was deleted' }),
    )
  })

  it('is told with the thumbprint of its key, as RFC 7638 section 3.1 has it', async () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n' +
      '3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zg' +
      'dAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFC' +
      'ur-kEgU8awapJzKnqDKgw'
    const key = { kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' }
    expect(await verifierKey([{ ...key, kid: 'other', n: 'AQ' }, key], '2011-04-29')).toEqual({
      id: '2011-04-29',
      thumbprint: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    })
  })
})
