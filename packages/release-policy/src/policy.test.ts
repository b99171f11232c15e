import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { duplicateName } from './duplicate-name.ts'
import { ReleasePolicyError, shown } from './policy-error.ts'
import { readReleasePolicy } from './policy.ts'

const authority = 'https://sharedweu.weu.attest.strongroom.internal'
const condition = { claim: 'a', equals: 1 }
const policy = (...allOf: unknown[]): object => ({ anyOf: [{ authority, allOf }] })
const read = (value: unknown): unknown => readReleasePolicy(typeof value === 'string' ? value : JSON.stringify(value))

/** Path, expected and found; `read` if the policy is accepted. */
function fault(value: unknown): string | [string, string, string] {
  try {
    read(value)
    return 'read'
  } catch (error) {
    if (error instanceof ReleasePolicyError) return [error.place, error.expected, error.found]
    throw error
  }
}
const groups = (depth: number): object => (depth === 0 ? condition : { anyOf: [groups(depth - 1)] })
const first = '$.anyOf[0].allOf[0]'

describe('a release policy', () => {
  it('is read to each of its bounds, and not beyond', () => {
    expect(fault(policy({ claim: 'a'.repeat(512), equals: 1 }))).toBe('read')
    expect(fault(policy({ claim: 'a'.repeat(513), equals: 1 }))[0]).toBe(`${first}.claim`)
    expect(fault(policy({ claim: Array(16).fill('a').join('.'), equals: 1 }))).toBe('read')
    expect(fault(policy({ claim: Array(17).fill('a').join('.'), equals: 1 }))).toEqual([
      `${first}.claim`,
      'at most 16 parts',
      Array(17).fill('a').join('.'),
    ])
    expect(fault(policy(...Array(2000).fill(condition)))).toBe('read')
    expect(fault(policy(...Array(2001).fill(condition)))).toEqual(['$.anyOf[0].allOf', 'at most 2000 entries', '2001'])
    const two = [1000, 1001].map((count) => ({ authority, allOf: Array(count).fill(condition) as object[] }))
    expect(fault({ anyOf: two })).toEqual(['$.anyOf[1].allOf[1000]', 'at most 2000 conditions', 'more'])
    // The authority's entry is the first level.
    expect(fault(policy(groups(7)))).toBe('read')
    expect(fault(policy(groups(8)))).toEqual([`${first}${'.anyOf[0]'.repeat(7)}`, 'at most 8 levels', 'more'])
    const largest = Number.MAX_SAFE_INTEGER
    for (const equals of [largest, -largest]) expect(fault(policy({ claim: 'a', equals }))).toBe('read')
    for (const equals of [largest + 1, -largest - 1])
      expect(fault(policy({ claim: 'a', equals }))[1]).toBe(`a number up to ${largest}`)
  })

  it('says what it is, in each of the versions that mean the same, or in none', () => {
    for (const version of ['1.0.0', '1.0', '0.2', undefined])
      expect(read({ version, ...policy(condition) })).toEqual({ version: '1.0.0', ...policy(condition) })
    for (const version of ['', '1', '1.0.1', 1, null])
      expect(fault({ version, ...policy(condition) })[0]).toBe('$.version')
    expect(read({ allOf: [{ authority, allOf: [condition] }] })).toEqual({
      ...(read(policy(condition)) as object),
      writtenAs: 'allOf',
    })
    expect(read(policy(condition))).not.toHaveProperty('writtenAs')
    const entry = { authority, allOf: [condition] }
    expect(fault({ allOf: [entry, entry] })).toEqual([
      '$.allOf',
      'one authority, or anyOf (a token has one issuer)',
      '2 entries',
    ])
  })

  it('names its place, what was expected and what was found', () => {
    expect(fault('{')[0]).toBe('$')
    expect(fault('{"anyOf":[],"anyOf":[]}')).toEqual(['$.anyOf', 'each name once', 'the same name twice'])
    for (const value of ['null', '[]', '"text"', '7']) expect(fault(value).slice(0, 2)).toEqual(['$', 'an object'])
    expect(fault({ anyOf: [7] })).toEqual(['$.anyOf[0]', 'an object', '7'])
    expect(fault({ anyOf: [{ authority, allOf: [condition], more: 1 }] })[0]).toBe('$.anyOf[0].more')
    expect(fault({ anyOf: [{ authority }] })).toEqual(['$.anyOf[0]', 'exactly one of allOf and anyOf', 'neither'])
    expect(fault({ anyOf: [{ authority, allOf: [condition], anyOf: [condition] }] })[2]).toBe('allOf and anyOf')
    expect(fault(policy(condition, { anyOf: [condition, { claim: 'a', exists: 'true' }] }))).toEqual([
      '$.anyOf[0].allOf[1].anyOf[1].exists',
      'true or false, without quotation marks',
      'true',
    ])
    expect(fault(policy({ claim: 'a', less: '1' }))[1]).toBe(
      'a number, without quotation marks: only numbers have an order',
    )
    expect(fault(policy({ claim: 7, equals: 1 }))).toEqual([
      `${first}.claim`,
      'a path of claim names separated by dots',
      '7',
    ])
    for (const claim of ['', '.', 'a.', '.a', 'a..b'])
      expect(fault(policy({ claim, equals: 1 }))[0]).toBe(`${first}.claim`)
    expect(fault(policy({ claim: 'a', equals: 1, exists: true }))).toEqual([
      `${first}.exists`,
      'one operator',
      'equals and exists',
    ])
    expect(fault(policy({ claim: 'a' }))).toEqual([`${first}.equals`, 'a string, a number, true or false', 'undefined'])
    expect(fault(policy(null))).toEqual([first, 'an object', 'null'])
    expect(fault({ anyOf: [{ authority: 7, allOf: [condition] }] })).toEqual([
      '$.anyOf[0].authority',
      'an https URL',
      '7',
    ])
    expect(fault({ anyOf: [{ authority: `x${authority}`, allOf: [condition] }] })[0]).toBe('$.anyOf[0].authority')
    expect(read({ anyOf: [{ authority: 'HTTPS://a', allOf: [condition] }] })).toMatchObject({
      anyOf: [{ authority: 'HTTPS://a' }],
    })
  })

  it('has each form of a list, a group and a value, and no other', () => {
    const entry = { authority, allOf: [condition] }
    expect(fault('{').slice(0, 2)).toEqual(['$', 'JSON'])
    expect(fault({ anyOf: [entry], allOf: [entry] })[0]).toBe('$')
    expect(fault({ version: '2', anyOf: [entry] })[1]).toContain('1.0.0')
    for (const list of [{}, 'x', 5, null]) {
      expect(fault({ allOf: list }).slice(0, 2)).toEqual(['$.allOf', 'a list'])
      expect(fault({ anyOf: [{ authority, anyOf: list }] }).slice(0, 2)).toEqual(['$.anyOf[0].anyOf', 'a list'])
    }
    expect(fault({ anyOf: [] })).toEqual(['$.anyOf', 'a list with at least one entry', 'an empty list'])
    expect(fault(policy())[0]).toBe('$.anyOf[0].allOf')
    for (const nothing of ['x', 5, true, []]) expect(fault(policy(nothing)).slice(0, 2)).toEqual([first, 'an object'])
    const grouped = { anyOf: [{ authority, anyOf: [{ allOf: [condition, { anyOf: [condition] }] }] }] }
    expect(read(grouped)).toEqual({ version: '1.0.0', ...grouped })
    expect(read({ anyOf: [{ ...entry, authority: 'a.example' }] })).toEqual(
      read({ anyOf: [{ ...entry, authority: 'https://a.example' }] }),
    )
  })

  it.each<[operator: string, good: unknown[], bad: unknown[]]>([
    ['equals', ['x', '', '9'.repeat(20), 0, -1.5, true, false], [null, [], {}]],
    ['notEquals', ['x', 1, false], [null, [1]]],
    ['less', [0, -1, 0.5], ['1', true, null, [1]]],
    ['greaterOrEquals', [0], ['1', false]],
    ['exists', [true, false], ['true', 1, null]],
  ])('has for %s a value of its types', (operator, good, bad) => {
    for (const value of good) {
      const own = policy({ claim: 'a', [operator]: value })
      expect(read(own)).toEqual({ version: '1.0.0', ...own })
    }
    for (const value of bad)
      expect([value, fault(policy({ claim: 'a', [operator]: value }))[0]]).toEqual([value, `${first}.${operator}`])
  })

  it('is shown in errors short and printable', () => {
    expect([shown('a'.repeat(120)), shown('a'.repeat(121))]).toEqual(['a'.repeat(120), `${'a'.repeat(117)}...`])
    expect(shown('a\u0000\u001b[31m\u00e9b')).toBe('a??[31m?b')
    expect([shown(undefined), shown(null), shown({ a: 1 }), shown('~ ')]).toEqual([
      'undefined',
      'null',
      '{"a":1}',
      '~ ',
    ])
    const deep = JSON.parse(`${'['.repeat(9_000)}${']'.repeat(9_000)}`) as unknown
    expect([shown(deep), shown(JSON.parse(`{"a":${'['.repeat(9_000)}${']'.repeat(9_000)}}`))]).toEqual([
      'a list',
      'object',
    ])
    expect(new ReleasePolicyError({ place: '$', expected: 'b', found: 'c' })).toMatchObject({
      name: 'ReleasePolicyError',
      message: 'The key release policy is invalid at $: expected b, found c.',
    })
  })
})

