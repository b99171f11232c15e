import { readFileSync, existsSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Claim } from './claim.ts'
import { evaluatePolicy, type PolicyOutcome } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import type { ClaimValue } from './syntax.ts'
import { claimsForPolicy, issuedClaims } from './token-claims.ts'

const service = (claims: Record<string, unknown>): Claim[] => claimsForPolicy(claims)
const run = (text: string, claims: Record<string, unknown> | Claim[] = {}): PolicyOutcome =>
  evaluatePolicy(parsePolicy(text), Array.isArray(claims) ? claims : service(claims))
const authorize = (rules: string, claims: Record<string, unknown> = {}, version = '1.2'): boolean =>
  run(`version=${version};authorizationrules{${rules}};`, claims).permitted
const issue = (rules: string, claims: Record<string, unknown> | Claim[] = {}): Record<string, unknown> =>
  issuedClaims(run(`version=1.2;authorizationrules{=>permit();};issuancerules{${rules}};`, claims).issued)

describe('authorization', () => {
  it('denies where no rule permits, and where there is no rule', () => {
    expect(authorize('')).toBe(false)
    expect(authorize('[type=="a"]=>permit();')).toBe(false)
  })

  it('denies when any rule denies, wherever it stands', () => {
    expect(authorize('=>permit(); =>deny();')).toBe(false)
    expect(authorize('=>deny(); =>permit();')).toBe(false)
  })

  it('takes an absent claim for false in every comparison', () => {
    for (const test of ['==false', '==true', '!="x"', '==0', '!=1', '>=0', '<1'])
      expect(authorize(`[type=="absent", value${test}]=>permit();`), test).toBe(false)
  })

  it('converts no value', () => {
    expect(authorize('[type=="a", value==5]=>permit();', { a: '5' })).toBe(false)
    expect(authorize('[type=="a", value=="true"]=>permit();', { a: true })).toBe(false)
    expect(authorize('[type=="a", value==1]=>permit();', { a: true })).toBe(false)
    expect(authorize('[type=="a", value>=1]=>permit();', { a: '2' })).toBe(false)
    expect(authorize('[type=="a", value!="5"]=>permit();', { a: 5 })).toBe(true)
  })

  it('compares strings by case and integers by order', () => {
    expect(authorize('[type=="a", value=="X"]=>permit();', { a: 'x' })).toBe(false)
    expect(authorize('[type=="a", value>1, value<=3]=>permit();', { a: 3 })).toBe(true)
    expect(authorize('[type=="a", value>1, value<3]=>permit();', { a: 3 })).toBe(false)
  })

  it('tells whose claim it is, so that a policy cannot fool its own check', () => {
    const rules = '=>add(type="ok", value=true); [type=="ok", issuer=="AttestationService"]=>permit();'
    expect(authorize(rules)).toBe(false)
    expect(authorize(rules, { ok: true })).toBe(true)
  })

  it('hands what a rule adds to later rules, and never to itself', () => {
    expect(authorize('[type=="n"]=>add(type="m", value=1); [type=="m"]=>permit();', { n: 1 })).toBe(true)
    expect(authorize('[type=="m"]=>permit(); [type=="n"]=>add(type="m", value=1);', { n: 1 })).toBe(false)
    expect(
      issue(
        'c:[type=="n"]=>add(type="n", value=AppendString(c.value, "x")); c:[type=="n"]=>issue(type="out", value=c.value);',
        { n: 'a' },
      ),
    ).toEqual({
      out: ['a', 'ax'],
    })
  })

  it('joins conditions by the values of earlier ones', () => {
    const rules = 'a:[type=="a"] && [type=="b", value==a.value] => permit();'
    expect(authorize(rules, { a: 1, b: 1 })).toBe(true)
    expect(authorize(rules, { a: 1, b: 2 })).toBe(false)
  })

  it('takes ! for absence', () => {
    expect(authorize('![type=="debug", value==true]=>permit();', { debug: false })).toBe(true)
    expect(authorize('![type=="debug", value==true]=>permit();', { debug: true })).toBe(false)
    expect(authorize('![type=="debug", value==true]=>permit();')).toBe(true)
  })

  it('explains a denial by the condition that failed and what was found', () => {
    const text = 'version=1.0;authorizationrules{[type=="a", value==1] && [type=="b", value=="x"]=>permit();};'
    expect(run(text, { a: 1, b: 'y' }).denial).toMatchObject({
      reason: 'noPermit',
      expected: '[type == "b", value == "x"]',
      found: 'b is "y"',
      position: { line: 1, column: 32 },
    })
    expect(run(text, { a: 1 }).denial!.found).toBe('b is absent')
    expect(run('version=1.0;authorizationrules{[type=="a"]=>deny();};', { a: 1 }).denial).toMatchObject({
      reason: 'deny',
    })
  })

  it('never permits by an order of rules that another order denies', () => {
    const rule = fc.constantFrom(
      '=>permit();',
      '=>deny();',
      '[type=="a"]=>permit();',
      '[type=="b"]=>deny();',
      '[type=="absent"]=>permit();',
    )
    fc.assert(
      fc.property(fc.array(rule), fc.array(rule), (first, second) => {
        const claims = { a: 1, b: 2 }
        expect(authorize([...first, ...second].join(''), claims)).toBe(
          authorize([...second, ...first].join(''), claims),
        )
      }),
    )
  })
})

