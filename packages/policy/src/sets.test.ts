import { describe, expect, it } from 'vitest'
import type { Claim } from './claim.ts'
import { evaluatePolicy } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import { claimsForPolicy, issuedClaims } from './token-claims.ts'

/** What a 1.2 policy issues over the service's claims. */
function issue(rules: string, claims: Record<string, unknown> | Claim[] = {}): Record<string, unknown> {
  const policy = parsePolicy(`version=1.2;authorizationrules{=>permit();};issuancerules{${rules}};`)
  return issuedClaims(evaluatePolicy(policy, Array.isArray(claims) ? claims : claimsForPolicy(claims)).issued)
}

// Each claim of one type is an element of the set bound to its identifier (claim-rule-functions.md, usage examples).
describe('functions over sets', () => {
  it('compare all claims of an identifier at once, as the documentation does', () => {
    // {abc, 100} is a subset of {true, abc, 100}: one result, not one for each of the six pairs of claims.
    const rule =
      'c1:[type=="part"] && c2:[type=="whole"] => issue(type="isPart", value=IsSubsetOf(c1.value, c2.value));'
    expect(issue(rule, { part: ['abc', 100], whole: [true, 'abc', 100] })).toEqual({ isPart: true })
    expect(issue(rule, { part: ['abc', 101], whole: [true, 'abc', 100] })).toEqual({ isPart: false })
    expect(issue(rule, { part: ['100'], whole: [100] })).toEqual({ isPart: false })
  })

  it('never find that a set of true and false contains only true', () => {
    const rule = 'c:[type=="set"] => issue(type="only", value=ContainsOnlyValue(c.value, true));'
    expect(issue(rule, { set: [true, false] })).toEqual({ only: false })
    expect(issue(rule, { set: [true] })).toEqual({ only: true })
    expect(issue(rule, { set: [100, 101] })).toEqual({ only: false })
    // Without a claim the rule does not match, and nothing is issued.
    expect(issue(rule, {})).toEqual({})
  })

  it('see only the claims that passed the other conditions of the rule', () => {
    const rule = 'c:[type=="set", value!=101] => issue(type="only", value=ContainsOnlyValue(c.value, 100));'
    expect(issue(rule, { set: [100, 101] })).toEqual({ only: true })
  })

  it('work in conditions over the matches so far', () => {
    const rule =
      'c:[type=="set"] && [type=="expected", value==ContainsOnlyValue(c.value, 1)] => issue(type="as-expected", value=true);'
    expect(issue(rule, { set: [1], expected: true })).toEqual({ 'as-expected': true })
    expect(issue(rule, { set: [1, 2], expected: true })).toEqual({})
    expect(issue(rule, { set: [1, 2], expected: false })).toEqual({ 'as-expected': true })
  })

  it('collect what several rules add before they are asked', () => {
    const rules = `
      c:[type=="a"] => add(type="all", value=c.value);
      c:[type=="b"] => add(type="all", value=c.value);
      c:[type=="all", issuer=="AttestationPolicy"] => issue(type="good", value=ContainsOnlyValue(c.value, true));
      ![type=="good", issuer=="AttestationPolicy"] => issue(type="good", value=false);`
    expect(issue(rules, { a: true, b: true })).toEqual({ good: true })
    expect(issue(rules, { a: true, b: false })).toEqual({ good: false })
    expect(issue(rules, {})).toEqual({ good: false })
  })

  it('take a claim apart from its issuer and type as well', () => {
    expect(
      issue('c:[type=="a"] => issue(type="i", value=ContainsOnlyValue(c.issuer, "AttestationService"));', {
        a: [1, 2],
      }),
    ).toEqual({
      i: true,
    })
  })
})