describe('policies nested beyond reason', () => {
  it('are refused with their place', () => {
    const nested = (value: string): string => `{"anyOf":${'['.repeat(20_000)}${value}${']'.repeat(20_000)}}`
    expect(() => readReleasePolicy(nested('1'))).toThrow(ReleasePolicyError)
    const equals = `{"anyOf":[{"authority":"${authority}","allOf":[{"claim":"a","equals":${nested('1')}}]}]}`
    expect(() => readReleasePolicy(equals)).toThrow('$.anyOf[0].allOf[0].equals')
  })
})

describe('names that stand twice', () => {
  it('are found at any depth, however they are written, and nothing else is', () => {
    expect(duplicateName('{"a":1,"b":{"c":[{"d":1,"\\u0064":2}]}}')).toBe('$.b.c.d')
    expect(duplicateName('{"alg":"none","alg":"RS256"}')).toBe('$.alg')
    expect(duplicateName('{"a":{"b":1},"c":{"b":1},"d":["a","a","{\\"a\\":1,\\"a\\":2}"]}')).toBeUndefined()
    fc.assert(fc.property(fc.json(), (text) => duplicateName(text) === undefined))
  })

  it('make a policy unreadable', () => {
    expect(() => readReleasePolicy(`{"anyOf":[],"anyOf":[{"authority":"${authority}"}]}`)).toThrow(ReleasePolicyError)
  })
})
