import { describe, expect, it } from 'vitest'
import type { Claim } from './claim.ts'
import { evaluatePolicy, type PolicyOutcome } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import { PolicyError } from './policy-error.ts'
import { claimsForPolicy } from './token-claims.ts'
import { explainPolicy } from './trace.ts'

/** Uses most of an evaluation's steps. Kept apart from tests of policy semantics, whose results are immediate. */
const run = (text: string, claims: Record<string, unknown> | Claim[] = {}): PolicyOutcome =>
  evaluatePolicy(parsePolicy(text), Array.isArray(claims) ? claims : claimsForPolicy(claims))
const authorize = (rules: string, claims: Record<string, unknown> = {}): boolean =>
  run(`version=1.2;authorizationrules{${rules}};`, claims).permitted

function refusal(work: () => unknown): PolicyError {
  try {
    work()
  } catch (error) {
    if (error instanceof PolicyError) return error
    throw error
  }
  throw new Error('it was evaluated')
}

describe('limits', () => {
  it('ends a policy whose conditions multiply', () => {
    const claims: Claim[] = Array.from({ length: 40 }, (_, index) => ({
      type: 'a',
      value: index,
      issuer: 'AttestationService',
    }))
    const conditions = Array.from({ length: 8 }, (_, index) => `c${index}:[type=="a"]`).join('&&')
    expect(refusal(() => run(`version=1.0;authorizationrules{${conditions}=>permit();};`, claims)).code).toBe(
      'PolicyEvaluationError',
    )
  })

  it('counts each match as several steps, since the claims of the earlier conditions are copied for it (attack P4)', () => {
    const claims: Claim[] = Array.from({ length: 60 }, (_, value) => ({
      type: 'a',
      value,
      issuer: 'AttestationService',
    }))
    const pairs = 'a:[type=="a"]&&b:[type=="a"]=>add(type="c", value=a.value);'
    const rules = (count: number): string => `version=1.0;authorizationrules{${pairs.repeat(count)}=>permit();};`
    expect(run(rules(3), claims).permitted).toBe(true)
    const { expected, position } = refusal(() => run(rules(5), claims))
    expect([expected, position.column < rules(5).length]).toEqual(['at most 150000 steps in one evaluation', true])
  })

  it('ends a policy that makes its strings ever longer', () => {
    const twice = 'c:[type=="s"]=>add(type="s", value=AppendString(c.value, c.value));'
    expect(
      refusal(() => authorize(`=>add(type="s", value="0123456789");${twice.repeat(40)}=>permit();`)).found,
    ).toContain('costs more')
  })

  it('ends a policy that reads long texts over and over', () => {
    const claims: Claim[] = Array.from({ length: 60 }, (_, index) => ({
      type: 'n',
      value: index,
      issuer: 'AttestationService',
    }))
    const query = `${'@|'.repeat(450)}@`
    const text = `version=1.2;authorizationrules{a:[type=="n"]&&b:[type=="n"]=>add(type="q", value=JmesPath("1", "${query}"));};`
    expect(refusal(() => run(text, claims)).found).toContain('costs more')
  })

  it('ends a policy that adds one long text over and over, or reads it', () => {
    const long = {
      n: Array.from({ length: 60 }, (_, index) => index),
      t: 'x'.repeat(500_000),
      j: `[${'1,'.repeat(200_000)}1]`,
    }
    const matches = 'a:[type=="n"]&&b:[type=="n"]'
    for (const rule of [
      `${matches}&&c:[type=="t"]=>add(type="copy", value=c.value);`,
      `${matches}&&c:[type=="j"]=>add(type="l", value=JsonToClaimValue(JmesPath(c.value, "length(@)")));`,
      `${'c:[type=="j"]=>add(type="l", value=JmesPath(c.value, "@"));'.repeat(20)}`,
    ])
      expect(refusal(() => authorize(rule, long)).found, rule.slice(0, 60)).toContain('costs more')
  })

  it('names the limit on matches of one rule', () => {
    const claims = { n: Array.from({ length: 70 }, (_, index) => index) }
    expect(refusal(() => authorize('a:[type=="n"]&&b:[type=="n"]=>permit();', claims)).expected).toContain(
      '4096 matches',
    )
  })

  it('ends a query that prints a small value as a huge one, also in issuance', () => {
    const query = Array.from({ length: 60 }, () => '[@,@]').join('|')
    const rules = `=>issue(type="a", value=JmesPath("[1]", "${query}"));`
    expect(refusal(() => run(`version=1.2;authorizationrules{=>permit();};issuancerules{${rules}};`)).found).toBe(
      'a policy that costs more',
    )
  })
})

