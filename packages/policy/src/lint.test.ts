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
        'version=1.2;\nconfigurationrules{ =>issueproperty(type="omit_x5d", value=true); };\nauthorizationrules{ c:[type=="a"]=>add(type="b", value=JmesPath(c.value, "a[")); [type=="b"]=>permit(); };',
      ),
    )
    expect(warnings.map(({ code, position }) => [code, position.line, position.column])).toEqual([
      ['UnknownProperty', 2, 42],
      ['BadQuery', 3, 74],
    ])
  })
})
