import { describe, expect, it } from 'vitest'
import { evaluatePolicy } from './evaluation.ts'
import { parsePolicy } from './parser.ts'
import { PolicyError } from './policy-error.ts'
import { knownProperties, minutesPerYear, misfit } from './properties.ts'
import { isReservedForService } from './reserved.ts'
import { claimsForPolicy } from './token-claims.ts'

const version = 'version=1.2;'
const authorization = (rules: string): string => `${version}authorizationrules{${rules}};`
const issuance = (rules: string): string => `${authorization('=>permit();')}issuancerules{${rules}};`
const configuration = (rules: string): string =>
  `${version}configurationrules{${rules}};authorizationrules{=>permit();};`
/** Code, found and expected; `read` if the text is accepted. */
const refusal = (text: string): unknown => {
  try {
    parsePolicy(text)
    return 'read'
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    expect(error.code).toBe('PolicyParsingError')
    return [error.found, error.expected]
  }
}

describe('a comparison of values', () => {
  const holds = (operator: string, right: string, a: unknown): boolean =>
    evaluatePolicy(
      parsePolicy(authorization(`[type=="a", value${operator}${right}]=>permit();`)),
      claimsForPolicy({ a }),
    ).permitted

  it.each([
    ['==', [false, true, false]],
    ['!=', [true, false, true]],
    ['<', [true, false, false]],
    ['<=', [true, true, false]],
    ['>', [false, false, true]],
    ['>=', [false, true, true]],
  ])('%s with an integer below, equal and above', (operator, expected) => {
    expect([4, 5, 6].map((a) => holds(operator, '5', a))).toEqual(expected)
    for (const a of ['4', '5', true]) expect([a, holds(operator, '5', a)]).toEqual([a, operator === '!='])
  })

  it('of texts and truths is of the whole value', () => {
    expect(['x', 'X', 'xx', ''].map((a) => holds('==', '"x"', a))).toEqual([true, false, false, false])
    expect([true, false].map((a) => holds('!=', 'true', a))).toEqual([false, true])
  })
})

describe('a test that could never be true', () => {
  it.each([
    ['[type<"a"]', "'<' on type", '== or != : only values have an order'],
    ['[issuer>="a"]', "'>=' on issuer", '== or != : only values have an order'],
    ['[valueType>"a"]', "'>' on valueType", '== or != : only values have an order'],
    ['[value<"a"]', '"a"', "an integer after '<'"],
    ['[value>=true]', 'true', "an integer after '>='"],
    ['[type==1]', '1', 'a string for type'],
    ['[type!=true]', 'true', 'a string for type'],
    ['[type==""]', '""', 'a claim type that is not empty'],
    ['[issuer==1]', '1', 'a string for issuer'],
    ['[issuer=="Service"]', '"Service"', 'AttestationService, AttestationPolicy, CustomClaim'],
    ['[valueType=="Number"]', '"Number"', 'String, Integer, Boolean'],
    ['[valueType==""]', '""', 'String, Integer, Boolean'],
  ])('is refused: %s', (condition, found, expected) => {
    expect(refusal(authorization(`${condition}=>permit();`))).toEqual([found, expected])
  })

  it.each([
    '[type!="a"]',
    '[value==""]',
    '[value==1]',
    '[value!=false]',
    '[value<1]',
    ...['AttestationService', 'AttestationPolicy', 'CustomClaim'].map((issuer) => `[issuer=="${issuer}"]`),
    ...['String', 'Integer', 'Boolean'].map((type) => `[valueType!="${type}"]`),
  ])('is not one that could: %s', (condition) => {
    expect(refusal(authorization(`${condition}=>permit();`))).toBe('read')
  })
})

