import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { failedConditions } from '@strongroom/release-policy'
import { ServiceError } from '@strongroom/platform'
import { createFakeProvider, providerUrl } from '../testing/fake-provider.ts'
import { Authorities } from './authorities.ts'
import { decideRelease } from './decision.ts'
import { parseReleasePolicy } from '../keys/release-policy.ts'
import { wrappingKeyOf } from './wrapping-key.ts'

const published = '/work/shared/evidence/ThomVanL-blog-2022-12-azure-confidential-computing-secure-key-release'
const read = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(`${published}/${name}`, 'utf8')) as Record<string, unknown>

describe.skipIf(!existsSync(published))('a release that Azure made', () => {
  const claims = (): Record<string, unknown> => read('maa-token-body.json')
  const policy = (): ReturnType<typeof parseReleasePolicy> =>
    parseReleasePolicy(Buffer.from(JSON.stringify(read('cvm-release-policy.json'))).toString('base64url'))

  it('is one by our reading of its policy and token too', () => {
    expect(policy().anyOf.map((entry) => failedConditions(entry, claims()))).toEqual([[]])
  })

  it('goes to the key that Azure wrapped to', () => {
    const { header } = read('key_hsm-decoded.json') as { header: { kid: string } }
    expect(wrappingKeyOf(claims()).kid).toBe(header.kid)
  })

  it('is refused for a policy that was written for the flat token of the boot path', () => {
    const [entry] = parseReleasePolicy(
      Buffer.from(
        JSON.stringify({
          anyOf: [
            {
              authority: 'https://sharedweu.weu.attest.azure.net',
              allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }],
            },
          ],
        }),
      ).toString('base64url'),
    ).anyOf
    expect(failedConditions(entry!, claims())).toMatchObject([{ claim: 'x-ms-compliance-status', actual: undefined }])
  })
})

describe('a decision', () => {
  const clock = { now: () => new Date('2026-01-01T00:00:00Z') }
  const provider = createFakeProvider(clock.now)
  const keys = new Authorities({ wire: provider.wire, clock })
  const claims = { 'x-ms-attestation-type': 'sevsnpvm', a: 1, b: 'x' }
  const encoded = (policy: object): ReturnType<typeof parseReleasePolicy> =>
    parseReleasePolicy(Buffer.from(JSON.stringify(policy)).toString('base64url'))
  const decide = (anyOf: object[]): Promise<unknown> =>
    decideRelease({ policy: encoded({ anyOf }), token: provider.token(claims), keys, clock })
  const refusalOf = async (anyOf: object[]): Promise<ServiceError> => {
    const error: unknown = await decide(anyOf).catch((cause: unknown) => cause)
    if (error instanceof ServiceError) return error
    throw new Error('the token was accepted')
  }
  const met = { claim: 'a', equals: 1 }
  const unmet = (claim: string): object => ({ claim, equals: 'z' })

  it('is for the token where one entry of its issuer is met, whatever other entries ask', async () => {
    const foreign = { authority: 'https://other.weu.attest.strongroom.internal', allOf: [met] }
    const answer = await decide([
      foreign,
      { authority: providerUrl, allOf: [unmet('b')] },
      { authority: `${providerUrl}/`, allOf: [met] },
    ])
    expect(answer).toMatchObject({ claims })
    // A token from one authority never satisfies another authority's entry.
    expect((await refusalOf([foreign, { authority: providerUrl, allOf: [unmet('b')] }])).details).toHaveLength(1)
  })

  it('says what stood in the way in every entry of the issuer, up to twenty of it', async () => {
    const two = await refusalOf([
      { authority: providerUrl, allOf: [unmet('b'), met] },
      { authority: providerUrl, allOf: [unmet('c')] },
    ])
    expect([two.status, two.code, two.target, two.expected, two.found]).toEqual([403, 'Forbidden', 'b', '"z"', '"x"'])
    expect(two.details?.map(({ target, innererror }) => [target, innererror?.expected, innererror?.found])).toEqual([
      ['b', '"z"', '"x"'],
      ['c', '"z"', 'no such claim'],
    ])
    expect(two.details?.every(({ code }) => code === 'KeyReleaseDenied')).toBe(true)
    const many = await refusalOf([
      { authority: providerUrl, allOf: Array.from({ length: 21 }, (_, i) => unmet(`c${i}`)) },
    ])
    expect(many.details).toHaveLength(20)
    expect(many.details?.at(-1)?.target).toBe('c19')
  })

  it('without a key to wrap to names the claim that should hold it', () => {
    expect(() => wrappingKeyOf(claims)).toThrow(
      expect.objectContaining({
        code: 'Forbidden',
        status: 403,
        target: 'x-ms-runtime.keys',
        details: [
          expect.objectContaining({
            code: 'KeyReleaseDenied',
            target: 'x-ms-runtime.keys',
            innererror: { expected: 'an RSA key of at least 2048 bits for encryption', found: 'no such key' },
          }),
        ],
      }),
    )
  })
})
