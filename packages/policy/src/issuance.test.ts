import { describe, expect, it } from 'vitest'
import type { Claim } from './claim.ts'
import { evaluatePolicy, type PolicyOutcome } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import { PolicyError } from './policy-error.ts'
import { claimsForPolicy } from './token-claims.ts'

const run = (text: string, claims: Record<string, unknown> | Claim[] = {}): PolicyOutcome =>
  evaluatePolicy(parsePolicy(`version=1.2;${text}`), Array.isArray(claims) ? claims : claimsForPolicy(claims))
/** What issuance rules put into the token, and what was expected of those without effect. */
const issue = (rules: string, claims: Record<string, unknown> | Claim[] = {}): [unknown, string[]] => {
  const { issued, notes } = run(`authorizationrules{=>permit();};issuancerules{${rules}};`, claims)
  return [Object.fromEntries(issued), notes.map((note) => /expected (.*)\. Failing rule: /.exec(note)![1]!)]
}
/** Position, rule, found and expected, for an evaluation that ends in an error. */
const refusal = (text: string, claims: Record<string, unknown> = {}): unknown[] => {
  try {
    run(text, claims)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    expect(error.code).toBe('PolicyEvaluationError')
    const { position, failingRule, found, expected } = error
    return [`${position.line}:${position.column}`, failingRule, found, expected]
  }
  return ['evaluated']
}