describe('a claim that a policy makes', () => {
  it.each([
    ['value=1', 'issue without type', 'both type and value'],
    ['type="a"', 'issue without value', 'both type and value'],
    ['type=1, value=1', '1', 'a string for type'],
    ['type="", value=1', '""', 'a claim type that is not empty'],
    [
      'type="a", value=1, issuer="AttestationService"',
      'another issuer',
      '"AttestationPolicy": claims that a policy adds are issued by the policy',
    ],
    [
      'type="a", value=1, issuer="CustomClaim"',
      'another issuer',
      '"AttestationPolicy": claims that a policy adds are issued by the policy',
    ],
    ['type="a", value=1, issuer="Other"', '"Other"', 'AttestationService, AttestationPolicy, CustomClaim'],
    ['type="a", value=1, valueType="String"', 'a value of type Integer', 'a value of type String'],
    ['type="a", value="b", valueType="Boolean"', 'a value of type String', 'a value of type Boolean'],
    ['type="x-ms-mine", value=1', '"x-ms-mine"', 'a custom claim name: this one is reserved for the service'],
  ])('is refused: %s', (properties, found, expected) => {
    expect(refusal(issuance(`=>issue(${properties});`))).toEqual([found, expected])
  })

  it.each([
    'type="a", value=1',
    'type="a", value=1, issuer="AttestationPolicy"',
    'type="a", value=1, valueType="Integer"',
    'type="a", value=true, valueType="Boolean"',
    'type="a", value="b", valueType="String"',
  ])('is taken: %s', (properties) => {
    expect(refusal(issuance(`=>issue(${properties});`))).toBe('read')
  })

  it('may have a name of the service while it is added, and where its value is a claim’s', () => {
    expect(refusal(authorization('=>add(type="x-ms-mine", value=1);=>permit();'))).toBe('read')
    expect(refusal(issuance('c:[type=="x-ms-mine"]=>issue(type="x-ms-mine", value=c.value);'))).toBe('read')
  })
})

describe('names that speak for the service', () => {
  const names =
    'iss iat nbf exp jti aud sub nonce cnf eat_profile eat_nonce dbgstat intuse attester_tcb_status attester_tcb_date ' +
    'attester_advisory_ids secureboot __proto__ constructor prototype x-ms- x-ms-a x-strongroom-a tdx_a'

  it.each(names.split(' '))('are %s, in any case', (name) => {
    expect([isReservedForService(name), isReservedForService(name.toUpperCase())]).toEqual([true, true])
  })

  it.each(['', 'a', 'issuer', 'x-msa', 'ax-ms-a', 'tdx', 'a.iss', 'x-strongroom', 'eat'])('are not %j', (name) => {
    expect(isReservedForService(name)).toBe(false)
  })
})

describe('properties of a token', () => {
  it.each<[string, unknown[], unknown[], string]>([
    [
      'report_validity_in_minutes',
      [1, minutesPerYear],
      [0, minutesPerYear + 1, '1', true],
      `whole minutes from 1 to ${minutesPerYear}`,
    ],
    ['omit_x5c', [true, false], ['true', 1], 'true or false'],
    ['require_valid_aik_cert', [true, false], ['false', 0], 'true or false'],
    ['required_pcr_mask', [0, 0xff_ff_ff], [-1, 0x1_00_00_00, '1', false], 'a mask of PCRs from 0 to 0xFFFFFF'],
    ['x-ms-sgx-tcbidentifier', ['', 'a'], [1, true], 'a string'],
  ])('take what Azure’s take: %s', (type, good, bad, expected) => {
    for (const value of good) expect([value, misfit({ type, value: value as string })]).toEqual([value, undefined])
    for (const value of bad) {
      expect([value, misfit({ type, value: value as string })]).toEqual([value, `${expected} for ${type}`])
      expect(refusal(configuration(`=>issueproperty(type="${type}", value=${JSON.stringify(value)});`))).toEqual([
        JSON.stringify(value),
        `${expected} for ${type}`,
      ])
    }
  })

  it('are five, and others change nothing', () => {
    expect(minutesPerYear).toBe(525_600)
    expect(knownProperties.size).toBe(5)
    expect(misfit({ type: 'other', value: 1 })).toBeUndefined()
    expect(refusal(configuration('=>issueproperty(type="other", value=1);'))).toBe('read')
  })
})
