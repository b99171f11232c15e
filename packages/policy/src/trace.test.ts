import { describe, expect, it } from 'vitest'
import type { Claim } from './claim.ts'
import { evaluatePolicy } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import { claimsForPolicy } from './token-claims.ts'
import { explainPolicy, type PolicyExplanation, type RuleReport } from './trace.ts'

const explain = (text: string, claims: Record<string, unknown> | Claim[] = {}): PolicyExplanation =>
  explainPolicy(parsePolicy(`version=1.2;${text}`), Array.isArray(claims) ? claims : claimsForPolicy(claims))
const authorizing = (rules: string): string => `authorizationrules{${rules}};`
const issuing = (rules: string): string => `${authorizing('=>permit();')}issuancerules{${rules}};`
const states = ({ rules }: PolicyExplanation): unknown[] =>
  rules.map(({ segment, state, matches, effects }) => [segment, state, matches, effects])
const last = ({ rules }: PolicyExplanation): RuleReport => rules.at(-1)!

describe('what became of each rule', () => {
  it('is told in the order in which they run, with what each made', () => {
    const explained = explain(
      `configurationrules{=>issueproperty(type="omit_x5c", value=true);};
      authorizationrules{c:[type=="a"]=>add(type="b", value=c.value); [type=="b"]=>permit(); [type=="x"]=>deny();};
      issuancerules{c:[type=="a"]=>issue(type="c", value=c.value); =>add(type="d", value="e");};`,
      { a: [1, 'two'] },
    )
    expect(states(explained)).toEqual([
      ['configurationrules', 'matched', 1, ['set omit_x5c = true']],
      ['authorizationrules', 'matched', 2, ['added b = 1', 'added b = "two"']],
      ['authorizationrules', 'matched', 1, ['permit']],
      ['authorizationrules', 'notMatched', 0, []],
      ['issuancerules', 'matched', 2, ['issued c = 1', 'issued c = "two"']],
      ['issuancerules', 'matched', 1, ['added d = "e"']],
    ])
    expect(explained.rules[1]).toStrictEqual({
      segment: 'authorizationrules',
      rule: 'c:[type == "a"] => add(type = "b", value = c.value);',
      position: { line: 2, column: 26 },
      state: 'matched',
      matches: 2,
      effects: ['added b = 1', 'added b = "two"'],
    })
    expect(explained.rules[3]!.unmet).toEqual({ condition: '[type == "x"]', found: 'x is absent' })
    expect(explained.outcome?.permitted).toBe(true)
    expect(explained).not.toHaveProperty('error')
  })

  it('is nothing where nothing was permitted, and a deny() where one ran', () => {
    const explained = explain(`${authorizing('=>deny();=>permit();')}issuancerules{=>issue(type="a", value=1);};`)
    expect(states(explained)).toEqual([
      ['authorizationrules', 'matched', 1, ['deny']],
      ['authorizationrules', 'matched', 1, ['permit']],
      ['issuancerules', 'notReached', 0, []],
    ])
  })

  it('is an error where a rule cannot be evaluated, and nothing of those behind it', () => {
    const explained = explain(authorizing('c:[type=="a"]=>add(type="b", value=NegateBool(c.value)); =>permit();'), {
      a: 1,
    })
    expect(states(explained)).toEqual([
      ['authorizationrules', 'failed', 1, []],
      ['authorizationrules', 'notReached', 0, []],
    ])
    expect(explained.outcome).toBeUndefined()
    expect(explained.error?.expected).toBe('one Boolean')
    expect(explained.rules[0]!.error).toBe(explained.error?.message)
  })

  it('is an error of its own where an issuance rule cannot be evaluated', () => {
    const explained = explain(issuing('=>issue(type="a", value=NegateBool("x")); =>issue(type="b", value=1);'))
    expect(states(explained).slice(1)).toEqual([
      ['issuancerules', 'failed', 1, []],
      ['issuancerules', 'matched', 1, ['issued b = 1']],
    ])
    expect(explained.outcome?.notes).toEqual([explained.rules[1]!.error])
  })

  it('is not a fault of the program', () => {
    const claims = function* (): Generator<Claim> {
      yield { type: 'a', value: 1, issuer: 'CustomClaim' }
      throw new TypeError('x')
    }
    expect(() => explainPolicy(parsePolicy(`version=1.2;${authorizing('=>permit();')}`), claims())).toThrow(TypeError)
  })

  it('is nothing made where a rule has nothing to say', () => {
    expect(last(explain(issuing('=>issue(type="a", value=JsonToClaimValue("[]"));'))).effects).toEqual([
      'issued nothing',
    ])
    // A copy of the service's own claim adds nothing.
    expect(last(explain(issuing('c:[type=="iss"]=>issue(claim=c);'), { iss: 'x' })).effects).toEqual(['issued nothing'])
  })

  it('counts a claim once, whoever else says the same', () => {
    const of = (issuer: Claim['issuer']): Claim => ({ type: 'a', value: 1, issuer })
    const claims = [of('AttestationService'), of('CustomClaim'), of('CustomClaim'), of('AttestationService')]
    expect(explain(authorizing('c:[type=="a"]=>permit();'), claims).rules[0]!.matches).toBe(2)
  })

  it('is shown to 120 characters, and what may not leave is named', () => {
    const text = 'x'.repeat(118)
    expect(last(explain(issuing(`=>add(type="a", value="${text}");`))).effects).toEqual([`added a = "${text}"`])
    expect(last(explain(issuing(`=>add(type="a", value="${text}x");`))).effects).toEqual([`added a = "${text}x…`])
    const pcr: Claim = { type: 'p', value: 'ab', issuer: 'AttestationService', readOnly: true }
    expect(last(explain(issuing('c:[type=="p"]=>add(type="q", value=c.value);'), [pcr])).effects).toEqual([
      'added q = "ab" (read-only)',
    ])
  })
})