describe('issuance', () => {
  it('copies and makes claims', () => {
    expect(
      issue(
        'c:[type=="a"]=>issue(claim=c); c:[type=="a"]=>issue(type="b", value=c.value); =>issue(type="c", value=true);',
        { a: 5 },
      ),
    ).toEqual({
      a: 5,
      b: 5,
      c: true,
    })
  })

  it('issues once per match and each value once', () => {
    expect(issue('c:[type=="a"]=>issue(type="b", value=c.value);', { a: ['x', 'y', 'x'] })).toEqual({ b: ['x', 'y'] })
    expect(issue('[type=="a"]=>issue(type="b", value=1);', { a: ['x', 'y'] })).toEqual({ b: 1 })
  })

  it('lets no computed name speak for the service', () => {
    const outcome = run(
      'version=1.2;authorizationrules{=>permit();};issuancerules{c:[type=="n"]=>issue(type=AppendString("x-ms-", ' +
        'c.value), value="azure-compliant-cvm");=>issue(type="y", value=1);};',
      { n: 'compliance-status' },
    )
    expect(Object.fromEntries(outcome.issued)).toEqual({ y: [1] })
    expect(outcome.notes[0]).toContain('x-ms-compliance-status')
  })

  it('lets no added claim under a name of the service into the token by copying it', () => {
    const rules =
      '=>add(type="x-ms-compliance-status", value="azure-compliant-cvm"); c:[type=="x-ms-compliance-status"]=>issue(claim=c);'
    expect(issue(rules)).toEqual({})
  })

  it('cannot fail attestation: a rule that cannot be evaluated has no effect', () => {
    const outcome = run(
      'version=1.2;authorizationrules{=>permit();};issuancerules{=>issue(type="a", value=NegateBool("x"));=>issue(type="b", value=2);};',
    )
    expect(outcome.permitted).toBe(true)
    expect(Object.fromEntries(outcome.issued)).toEqual({ b: [2] })
  })

  it('sets properties of the token', () => {
    const { properties } = run(
      'version=1.1;configurationrules{=>issueproperty(type="report_validity_in_minutes", value=60);};authorizationrules{=>permit();};',
    )
    expect(Object.fromEntries(properties)).toEqual({ report_validity_in_minutes: 60 })
    const tooLong =
      'version=1.1;configurationrules{=>issueproperty(type="report_validity_in_minutes", value=525601);};authorizationrules{=>permit();};'
    expect(() => run(tooLong)).toThrow('525600')
  })

  it('copies no read-only claim, nor what is made of one, while tests of it pass', () => {
    const pcr: Claim = { type: 'pcr0', value: 'ab', issuer: 'AttestationService', readOnly: true }
    expect(issue('c:[type=="pcr0"]=>issue(claim=c);', [pcr])).toEqual({})
    expect(issue('c:[type=="pcr0"]=>issue(type="x", value=AppendString(c.value, ""));', [pcr])).toEqual({})
    expect(issue('c:[type=="pcr0"]=>add(type="y", value=c.value); c:[type=="y"]=>issue(claim=c);', [pcr])).toEqual({})
    expect(issue('[type=="pcr0", value=="ab"]=>issue(type="good", value=true);', [pcr])).toEqual({ good: true })
    expect(issue('c:[type=="pcr0"]=>issue(type="only", value=ContainsOnlyValue(c.value, "ab"));', [pcr])).toEqual({
      only: true,
    })
  })
})

