import { describe, expect, it } from 'vitest'
import type { Claim } from './claim.ts'
import { evaluatePolicy } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import { claimsForPolicy, issuedClaims } from './token-claims.ts'

/** What a 1.2 policy issues over claims of the service. */
function issue(rules: string, claims: Record<string, unknown> | Claim[] = {}): Record<string, unknown> {
  const policy = parsePolicy(`version=1.2;authorizationrules{=>permit();};issuancerules{${rules}};`)
  return issuedClaims(evaluatePolicy(policy, Array.isArray(claims) ? claims : claimsForPolicy(claims)).issued)
}

// Each claim of one type is an element of the set that its identifier stands for (claim-rule-functions.md, usage examples).
describe('functions over sets', () => {
  it('compare all claims of an identifier at once, as the documentation does', () => {
    // {abc, 100} lies in {true, abc, 100}: one answer, not one for each of the six pairs of claims.
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
    // Without a claim the rule does not match: nothing is said at all.
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

describe('what may not leave a policy', () => {
  const pcrs = claimsForPolicy({ pcrs: { PCRs: [{ Index: 0, Digests: { SHA256: 'aa' } }] } })
  const query = `JmesPath(c.value, "PCRs[? Index == \`0\`].Digests.SHA256 | @[0] == 'aa'")`

  it('are the values of PCRs, and whatever text or value is made of them', () => {
    expect(issue('c:[type=="pcrs"] => issue(claim=c);', pcrs)).toEqual({})
    expect(issue('c:[type=="pcrs"] => issue(type="copy", value=c.value);', pcrs)).toEqual({})
    expect(issue(`c:[type=="pcrs"] => issue(type="q", value=${query});`, pcrs)).toEqual({})
    expect(issue(`c:[type=="pcrs"] => issue(type="q", value=JsonToClaimValue(${query}));`, pcrs)).toEqual({})
    // The documentation keeps a negation read-only, as it gives the value away.
    expect(issue(`c:[type=="pcrs"] => issue(type="q", value=NegateBool(JsonToClaimValue(${query})));`, pcrs)).toEqual(
      {},
    )
  })

  it('are not the answers of comparisons of sets, nor what a rule says after it has tested them', () => {
    expect(
      issue(`c:[type=="pcrs"] => issue(type="q", value=ContainsOnlyValue(JsonToClaimValue(${query}), true));`, pcrs),
    ).toEqual({ q: true })
    const rules = `c:[type=="pcrs"] => add(type="ok", value=JsonToClaimValue(${query})); [type=="ok", value==true] => issue(type="pcr0", value="as expected");`
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
      'version=1.1;configurationrules{=>issueproperty(type="report_validity_in_minutes", value=5);};authorizationrules{[type=="report_validity_in_minutes", value==5, issuer=="AttestationPolicy"]=>permit();};'
    expect(evaluatePolicy(parsePolicy(text), []).permitted).toBe(true)
  })
})

describe('an issuance rule that fails', () => {
  it('has no effect for any of its matches', () => {
    // NegateBool refuses the second match, so that the first issues nothing either.
    expect(issue('c:[type=="a"] => issue(type="b", value=NegateBool(c.value));', { a: [true, 'x'] })).toEqual({})
  })
})