describe('a claim that a rule makes', () => {
  const oneType = 'one claim type that is a string and not empty'

  it.each([
    [String.raw`JsonToClaimValue("[\"a\",\"b\"]")`, '["a","b"]'],
    ['JsonToClaimValue("[]")', '[]'],
    ['JsonToClaimValue("1")', '[1]'],
    ['AppendString("","")', '[""]'],
  ])('has one type: not %s', (type, found) => {
    expect(issue(`=>issue(type=${type}, value=1);`)).toEqual([{}, [oneType]])
    expect(refusal(`authorizationrules{ =>add(type=${type}, value=1);};`)).toEqual([
      '1:33',
      expect.stringMatching(/^=> add\(type = /),
      found,
      oneType,
    ])
  })

  it('has the type of value that the rule says, for each of its values', () => {
    const rule = 'c:[type=="a"]=>issue(type="b", value=c.value, valueType="Integer");'
    expect(issue(rule, { a: [1, 2] })).toEqual([{ b: [1, 2] }, []])
    expect(issue(rule, { a: [1, 'x'] })).toEqual([{}, ['a value of type Integer']])
    expect(issue('c:[type=="a"]=>issue(type="b", value=c.value, valueType=c.valueType);', { a: ['x'] })[0]).toEqual({
      b: ['x'],
    })
    expect(
      refusal('authorizationrules{c:[type=="a"]=>add(type="b", value=c.value, valueType="String");};', { a: true }),
    ).toEqual([
      '1:32',
      'c:[type == "a"] => add(type = "b", value = c.value, valueType = "String");',
      'Boolean',
      'a value of type String',
    ])
  })

  it('is as many as the values, of no value none', () => {
    expect(
      issue('=>issue(type="a", value=JsonToClaimValue("[1,2]")); =>issue(type="b", value=JsonToClaimValue("[]"));'),
    ).toEqual([{ a: [1, 2] }, []])
  })

  it('is read-only where its type or its value is made of what is', () => {
    const pcr: Claim = { type: 'p', value: 'ab', issuer: 'AttestationService', readOnly: true }
    const kept = 'a claim that may be copied into a token'
    for (const made of ['type=AppendString(c.value,""), value=1', 'type="x", value=AppendString(c.value,"")'])
      expect(issue(`c:[type=="p"]=>issue(${made});`, [pcr])).toEqual([{}, [kept]])
    expect(issue('c:[type=="p"]=>issue(type="x", value=c.type);', [pcr])).toEqual([{ x: ['p'] }, []])
  })

  it('under a name of the service is the service’s own or none', () => {
    const own = 'a custom claim name: this one is reserved for the service'
    const copy = 'c:[type=="x-ms-a"]=>issue(claim=c);'
    // The token contains it anyway.
    expect(issue(copy, { 'x-ms-a': 1 })).toEqual([{}, []])
    expect(issue(copy, [{ type: 'x-ms-a', value: 1, issuer: 'CustomClaim' }])).toEqual([{}, [own]])
    expect(issue('c:[type=="b"]=>issue(type="x-ms-a", value=c.value);', { 'x-ms-a': 1, b: 2 })).toEqual([{}, [own]])
    expect(issue('c:[type=="b"]=>issue(type="x-ms-a", value=c.value);', { 'x-ms-a': 1, b: 1 })).toEqual([{}, []])
    // It may be added, also in issuance, because it does not leave the service.
    expect(issue('=>add(type="x-ms-a", value=1);')).toEqual([{}, []])
  })

  it('that is issued among authorization rules is added, and leaves with nothing', () => {
    const { issued, permitted } = run('authorizationrules{=>issue(type="a", value=1);[type=="a"]=>permit();};')
    expect([permitted, issued.size]).toEqual([true, 0])
    expect(run('authorizationrules{=>issue(type="a", value=1);};').issued.size).toBe(0)
  })
})

describe('a property', () => {
  const properties = (text: string, claims: Record<string, unknown> = {}): unknown =>
    Object.fromEntries(run(text, claims).properties)
  const configured = (rules: string): string => `configurationrules{${rules}};authorizationrules{=>permit();};`
  const set = (value: unknown, type = 'omit_x5c'): string =>
    `=>issueproperty(type="${type}", value=${JSON.stringify(value)});`

  it('is set once, to one value', () => {
    expect(properties(configured(`${set(true)}${set(true)}${set(5, 'mine')}`))).toEqual({ omit_x5c: true, mine: 5 })
    expect(refusal(configured(`${set(1, 'mine')}${set(2, 'mine')}`))).toEqual([
      '1:70',
      '=> issueproperty(type = "mine", value = 2);',
      '2 after 1',
      'one value of the property mine',
    ])
    const both = configured('c:[type=="a"]=>issueproperty(type="mine", value=c.value);')
    expect(refusal(both, { a: [1, 2] })[2]).toBe('2 after 1')
  })

  it('has a value that it takes, also one that is computed, or has none', () => {
    const text = configured('c:[type=="a"]=>issueproperty(type="omit_x5c", value=c.value);')
    expect(properties(text, { a: false })).toEqual({ omit_x5c: false })
    expect(refusal(text, { a: 'no' })).toEqual([
      '1:32',
      'c:[type == "a"] => issueproperty(type = "omit_x5c", value = c.value);',
      '"no"',
      'true or false for omit_x5c',
    ])
    const issued = `authorizationrules{=>permit();};issuancerules{c:[type=="a"]=>issueproperty(type="omit_x5c", value=c.value);};`
    const { properties: none, notes } = run(issued, { a: [true, 'no'] })
    expect([none.size, notes.length]).toEqual([0, 1])
  })

  it('is a claim that is named, too, and is told where nothing was permitted', () => {
    expect(properties(configured('c:[type=="mine"]=>issueproperty(claim=c);'), { mine: 1 })).toEqual({ mine: 1 })
    const denied = run(`configurationrules{${set(true)}};authorizationrules{};`)
    expect([denied.permitted, Object.fromEntries(denied.properties)]).toEqual([false, { omit_x5c: true }])
  })
})

describe('what evaluation costs', () => {
  it('counts how long the texts are that are compared', () => {
    const rules = (count: number): string =>
      `authorizationrules{${'[type=="t", value=="x"]=>deny();'.repeat(count)}=>permit();};`
    // One step per 1024 characters, besides those for the tests.
    const claims = { t: 'y'.repeat(1_024_000) }
    expect(refusal(rules(140), claims)).toEqual(['evaluated'])
    expect(refusal(rules(155), claims)[3]).toMatch(/^at most 150000 steps/)
  })

  it('counts claims that come into the set, and no claim that is there', () => {
    const grow = (count: number, value: string): string =>
      `authorizationrules{c:[type=="n"]=>add(type="m", value=${value});=>permit();};issuancerules{};`.replace(
        'n"',
        `n", value<${count}`,
      )
    const claims = { n: Array.from({ length: 1_500 }, (_, at) => at) }
    expect(refusal(grow(548, 'c.value'), claims)).toEqual(['evaluated'])
    expect(refusal(grow(549, 'c.value'), claims)[3]).toBe('at most 2048 claims')
    expect(refusal(grow(1_500, '1'), claims)).toEqual(['evaluated'])
  })
})
