import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultCvmReleasePolicy, platformKeyReleasePolicy } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { parseReleasePolicy } from './release-policy.ts'

const encoded = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const authority = 'https://sharedweu.weu.attest.strongroom.internal'
const condition = { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }
const policyWith = (entry: object): object => ({
  version: '1.0.0',
  anyOf: [{ authority, allOf: [condition], ...entry }],
})

function refusal(value: unknown): { target: string | undefined; status: number } {
  try {
    parseReleasePolicy(encoded(value))
  } catch (error) {
    if (error instanceof ServiceError) return { target: error.target, status: error.status }
    throw error
  }
  throw new Error('the policy was accepted')
}

describe('reading a release policy', () => {
  it('reads what the platform and az write', () => {
    const policies = [
      platformKeyReleasePolicy({ authority, attestationType: 'tdxvm', vmId: 'A' }),
      defaultCvmReleasePolicy(`${authority}/`),
    ]
    for (const policy of policies) expect(parseReleasePolicy(encoded(policy))).toEqual(policy)
  })

  it('reads groups within groups and policies without a version', () => {
    const policy = { anyOf: [{ authority, anyOf: [condition, { allOf: [condition, { anyOf: [condition] }] }] }] }
    expect(parseReleasePolicy(encoded(policy))).toEqual({ version: '1.0.0', ...policy })
  })

  it('reads the versions that published policies name, and takes them for one', () => {
    for (const version of ['1.0.0', '1.0', '0.2'])
      expect(parseReleasePolicy(encoded({ ...policyWith({}), version }))).toEqual(policyWith({}))
  })

  it('says where a text is not JSON', () => {
    const text = `{"anyOf":[{"authority":"${authority}","allOf":[{"claim":"a","equals":1},]}]}`
    expect(() => parseReleasePolicy(encoded(text))).toThrow(/expected JSON, found Unexpected token '\]'/)
  })

  it('reads every operator of the grammar', () => {
    const allOf = [
      { claim: 'a', equals: 'x' },
      { claim: 'a', notEquals: true },
      { claim: 'a', less: 1 },
      { claim: 'a', lessOrEquals: 1.5 },
      { claim: 'a', greater: 0 },
      { claim: 'a', greaterOrEquals: -1 },
      { claim: 'a', exists: false },
    ]
    expect(parseReleasePolicy(encoded(policyWith({ allOf })))).toEqual(policyWith({ allOf }))
  })

  it('reads the only authority also under allOf, and its host without https://', () => {
    const host = authority.slice('https://'.length)
    const entry = { authority: host, allOf: [condition] }
    expect(parseReleasePolicy(encoded({ version: '1.0.0', allOf: [entry] }))).toEqual({
      version: '1.0.0',
      anyOf: [{ authority, allOf: [condition] }],
      writtenAs: 'allOf',
    })
    for (const other of [
      `ftp://${host}`,
      `//${host}`,
      `${host}:443`,
      `${host}/x`,
      `u@${host}`,
      `https://https://${host}`,
      '',
    ])
      expect(refusal({ anyOf: [{ ...entry, authority: other }] }).target).toBe('$.anyOf[0].authority')
  })

  it.each([
    ['an unknown version', { ...policyWith({}), version: '2.0.0' }, '$.version'],
    ['a field of no meaning', { ...policyWith({}), denyOf: [] }, '$.denyOf'],
    ['no authorities', { version: '1.0.0', anyOf: [] }, '$.anyOf'],
    ['authorities that are not a list', { version: '1.0.0', anyOf: {} }, '$.anyOf'],
    ['conditions without an authority', { version: '1.0.0', allOf: [condition] }, '$.allOf[0].claim'],
    ['several authorities at once', { allOf: [1, 2].map(() => ({ authority, allOf: [condition] })) }, '$.allOf'],
    ['authorities in two ways', { ...policyWith({}), allOf: [{ authority, allOf: [condition] }] }, '$'],
    ['both allOf and anyOf', policyWith({ anyOf: [condition] }), '$.anyOf[0]'],
    ['an authority without conditions', { anyOf: [{ authority }] }, '$.anyOf[0]'],
    ['an empty list of conditions', policyWith({ allOf: [] }), '$.anyOf[0].allOf'],
    ['no authority', { anyOf: [{ allOf: [condition] }] }, '$.anyOf[0].authority'],
    ['an authority by http', policyWith({ authority: 'http://a.attest.strongroom.internal' }), '$.anyOf[0].authority'],
    ['an authority with a path', policyWith({ authority: `${authority}/x` }), '$.anyOf[0].authority'],
    ['an authority with a user', policyWith({ authority: 'https://a@b.c' }), '$.anyOf[0].authority'],
    ['an authority with a port', policyWith({ authority: `${authority}:444` }), '$.anyOf[0].authority'],
    ['an unknown operator', policyWith({ allOf: [{ claim: 'a', like: '1' }] }), '$.anyOf[0].allOf[0].like'],
    ['an order of texts', policyWith({ allOf: [{ claim: 'a', greater: '0' }] }), '$.anyOf[0].allOf[0].greater'],
    ['an order of no number', policyWith({ allOf: [{ claim: 'a', less: true }] }), '$.anyOf[0].allOf[0].less'],
    [
      "a condition of the grammar's preview",
      policyWith({ allOf: [{ claim: 'a', condition: 'equals', value: 'x' }] }),
      '$.anyOf[0].allOf[0].condition',
    ],
    ['presence as a text', policyWith({ allOf: [{ claim: 'a', exists: 'true' }] }), '$.anyOf[0].allOf[0].exists'],
    ['a second operator', policyWith({ allOf: [{ ...condition, exists: true }] }), '$.anyOf[0].allOf[0].exists'],
    [
      'a condition beside a group',
      policyWith({ allOf: [{ ...condition, allOf: [condition] }] }),
      '$.anyOf[0].allOf[0].claim',
    ],
    ['no operator', policyWith({ allOf: [{ claim: 'a' }] }), '$.anyOf[0].allOf[0].equals'],
    ['null as a value', policyWith({ allOf: [{ claim: 'a', equals: null }] }), '$.anyOf[0].allOf[0].equals'],
    ['an object as a value', policyWith({ allOf: [{ claim: 'a', equals: {} }] }), '$.anyOf[0].allOf[0].equals'],
    ['a list as a value', policyWith({ allOf: [{ claim: 'a', equals: ['x'] }] }), '$.anyOf[0].allOf[0].equals'],
    [
      'a number that is not exact',
      policyWith({ allOf: [{ claim: 'a', equals: 2 ** 53 }] }),
      '$.anyOf[0].allOf[0].equals',
    ],
    ['an empty claim', policyWith({ allOf: [{ claim: '', equals: 1 }] }), '$.anyOf[0].allOf[0].claim'],
    ['an empty part of a claim', policyWith({ allOf: [{ claim: 'a..b', equals: 1 }] }), '$.anyOf[0].allOf[0].claim'],
    [
      'a claim of too many parts',
      policyWith({ allOf: [{ claim: 'a.'.repeat(16) + 'a', equals: 1 }] }),
      '$.anyOf[0].allOf[0].claim',
    ],
    ['a text', '"policy"', '$'],
    ['null', 'null', '$'],
    ['no JSON', '{', '$'],
    ['a name twice', '{"anyOf":[],"anyOf":[{"authority":"https://a"}]}', '$.anyOf'],
  ])('refuses %s and says where', (_, value, target) => {
    expect(refusal(value)).toEqual({ target, status: 400 })
  })

  it('refuses bombs: depth, number of conditions, size', () => {
    let nested: object = condition
    for (let depth = 0; depth < 2000; depth++) nested = { anyOf: [nested] }
    expect(refusal(policyWith({ allOf: [nested] })).status).toBe(400)
    expect(refusal(policyWith({ allOf: Array.from({ length: 2001 }, () => ({ claim: 'a', equals: 1 })) })).status).toBe(
      400,
    )
    const group = { allOf: Array.from({ length: 50 }, () => ({ claim: 'a', equals: 1 })) }
    expect(refusal({ anyOf: Array.from({ length: 50 }, () => ({ authority: 'https://a', ...group })) }).status).toBe(
      400,
    )
    expect(refusal(`${' '.repeat(70_000)}{}`).target).toBe('release_policy.data')
  })

  it('reads policies up to their largest size, and none beyond', () => {
    const padded = (bytes: number): string => JSON.stringify(policyWith({})).padEnd(bytes, ' ')
    expect(parseReleasePolicy(encoded(padded(64 * 1024))).anyOf).toHaveLength(1)
    expect(refusal(padded(64 * 1024 + 1)).target).toBe('release_policy.data')
  })

  it('reads a policy again as it was read before, whatever was read between', () => {
    const of = (number: number): string => encoded(policyWith({ allOf: [{ claim: 'a', equals: number }] }))
    const first = parseReleasePolicy(of(0))
    expect(parseReleasePolicy(of(0))).toBe(first)
    for (let number = 1; number <= 70; number++)
      expect(parseReleasePolicy(of(number)).anyOf).toMatchObject([{ allOf: [{ equals: number }] }])
    // Cached for a while, never if it is long.
    expect(parseReleasePolicy(of(0))).not.toBe(first)
    expect(parseReleasePolicy(of(0))).toEqual(first)
    const long = encoded(JSON.stringify(policyWith({})).padEnd(16 * 1024, ' '))
    expect(parseReleasePolicy(long)).not.toBe(parseReleasePolicy(long))
  })

  it('keeps the last 64 policies that it read, each up to 16384 characters', () => {
    const of = (number: number): string => encoded(policyWith({ allOf: [{ claim: 'kept', equals: number }] }))
    const first = parseReleasePolicy(of(0))
    for (let number = 1; number < 64; number++) parseReleasePolicy(of(number))
    expect(parseReleasePolicy(of(0))).toBe(first)
    // One more, and the one read first is evicted.
    const second = parseReleasePolicy(of(1))
    parseReleasePolicy(of(64))
    expect(parseReleasePolicy(of(1))).toBe(second)
    expect(parseReleasePolicy(of(0))).not.toBe(first)
    const sized = (characters: number): string =>
      encoded(JSON.stringify(policyWith({})).padEnd((characters * 3) / 4, ' '))
    const longest = sized(16_384)
    expect(longest).toHaveLength(16_384)
    expect(parseReleasePolicy(longest)).toBe(parseReleasePolicy(longest))
  })

  it('refuses text that is not UTF-8, and content types by their whole', () => {
    const data = encoded(policyWith({}))
    expect(() => parseReleasePolicy(Buffer.from([0x22, 0xff, 0x22]).toString('base64url'))).toThrow('JSON in UTF-8')
    for (const type of [
      'application/json',
      'Application/JSON; charset=UTF-8',
      'application/json;charset=utf-8',
      undefined,
    ])
      expect(parseReleasePolicy(data, type).anyOf).toHaveLength(1)
    for (const type of [
      'text/application/json',
      'application/jsonx',
      'application/json; charset=latin1',
      'application/json;  charset=utf-8',
      '',
      null,
      7,
    ])
      expect(() => parseReleasePolicy(data, type)).toThrow('release_policy.contentType')
    expect(() => parseReleasePolicy(data, ['application/json'])).toThrow(
      expect.objectContaining({
        target: 'release_policy.contentType',
        expected: 'application/json; charset=utf-8',
        found: '["application/json"]',
      }),
    )
    for (const text of [`${data}====`, `=${data}`, `${data}\n`, ` ${data}`])
      expect(() => parseReleasePolicy(text)).toThrow('other characters')
  })

  it('refuses data that is not base64url and foreign content types', () => {
    for (const [data, found] of [
      [undefined, 'undefined'],
      [7, '7'],
      ['', 'other characters'],
      ['a b', 'other characters'],
      ['{}', 'other characters'],
    ])
      expect(() => parseReleasePolicy(data)).toThrow(
        expect.objectContaining({ target: 'release_policy.data', expected: 'a policy as base64url', found }),
      )
    expect(() => parseReleasePolicy(Buffer.of(0xff).toString('base64url'))).toThrow(
      expect.objectContaining({ target: 'release_policy.data', expected: 'JSON in UTF-8' }),
    )
    expect(() => parseReleasePolicy(encoded(policyWith({})), 'application/xml')).toThrow(ServiceError)
    expect(() => parseReleasePolicy(encoded(policyWith({})), 'application/json; charset=utf-8')).not.toThrow()
  })

  it('refuses or understands any JSON, and never fails in another way', () => {
    const json = fc.oneof(
      fc.jsonValue(),
      fc.record({
        version: fc.constant('1.0.0'),
        anyOf: fc.array(fc.record({ authority: fc.string(), allOf: fc.jsonValue() })),
      }),
    )
    fc.assert(
      fc.property(json, (value) => {
        try {
          expect(parseReleasePolicy(encoded(value)).anyOf.length).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toBeInstanceOf(ServiceError)
        }
      }),
    )
  })
})

const shared = '/work/shared/evidence'
describe.skipIf(!existsSync(`${shared}/MANIFEST.json`))('published release policies', () => {
  it.each([
    'ThomVanL-blog-2022-12-azure-confidential-computing-secure-key-release/cvm-release-policy.json',
    'Azure-confidential-computing-cvm-guest-attestation/public_SKR_policy-datadisk.json',
  ])('reads %s', (path) => {
    const text = readFileSync(`${shared}/${path}`, 'utf8')
    expect(parseReleasePolicy(encoded(text)).anyOf).toHaveLength(
      (JSON.parse(text) as { anyOf: unknown[] }).anyOf.length,
    )
  })
})
