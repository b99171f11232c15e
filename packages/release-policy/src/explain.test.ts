import { describe, expect, it } from 'vitest'
import { explainRelease } from './explain.ts'
import { readReleasePolicy } from './policy.ts'

const authority = 'https://sharedweu.weu.attest.strongroom.internal'
const now = 1_800_000_000
const one = { claim: 'a', equals: 1 }
const two = { claim: 'b.c', greater: 2 }

describe('the tree of an explanation', () => {
  it('has the groups, places and values of the policy, and which of them held', () => {
    const policy = readReleasePolicy(
      JSON.stringify({
        anyOf: [
          { authority, allOf: [one, { anyOf: [two, { allOf: [one, two] }] }] },
          { authority: 'https://b', anyOf: [one] },
        ],
      }),
    )
    const { authorities, issuer, released, faults } = explainRelease(
      policy,
      { iss: `${authority}/`, a: 1, b: { c: 2 } },
      { now },
    )
    const held = { kind: 'claim', claim: 'a', operator: 'equals', expected: 1, actual: 1, held: true }
    const failed = { kind: 'claim', claim: 'b.c', operator: 'greater', expected: 2, actual: 2, held: false }
    const nested = '$.anyOf[0].allOf[1]'
    expect(authorities).toStrictEqual([
      {
        place: '$.anyOf[0]',
        authority,
        isIssuer: true,
        held: false,
        conditions: {
          kind: 'allOf',
          place: '$.anyOf[0]',
          held: false,
          conditions: [
            { ...held, place: '$.anyOf[0].allOf[0]' },
            {
              kind: 'anyOf',
              place: nested,
              held: false,
              conditions: [
                { ...failed, place: `${nested}.anyOf[0]` },
                {
                  kind: 'allOf',
                  place: `${nested}.anyOf[1]`,
                  held: false,
                  conditions: [
                    { ...held, place: `${nested}.anyOf[1].allOf[0]` },
                    { ...failed, place: `${nested}.anyOf[1].allOf[1]` },
                  ],
                },
              ],
            },
          ],
        },
      },
      {
        place: '$.anyOf[1]',
        authority: 'https://b',
        isIssuer: false,
        held: true,
        conditions: {
          kind: 'anyOf',
          place: '$.anyOf[1]',
          held: true,
          conditions: [{ ...held, place: '$.anyOf[1].anyOf[0]' }],
        },
      },
    ])
    expect([issuer, released, faults.map(({ part }) => part)]).toEqual([
      `${authority}/`,
      false,
      ['x-ms-attestation-type', 'exp', 'x-ms-runtime.keys'],
    ])
  })

  it('has the places of a policy that is written with allOf', () => {
    const policy = readReleasePolicy(JSON.stringify({ allOf: [{ authority, anyOf: [one] }] }))
    const [entry] = explainRelease(policy, {}, { now }).authorities
    expect([entry!.place, entry!.conditions.place]).toEqual(['$.allOf[0]', '$.allOf[0]'])
    // A missing issuer, or one that is not a host, matches none of the policy's.
    for (const iss of [undefined, '', 'a'])
      expect(explainRelease(policy, { iss }, { now }).authorities[0]!.isIssuer).toBe(false)
  })

  it('hints at nothing where a condition held, or asked for absence', () => {
    const hints = (claims: Record<string, unknown>, condition: object): unknown => {
      const policy = readReleasePolicy(JSON.stringify({ anyOf: [{ authority, allOf: [condition] }] }))
      const { conditions } = explainRelease(policy, claims, { now }).authorities[0]!
      const [found] = 'conditions' in conditions ? conditions.conditions : []
      return found?.kind === 'claim' && 'hint' in found ? found.hint : undefined
    }
    for (const [claims, condition, hinted] of [
      [{ a: null }, { claim: 'a', equals: 1 }, true],
      [{ a: null }, { claim: 'a', exists: true }, true],
      [{ a: null }, { claim: 'a', exists: false }, false],
      [{ a: { b: 1 } }, { claim: 'a', exists: true }, false],
      [{ a: 'X' }, { claim: 'a', equals: 'x' }, true],
      [{ a: 'X' }, { claim: 'a', notEquals: 'X' }, false],
      [{ a: 'X' }, { claim: 'a', equals: 'y' }, false],
      [{ a: '1' }, { claim: 'a', equals: 1 }, true],
      [{ a: '2' }, { claim: 'a', equals: 1 }, false],
      [{ a: 1 }, { claim: 'a', equals: '1' }, true],
      [{ a: 1 }, { claim: 'a', notEquals: '2' }, true],
      [{ a: 1 }, { claim: 'a', less: 1 }, false],
      [{ a: true }, { claim: 'a', less: 1 }, true],
      [{}, { claim: 'a', equals: 1 }, false],
      [{ 'x-ms-isolation-tee': { a: 2 } }, { claim: 'a', equals: 1 }, true],
      [{ a: 2 }, { claim: 'x-ms-isolation-tee.a', equals: 1 }, true],
      [{}, { claim: 'x-ms-isolation-tee.a', equals: 1 }, false],
      [{ 'a.b': 1 }, { claim: 'a.b', equals: 1 }, true],
      [{ a: 'false' }, { claim: 'a', equals: false }, true],
      [{ a: {} }, { claim: 'a', equals: 1 }, true],
      [{ a: 2 }, { claim: 'a', equals: 1 }, false],
      [{ b: 2 }, { claim: `${'a'.repeat(18)}.b`, equals: 1 }, false],
    ] as const)
      expect([claims, condition, hints(claims, condition) !== undefined]).toEqual([claims, condition, hinted])
    const all = [
      hints({ a: null }, one),
      hints({ a: [] }, one),
      hints({ a: {} }, one),
      hints({ a: true }, { claim: 'a', less: 1 }),
      hints({ a: true }, { claim: 'a', notEquals: 1 }),
      hints({ a: '1' }, one),
      hints({ a: 'X' }, { claim: 'a', equals: 'x' }),
      hints({ 'x-ms-isolation-tee': { a: 2 } }, one),
      hints({ a: 2 }, { claim: 'x-ms-isolation-tee.a', equals: 1 }),
      hints({ 'a.b': 1 }, { claim: 'a.b', equals: 1 }),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  it('releases where an entry of the issuer holds and nothing is wrong with the token', () => {
    const n = Buffer.alloc(256, 0xff).toString('base64url')
    const claims = {
      iss: authority,
      'x-ms-attestation-type': 'sevsnpvm',
      iat: now,
      exp: now + 1,
      a: 1,
      'x-ms-runtime': { keys: [{ kty: 'RSA', use: 'enc', kid: 'k', n, e: 'AQAB' }] },
    }
    const mine = { authority, anyOf: [one] }
    const unmet = { authority, anyOf: [two] }
    const theirs = { authority: 'https://b', anyOf: [one] }
    const of = (entries: object[], changes: object = {}): unknown[] => {
      const policy = readReleasePolicy(JSON.stringify({ anyOf: entries }))
      const found = explainRelease(policy, { ...claims, ...changes }, { now })
      return [found.released, found.faults.length, found.issuer]
    }
    expect(of([mine])).toEqual([true, 0, authority])
    expect(of([unmet, theirs, mine])).toEqual([true, 0, authority])
    expect(of([unmet, theirs])).toEqual([false, 0, authority])
    expect(of([mine], { exp: now - 100 })).toEqual([false, 1, authority])
    expect(of([mine], { iss: 5 })).toEqual([false, 0, undefined])
  })
})