describe('a denial', () => {
  const denial = (rules: string, claims: Record<string, unknown> | Claim[] = {}): unknown[] => {
    const policy = parsePolicy(`version=1.2;authorizationrules{${rules}};`)
    const { permitted, denial: found } = evaluatePolicy(
      policy,
      Array.isArray(claims) ? claims : claimsForPolicy(claims),
    )
    expect(permitted).toBe(false)
    return [found?.reason, found?.rule, found?.expected, found?.found]
  }

  it('names the deny() that ran, and what it looked at', () => {
    const rule = '[type == "a", value == 1] && [type == "b"] => deny();'
    expect(denial('[type=="a", value==1]&&[type=="b"]=>deny(); =>permit();', { a: 1, b: 'x' })).toEqual([
      'deny',
      rule,
      'no deny() to run',
      `${rule} ran: a is 1; b is "x"`,
    ])
    expect(denial('=>deny(); =>deny();')[3]).toBe('=> deny(); ran: it has no condition')
  })

  it('names what each rule lacks that could have permitted, of the first five', () => {
    expect(denial('')).toEqual(['noPermit', undefined, 'at least one permit() to run', 'a policy without permit()'])
    const rules = [1, 2, 3, 4, 5, 6].map((value) => `[type=="a", value==${value}]=>permit();`).join('')
    expect(denial(`[type=="z"]=>deny();${rules}`, { a: 0 })).toEqual([
      'noPermit',
      '[type == "a", value == 1] => permit();',
      [1, 2, 3, 4, 5].map((value) => `[type == "a", value == ${value}]`).join(' or '),
      Array(5).fill('a is 0').join('; '),
    ])
  })

  it('names claims that only a later rule adds', () => {
    expect(denial('[type=="m"]=>permit(); =>add(type="m", value=1);')).toEqual([
      'noPermit',
      '[type == "m"] => permit();',
      'the claims of this rule before it runs',
      'claims that only a later rule adds',
    ])
  })

  it('shows five values of 200 characters at most, and whose they are where that is asked', () => {
    expect(denial('[type=="a", value==9]=>permit();', { a: [1, 2, 3, 4, 5, 6] })[3]).toBe('a is 1, 2, 3, 4, 5')
    const text = 'x'.repeat(198)
    expect(denial('[type=="a", value==9]=>permit();', { a: text })[3]).toBe(`a is "${text}"`)
    expect(denial('[type=="a", value==9]=>permit();', { a: `${text}x` })[3]).toBe(`a is "${text}x…`)
    expect(denial('[type=="a", issuer=="CustomClaim"]=>permit();', { a: 1 })[3]).toBe('a is 1 of AttestationService')
    expect(denial('[value==9]=>permit();', { a: 1 })[3]).toBe('no claim that fits [value == 9]')
    expect(denial('[type!="a"]=>permit();', { a: 1 })[3]).toBe('no claim that fits [type != "a"]')
  })
})