describe('functions of version 1.2', () => {
  const value = (expression: string, claims: Record<string, unknown> = {}): unknown =>
    issue(`c:[type=="j"]=>issue(type="out", value=${expression});`, { j: 'x', ...claims })['out']

  it.each([
    ['JsonToClaimValue("3")', 3],
    ['JsonToClaimValue("\\"t\\"")', 't'],
    ['JsonToClaimValue("[1,2,2]")', [1, 2]],
    ['JsonToClaimValue("null")', undefined],
    ['JsonToClaimValue("1.5")', undefined],
    ['JsonToClaimValue("{}")', undefined],
    ['IsSubsetOf(JsonToClaimValue("[1]"), JsonToClaimValue("[1,2]"))', true],
    ['IsSubsetOf(JsonToClaimValue("[1,3]"), JsonToClaimValue("[1,2]"))', false],
    ['ContainsOnlyValue(JsonToClaimValue("[1,1]"), 1)', true],
    ['ContainsOnlyValue(JsonToClaimValue("[1,2]"), 1)', false],
    ['ContainsOnlyValue(JsonToClaimValue("[]"), 1)', false],
    ['NegateBool(false)', true],
    ['AppendString("a", c.value)', 'ax'],
    ['JmesPath("{\\"a\\":[1,2]}", "a[1]")', '2'],
    ['JmesPath("{\\"a\\":1}", "b")', 'null'],
    ['JsonToClaimValue(JmesPath("{\\"a\\":[1,2]}", "length(a) == `2`"))', true],
  ])('%s', (expression, expected) => {
    expect(value(expression)).toEqual(expected)
  })

  it('reads runtime data as JSON', () => {
    const claims = { 'x-ms-runtime': { 'vm-configuration': { 'secure-boot': true } } }
    const rules =
      'c:[type=="x-ms-runtime", issuer=="AttestationService"]=>add(type="sb", ' +
      'value=JsonToClaimValue(JmesPath(c.value, "\\"vm-configuration\\".\\"secure-boot\\"")));[type=="sb", ' +
      'value==true]=>permit();'
    expect(authorize(rules, claims)).toBe(true)
    expect(authorize(rules, { 'x-ms-runtime': { 'vm-configuration': { 'secure-boot': 'true' } } })).toBe(false)
  })

  const sample = '/work/shared/evidence/MicrosoftDocs-azure-docs/maa-policy/tpm-v1.2-secureboot.txt'
  it.skipIf(!existsSync(sample))('runs the sample of the documentation (in /work/shared)', () => {
    const events = (data: string): Record<string, unknown> => ({
      events: {
        Events: [
          {
            EventTypeString: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
            ProcessedData: {
              VariableGuid: '8BE4DF61-93CA-11D2-AA0D-00E098032B8C',
              UnicodeName: 'SecureBoot',
              VariableData: data,
            },
          },
        ],
      },
      aikValidated: true,
    })
    const text = readFileSync(sample, 'utf8')
    expect(issuedClaims(run(text, events('AQ')).issued)).toEqual({ aikValidated: true, SecureBootEnabled: true })
    expect(issuedClaims(run(text, events('AA')).issued)).toEqual({ aikValidated: true, SecureBootEnabled: false })
    expect(issuedClaims(run(text, {}).issued)).toEqual({ SecureBootEnabled: false })
  })
})

describe('claims of a token as the language sees them', () => {
  it('keeps every simple value and prints the others', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer(), fc.boolean()), (value: ClaimValue) => {
        expect(claimsForPolicy({ a: value })).toEqual([{ type: 'a', value, issuer: 'AttestationService' }])
      }),
    )
    expect(
      claimsForPolicy({ a: ['x', 1], b: { c: 1 }, d: 1.5, e: null, f: [{ g: 1 }] }).map(({ type, value }) => [
        type,
        value,
      ]),
    ).toEqual([
      ['a', 'x'],
      ['a', 1],
      ['b', '{"c":1}'],
      ['d', '1.5'],
      ['f', '[{"g":1}]'],
    ])
  })
})
