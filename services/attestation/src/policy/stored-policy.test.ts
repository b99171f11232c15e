import fc from 'fast-check'
import { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { certificateOf, openEnvelope, policyHash, policyOf, unsignedPolicyJws } from './stored-policy.ts'

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('the envelope of a policy', () => {
  it('holds any text as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        expect(policyOf(openEnvelope(unsignedPolicyJws(text)))).toEqual({ jws: unsignedPolicyJws(text), text })
      }),
    )
  })

  it('ends in a policy or a refusal with a remedy, whatever it is given', () => {
    const json = fc.jsonValue({ maxDepth: 3 })
    const jws = fc.oneof(
      fc.string(),
      fc
        .tuple(json, json, fc.base64String())
        .map(([header, payload, signature]) => `${part(header)}.${part(payload)}.${signature}`),
      json.map((payload) => `${part({ alg: 'none' })}.${part(payload)}.`),
      fc
        .tuple(fc.constantFrom('RS256', 'HS256', 'ES256', 'none'), fc.array(fc.base64String()))
        .map(([alg, x5c]) => `${part({ alg, x5c })}.${part({ AttestationPolicy: 'e30' })}.AAAA`),
    )
    fc.assert(
      fc.property(jws, (text) => {
        try {
          const envelope = openEnvelope(text)
          expect(envelope.signer).toBeUndefined()
          certificateOf(envelope)
          policyOf(envelope)
        } catch (error) {
          if (!(error instanceof ServiceError)) throw error
          expect(error).toMatchObject({ code: 'InvalidOperation', status: 400, remedy: expect.any(String) })
        }
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x41]).toString('base64url')],
    ['nothing', ''],
    ['characters outside base64url', 'a b'],
  ])('is refused with %s as its policy', (_name, AttestationPolicy) => {
    const envelope = openEnvelope(`${part({ alg: 'none' })}.${part({ AttestationPolicy })}.`)
    expect(() => policyOf(envelope)).toThrow(/policy/)
  })

  it('has the hash that Azure documents: base64url of SHA-256 over base64url of the text', () => {
    // Computed by: printf '%s' 'version=1.0;' | basenc -w0 --base64url | tr -d = | tr -d '\n' |
    // openssl dgst -sha256 -binary | basenc --base64url
    expect(policyHash('version=1.0;')).toBe('19i83kYUJrNjFhofbXgekndgH4nqXEkpmebWlG5krvs')
  })
})
