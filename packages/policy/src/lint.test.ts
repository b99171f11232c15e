import { describe, expect, it } from 'vitest'
import { lintPolicy } from './lint.ts'
import { parsePolicy } from './parser.ts'

const codes = (rules: string, more = ''): string[] =>
  lintPolicy(parsePolicy(`version=1.2;authorizationrules{${rules}};${more}`)).map(({ code }) => code)

describe('warnings', () => {
  it('name policies that let all pass, or nothing (attack P6)', () => {
    expect(codes('=>permit();')).toEqual(['PermitsEverything'])
    expect(codes('[type=="a", value==false]=>deny(); =>permit();')).toEqual(['PermitsEverything'])
    expect(codes('')).toEqual(['NeverPermits'])
    expect(codes('[type=="a"]=>permit(); =>deny();')).toEqual(['NeverPermits'])
    expect(codes('[type=="a", value==true]=>permit();')).toEqual([])
  })

  it('name conditions that no claim can meet, or that one always meets', () => {
    expect(codes('[type=="a", type=="b"]=>permit();')).toEqual(['NeverMatches'])
    expect(codes('[type=="a", value==1, value==2]=>permit();')).toEqual(['NeverMatches'])
    expect(codes('[type=="a", value==1, value==1]=>permit();')).toEqual([])
  })

  it('name a check that the policy can satisfy by itself', () => {
    const add = '=>add(type="x-ms-compliance-status", value="azure-compliant-cvm");'
    expect(codes(`${add}[type=="x-ms-compliance-status"]=>permit();`)).toEqual(['AnyIssuer'])
    expect(codes(`${add}[type=="x-ms-compliance-status", issuer=="AttestationService"]=>permit();`)).toEqual([])
  })

  it('name queries that cannot be read and properties that change nothing, with their places', () => {
    const warnings = lintPolicy(
      parsePolicy(
        'version=1.2;\nconfigurationrules{ =>issueproperty(type="omit_x5d", value=true); };\n' +
          'authorizationrules{ c:[type=="a"]=>add(type="b", value=JmesPath(c.value, "a[")); [type=="b"]=>permit(); ' +
          '};',
      ),
    )
    expect(warnings.map(({ code, position }) => [code, position.line, position.column])).toEqual([
      ['UnknownProperty', 2, 42],
      ['BadQuery', 3, 74],
    ])
  })

  const places = (text: string): unknown[] =>
    lintPolicy(parsePolicy(text)).map(({ code, position: { line, column } }) => `${code} ${line}:${column}`)
  const of = (rules: string): unknown[] => places(`version=1.2;authorizationrules{\n${rules}\n};`)

  it('stand at the rule, the condition or the value that they are about, in the order of the text', () => {
    expect(of(' => permit();')).toEqual(['PermitsEverything 2:2'])
    expect(of('[type=="a"]=>deny();\n  =>deny(); =>permit();')).toEqual(['NeverPermits 3:3'])
    expect(of('[type=="a"]=>add(type="b", value=1);')).toEqual(['NeverPermits 2:1'])
    expect(of('')).toEqual(['NeverPermits 1:1'])
    expect(
      of('[type=="b"] && [type=="a", value==1, value==2]=>deny(); ![value=="x", value=="y"]=>permit();\n=>permit();'),
    ).toEqual(['NeverMatches 2:16', 'NeverMatches 2:57', 'PermitsEverything 3:1'])
  })

  it('stand in the order of the text also in one line, and say whether any rule denies', () => {
    const denying = '[type=="a", type=="b"]=>deny(); =>permit();'
    expect(of(denying)).toEqual(['NeverMatches 2:1', 'PermitsEverything 2:33'])
    const message = (rules: string): string =>
      lintPolicy(parsePolicy(`version=1.2;authorizationrules{${rules}};`)).find(
        ({ code }) => code === 'PermitsEverything',
      )!.message
    expect([denying, '=>permit();'].map((rules) => message(rules).includes('deny()'))).toEqual([true, false])
  })

  it('find two values of one property alone, where both are written out and equal', () => {
    for (const tests of [
      'value!=1, value!=2',
      'value>1, value<5',
      'value==1, valueType=="Integer"',
      'value==1, value!=2',
    ])
      expect(of(`[type=="a", ${tests}]=>permit();`)).toEqual([])
    for (const tests of ['value==c.value, value==1', 'value==1, value==c.value'])
      expect(of(`c:[type=="a"] && [${tests}]=>permit();`)).toEqual([])
    expect(of('[issuer=="CustomClaim", issuer=="AttestationService", issuer=="AttestationPolicy"]=>permit();')).toEqual(
      ['NeverMatches 2:1'],
    )
  })

  it('take a name of the service that the policy adds for a check only where a rule permits by it', () => {
    const add = '=>add(type="x-ms-a", value=1);'
    expect(of(`${add}[type=="b"] && [value==1, type=="x-ms-a"]=>permit();`)).toEqual(['AnyIssuer 2:46'])
    for (const rules of [
      `${add}[type=="x-ms-a"]=>deny();[type=="b"]=>permit();`,
      `${add}[type=="x-ms-b"]=>permit();`,
      `=>add(type="a", value=1);[type=="a"]=>permit();`,
      `=>add(value="x-ms-a", type="a");[type=="x-ms-a"]=>permit();`,
      `c:[type=="x-ms-a"]=>add(type=c.type, value=1);[type=="x-ms-a"]=>permit();`,
      `c:[type=="x-ms-a"]=>add(claim=c);[type=="x-ms-a"]=>permit();`,
    ])
      expect([rules, of(rules)]).toEqual([rules, []])
  })

  it('find queries wherever they are written out, and properties wherever they are set', () => {
    const permit = '[type=="z"]=>permit();'
    expect(of(`${permit}c:[type=="a", value==JmesPath("{}", "[")]=>deny();`)).toEqual(['BadQuery 2:59'])
    expect(of(`${permit}=>add(type="a", value=NegateBool(JsonToClaimValue(JmesPath("1", "]"))));`)).toEqual([
      'BadQuery 2:87',
    ])
    for (const expression of [
      'JmesPath("1", "@")',
      'JmesPath("1", 1)',
      'JmesPath("1", AppendString("[", "]"))',
      'AppendString("1", "[")',
    ])
      expect([expression, of(`${permit}=>add(type="a", value=${expression});`)]).toEqual([expression, []])
    const setting = (rules: string): unknown[] =>
      places(`version=1.2;configurationrules{${rules}};authorizationrules{${permit}};issuancerules{${rules}};`)
    expect(setting('=>issueproperty(type="other", value=1);')).toEqual([
      'UnknownProperty 1:53',
      'UnknownProperty 1:151',
    ])
    expect(setting('=>issueproperty(value=1, type="other");')[0]).toBe('UnknownProperty 1:62')
    for (const rules of [
      '=>issueproperty(type="omit_x5c", value=true);',
      '=>issueproperty(value=true, type="omit_x5c");',
      'c:[type=="a"]=>issueproperty(claim=c);',
      'c:[type=="a"]=>issueproperty(type=c.type, value=1);',
    ])
      expect([rules, setting(rules)]).toEqual([rules, []])
    expect(places(`version=1.0;authorizationrules{${permit}};issuancerules{=>issue(type="other", value=1);};`)).toEqual(
      [],
    )
  })
})