describe('what is made or read for a comparison alone', () => {
  const n = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
  const long = 'x'.repeat(600_000)
  it.each<[what: string, rules: string, claims: Record<string, unknown>]>([
    ['a long text', 'c:[type=="t"] && [value==AppendString(c.value, c.value)]=>permit();', { t: long }],
    ['a long answer', 'c:[type=="t"] && [value==JmesPath(c.value, "[@,@]")]=>permit();', { t: JSON.stringify(long) }],
    [
      'a long text that is read for each claim',
      'c:[type=="t"] && [value==JsonToClaimValue(c.value)]=>permit();',
      { t: JSON.stringify(long), n: n(60) },
    ],
    [
      'each call, for each match',
      `a:[type=="n"] && b:[type=="n"]=>add(type="x", value=${'NegateBool('.repeat(14)}true${')'.repeat(14)});`.repeat(
        4,
      ),
      { n: n(60) },
    ],
    [
      'a set for each of its members',
      'c:[type=="n"]=>add(type="x", value=ContainsOnlyValue(c.value, 1));',
      { n: n(1000) },
    ],
    [
      'two sets that are written out, for each claim',
      'c:[type=="t"] && [value==IsSubsetOf(JsonToClaimValue(c.value), JsonToClaimValue(c.value))]=>permit();',
      { t: JSON.stringify(n(2000)), n: n(200) },
    ],
  ])('counts: %s', (_, rules, claims) => {
    expect(refusal(() => authorize(rules, claims)).found).toContain('costs more')
  })
})

describe('a claim that is in the set', () => {
  it('is not made again', () => {
    const again = 'c:[type=="t"]=>add(claim=c);'.repeat(10)
    expect(authorize(`${again}=>permit();`, { t: 'x'.repeat(500_000) })).toBe(true)
  })
})

describe('a policy near its limits', () => {
  const many = Array.from({ length: 170 }, (_, value): Claim => ({ type: 'a', value, issuer: 'AttestationService' }))
  /** Its second condition uses most of the steps; its third never holds. */
  const costly = 'a:[type=="a"] && b:[issuer=="AttestationService", value==a.value] && [type=="never"]'

  it('is denied as any other, and told why', () => {
    const { permitted, denial } = run(`version=1.0;authorizationrules{${costly} => permit();};`, many)
    expect([permitted, denial?.expected, denial?.found]).toEqual([false, '[type == "never"]', 'never is absent'])
  })

  it('is decided the same where it is explained', () => {
    const policy = parsePolicy(
      `version=1.0;authorizationrules{${costly} => deny(); [type=="a", value==1] => permit();};`,
    )
    expect(evaluatePolicy(policy, many).permitted).toBe(true)
    const { outcome, rules } = explainPolicy(policy, many)
    expect(outcome?.permitted).toBe(true)
    expect(rules[0]).toMatchObject({ state: 'notMatched', unmet: { condition: '[type == "never"]' } })
  })

  it('is denied also where the reason cannot be told within the limits', () => {
    const grown = Array.from({ length: 60 }, (_, index) => `=> add(type="a", value=${1_000 + index});`).join('')
    const policy = `version=1.0;authorizationrules{${costly} => permit(); ${grown}};`
    const { permitted, denial } = run(policy, many)
    expect([permitted, denial?.reason]).toEqual([false, 'noPermit'])
    expect(denial?.found).toContain('cannot be determined within the limits')
  })
})