describe('JSON as claim values', () => {
  const rule = 'c:[type=="j"] => issue(type="out", value=JsonToClaimValue(c.value));'
  const out = (json: string): unknown => issue(rule, { j: json })['out']

  it.each([
    ['100', 100],
    ['true', true],
    ['"abc"', 'abc'],
    ['[0, "abc", true]', [0, 'abc', true]],
    ['[null, 1, null]', 1],
    ['[]', undefined],
    ['[null]', undefined],
    ['null', undefined],
    ['[1, 1.5]', undefined],
    ['[[1]]', undefined],
    ['[{}]', undefined],
    ['9007199254740993', undefined],
    ['abc', undefined],
    ['', undefined],
  ])('%s', (json, expected) => {
    expect(out(json)).toEqual(expected)
  })
})

describe('a function', () => {
  const none = 'JsonToClaimValue("[]")'
  it.each([
    `JsonToClaimValue(${none})`,
    `AppendString(${none}, "x")`,
    `AppendString("x", ${none})`,
    `AppendString(${none}, ${none})`,
    `JmesPath(${none}, "@")`,
  ])('of nothing is nothing, and no fault: %s', (expression) => {
    const text = `version=1.2;authorizationrules{=>add(type="a", value=${expression}); ![type=="a"]=>permit();};`
    expect(evaluatePolicy(parsePolicy(text), []).permitted).toBe(true)
  })

  const two = String.raw`JsonToClaimValue("[\"a\",\"b\"]")`
  const long = 'y'.repeat(100)
  it.each<[expression: string, found: string, expected: string]>([
    [`AppendString(${two}, "x")`, '["a","b"]', 'one String'],
    ['AppendString("x", 1)', '[1]', 'one String'],
    [`AppendString("x", AppendString(${two}, "y"))`, '["a","b"]', 'one String'],
    ['NegateBool(JsonToClaimValue("[true,false]"))', '[true,false]', 'one Boolean'],
    ['NegateBool(JsonToClaimValue("[]"))', '[]', 'one Boolean'],
    [`ContainsOnlyValue("a", ${two})`, '["a","b"]', 'one value to compare with'],
    [`JsonToClaimValue("${long}")`, `'${'y'.repeat(40)}'`, 'JSON'],
    [
      String.raw`JsonToClaimValue("[[\"${long}\"]]")`,
      `["${'y'.repeat(38)}`,
      'strings, integers and Booleans, or an array of them',
    ],
    [`NegateBool("${long}")`, `["${'y'.repeat(58)}`, 'one Boolean'],
    [`JmesPath("1", "@${' '.repeat(4096)}")`, 'a query that is too long', 'at most 4096 characters'],
  ])('takes no other values: %s', (expression, found, expected) => {
    const text = `version=1.2;authorizationrules{=>add(type="a", value=${expression});};`
    expect(() => evaluatePolicy(parsePolicy(text), [])).toThrow(
      expect.objectContaining({ code: 'PolicyEvaluationError', found, expected }),
    )
  })

  it('takes a query of 4,096 characters and a list of 2,048 values', () => {
    const only = (count: number): unknown => {
      const rule = 'c:[type=="j"]=>issue(type="only", value=ContainsOnlyValue(JsonToClaimValue(c.value), 1));'
      return issue(rule, { j: JSON.stringify(Array<number>(count).fill(1)) })
    }
    expect([only(2048), only(2049)]).toEqual([{ only: true }, {}])
    expect(issue(`=>issue(type="q", value=JmesPath("1", "@${' '.repeat(4095)}"));`)).toEqual({ q: '1' })
    const text = 'version=1.2;authorizationrules{=>add(type="a", value=JmesPath("{}", "abs(@)"));};'
    expect(() => evaluatePolicy(parsePolicy(text), [])).toThrow(
      expect.objectContaining({ name: 'PolicyError', expected: 'a JMESPath query that fits the JSON' }),
    )
  })

  it('is compared with by all the values that it has', () => {
    const of = (test: string): unknown =>
      issue(`c:[type=="a", value${test}]=>issue(type="b", value=c.value);`, { a: [1, 2, 3] })['b']
    expect(of('==JsonToClaimValue("[1,2]")')).toEqual([1, 2])
    expect(of('!=JsonToClaimValue("[1,2]")')).toBe(3)
    expect(of(String.raw`<JsonToClaimValue("[\"x\",2]")`)).toBe(1)
    expect(of(String.raw`<JsonToClaimValue("[\"5\"]")`)).toBeUndefined()
    expect(issue('c:[type=="a"] && [type==c.type]=>issue(type="b", value=1);', { a: 1 })).toEqual({ b: 1 })
    expect(issue('c:[type=="a"]=>issue(type="b", value=c.valueType);', { a: [1, 'x', true] })).toEqual({
      b: ['Integer', 'String', 'Boolean'],
    })
  })
})

