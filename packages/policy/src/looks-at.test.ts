import { describe, expect, it } from 'vitest'
import { looksAt } from './looks-at.ts'
import { parsePolicy } from './parser.ts'

const policy = (rules: string) => parsePolicy(`version=1.2;authorizationrules{${rules}};`)
const add = (query: string, type = 'tee'): string =>
  `c:[type=="${type}"] => add(type="x", value=JmesPath(c.value, ${query}));`

describe('a policy', () => {
  it.each([
    ['[type=="a"] => permit();', { claim: 'a' }],
    ['![type=="a", value==true] => permit();', { claim: 'a' }],
    [add('"a"'), { claim: 'a', within: 'tee' }],
    [add('"b.a"'), { claim: 'a', within: 'tee' }],
    [add(String.raw`"[?\"a-b\" == 'x']"`), { claim: 'a-b', within: 'tee' }],
    [add('"[::2].a"'), { claim: 'a', within: 'tee' }],
    [
      'c:[type=="tee"] => add(type="x", value=NegateBool(JsonToClaimValue(JmesPath(c.value, "a"))));',
      { claim: 'a', within: 'tee' },
    ],
    ['c:[type=="tee", value==JmesPath("{}", "a")] => permit();', { claim: 'a', within: 'tee' }],
  ])('looks with %s at %o', (rules, claim) => {
    expect(looksAt(policy(rules), claim)).toBe(true)
  })

  it.each([
    ['=> permit();', { claim: 'a' }],
    ['[type=="b", value=="a"] => permit();', { claim: 'a' }],
    ['[type!="a"] => permit();', { claim: 'a' }],
    ['=> add(type="a", value=true);', { claim: 'a' }],
    [add('"a"'), { claim: 'a' }],
    ['[type=="tee"] => permit();', { claim: 'a', within: 'tee' }],
    ['[type=="a"] => permit();', { claim: 'a', within: 'tee' }],
    [add('"a"', 'other'), { claim: 'a', within: 'tee' }],
    [add(`"'a'"`), { claim: 'a', within: 'tee' }],
    [add('"`{}`.b"'), { claim: 'a', within: 'tee' }],
    [add('"a["'), { claim: 'a', within: 'tee' }],
    [add('c.value'), { claim: 'a', within: 'tee' }],
    [add('1'), { claim: '1', within: 'tee' }],
    ['c:[type=="tee"] => add(type="x", value=AppendString(c.value, "a"));', { claim: 'a', within: 'tee' }],
    // A query's text can look like its syntax tree.
    [add('"`{\\"type\\":\\"Field\\",\\"name\\":\\"a\\"}`"'), { claim: 'a', within: 'tee' }],
  ])('does not look with %s at %o', (rules, claim) => {
    expect(looksAt(policy(rules), claim)).toBe(false)
  })

  it('that asks in its issuance rules alone has accepted nothing', () => {
    const issued = parsePolicy(
      'version=1.2;authorizationrules{=>permit();};issuancerules{[type=="a"] => issue(type="x", value=1);};',
    )
    expect(looksAt(issued, { claim: 'a' })).toBe(false)
  })
})