describe('what may not leave a policy', () => {
  const pcrs = claimsForPolicy({ pcrs: { PCRs: [{ Index: 0, Digests: { SHA256: 'aa' } }] } })
  const query = `JmesPath(c.value, "PCRs[? Index == \`0\`].Digests.SHA256 | @[0] == 'aa'")`

  it('are the values of PCRs, and whatever text or value is made of them', () => {
    expect(issue('c:[type=="pcrs"] => issue(claim=c);', pcrs)).toEqual({})
    expect(issue('c:[type=="pcrs"] => issue(type="copy", value=c.value);', pcrs)).toEqual({})
    expect(issue(`c:[type=="pcrs"] => issue(type="q", value=${query});`, pcrs)).toEqual({})
    expect(issue(`c:[type=="pcrs"] => issue(type="q", value=JsonToClaimValue(${query}));`, pcrs)).toEqual({})
    // The documentation keeps a negation read-only, because it reveals the value.
    expect(issue(`c:[type=="pcrs"] => issue(type="q", value=NegateBool(JsonToClaimValue(${query})));`, pcrs)).toEqual(
      {},
    )
  })

  it('are not the answers of comparisons of sets, nor what a rule says after it has tested them', () => {
    expect(
      issue(`c:[type=="pcrs"] => issue(type="q", value=ContainsOnlyValue(JsonToClaimValue(${query}), true));`, pcrs),
    ).toEqual({ q: true })
    const rules =
      `c:[type=="pcrs"] => add(type="ok", value=JsonToClaimValue(${query})); [type=="ok", value==true] => ` +
      'issue(type="pcr0", value="as expected");'
    expect(issue(rules, pcrs)).toEqual({ pcr0: 'as expected' })
  })

  it('taints nothing else: a claim of the same type and value that was made without them may go', () => {
    const rules = `c:[type=="pcrs"] => add(type="ok", value=JsonToClaimValue(${query})); => issue(type="ok", value=true);`
    expect(issue(rules, pcrs)).toEqual({ ok: true })
  })
})

describe('a claim', () => {
  it('is another one where its issuer is another', () => {
    const rules = '=>add(type="ok", value=true); c:[type=="ok"]=>issue(type=c.issuer, value=true);'
    expect(issue(rules, { ok: true })).toEqual({ AttestationService: true, AttestationPolicy: true })
    expect(
      issue('=>add(type="a", value=1); =>add(type="a", value="1"); c:[type=="a"]=>issue(type="b", value=c.value);'),
    ).toEqual({
      b: [1, '1'],
    })
  })

  it('that sets a property is seen by later rules', () => {
    const text =
      'version=1.1;configurationrules{=>issueproperty(type="report_validity_in_minutes", ' +
      'value=5);};authorizationrules{[type=="report_validity_in_minutes", value==5, ' +
      'issuer=="AttestationPolicy"]=>permit();};'
    expect(evaluatePolicy(parsePolicy(text), []).permitted).toBe(true)
  })
})

describe('an issuance rule that fails', () => {
  it('has no effect for any of its matches', () => {
    // NegateBool fails on the second match, so the first issues nothing either.
    expect(issue('c:[type=="a"] => issue(type="b", value=NegateBool(c.value));', { a: [true, 'x'] })).toEqual({})
  })
})
