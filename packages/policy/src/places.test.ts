import { describe, expect, it } from 'vitest'
import { policyLimits } from './limits.ts'
import { tokenize } from './lexer.ts'
import { parsePolicy } from './parser.ts'
import { PolicyError } from './policy-error.ts'

/** Place in the grammar, line, column, found and expected; `read` if the text is accepted. */
function refusal(read: () => unknown): unknown {
  try {
    read()
    return 'read'
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    expect([error.code, error.name]).toEqual(['PolicyParsingError', 'PolicyError'])
    const { line, column } = error.position
    expect(error.message).toBe(
      `Line ${line}, column ${column}: found ${error.found}, expected ${error.expected}. Failing rule: '${error.failingRule}'.`,
    )
    return [error.failingRule, `${line}:${column}`, error.found, error.expected]
  }
}
const ofPolicy = (text: string): unknown => refusal(() => parsePolicy(text))
const ofRule = (rule: string): unknown => ofPolicy(`version=1.2;authorizationrules{${rule}};`)
const ofText = (text: string): unknown => refusal(() => tokenize(text))
const rules = 'policy > authorizationrules'

describe('a text that is refused', () => {
  it.each([
    ['', 'policy > version', '1:1', 'the end of the text', "'version'"],
    ['version', 'policy > version', '1:8', 'the end of the text', "'='"],
    ['version=1', 'policy > version', '1:9', "'1'", '1.0, 1.1 or 1.2'],
    ['version="1.0"', 'policy > version', '1:9', `'"1.0"'`, '1.0, 1.1 or 1.2'],
    ['version=1.0', 'policy > version', '1:12', 'the end of the text', "';'"],
    ['version=1.0;issuancerules{};', rules, '1:13', "'issuancerules'", "'authorizationrules'"],
    ['version=1.0;authorizationrules', rules, '1:31', 'the end of the text', "'{'"],
    ['version=1.0;authorizationrules{}', rules, '1:33', 'the end of the text', "';'"],
    ['version=1.0;authorizationrules{};issuancerules{};x', 'policy', '1:50', "'x'", 'the end of the policy'],
    [
      'version=1.1;configurationrules{=>add(type="a",value=1);};',
      'policy > configurationrules > rule > action',
      '1:34',
      "'add'",
      'issueproperty() in configurationrules',
    ],
    [
      'version=1.0;authorizationrules{};issuancerules{=>deny();};',
      'policy > issuancerules > rule > action',
      '1:50',
      "'deny'",
      'add(), issue(), issueproperty() in issuancerules',
    ],
  ])('says where: %s', (text, ...said) => {
    expect(ofPolicy(text)).toEqual(said)
  })

  it.each([
    ['permit', '', '1:32', "'permit'", "'}' or a rule, which begins with '[', '!', '=>' or an identifier and ':'"],
    ['[', 'rule > condition', '1:33', "'}'", 'type, value, valueType or issuer'],
    ['[type', 'rule > condition', '1:37', "'}'", '==, !=, <, <=, > or >='],
    ['[type "x"', 'rule > condition', '1:38', `'"x"'`, '==, !=, <, <=, > or >='],
    ['[type=="a"', 'rule > condition', '1:42', "'}'", "']'"],
    ['[type=="a"]', 'rule', '1:43', "'}'", "'=>'"],
    ['c[type=="a"]', 'rule > condition', '1:33', "'['", "':'"],
    [
      'c:[type=="a"]&&c:[type=="b"]=>permit();',
      'rule > condition',
      '1:47',
      "'c'",
      'an identifier that no other condition of the rule has',
    ],
    [
      '[type==]',
      'rule > condition',
      '1:39',
      "']'",
      'a string, an integer, true, false, a claim property or a function',
    ],
    ['[value==1.5]', 'rule > condition', '1:40', "'1.5'", 'an integer: the language has no fractions'],
    ['[value==c]', 'rule > condition', '1:40', "'c'", 'the identifier of an earlier condition of the same rule'],
    ['[value==FALSE]', 'rule > condition', '1:40', "'FALSE'", 'true or false, in lower case'],
    [
      '!c:[type=="a"]&&[value==c.value]=>permit();',
      'rule > condition',
      '1:56',
      "'c'",
      'the identifier of a condition without "!": this one matches no claim',
    ],
    ['c:[type=="a"]&&[value==c]=>permit();', 'rule > condition', '1:56', "']'", "'.'"],
    ['c:[type=="a"]&&[value==c.id]=>permit();', 'rule > condition', '1:57', "'id'", 'type, value, valueType or issuer'],
    ['=>forbid();', 'rule > action', '1:34', "'forbid'", 'permit(), deny(), add(), issue() in authorizationrules'],
    ['=>permit(1);', 'rule > action', '1:41', "'1'", "')'"],
    ['=>permit()', 'rule', '1:42', "'}'", "';'"],
    ['=>add(type=="a");', 'rule > action', '1:42', "'=='", "'=' ('==' compares, and only in a condition)"],
    ['=>add(type="a", type="b");', 'rule > action', '1:48', "'type'", 'each property once'],
    ['=>add(type="a" value=1);', 'rule > action', '1:47', "'value'", "')'"],
    ['=>add(claim);', 'rule > action', '1:43', "')'", "'='"],
    [
      '=>add(type="a",value=Nothing(1));',
      'rule > action',
      '1:53',
      "'Nothing'",
      'one of JmesPath, JsonToClaimValue, IsSubsetOf, AppendString, NegateBool, ContainsOnlyValue',
    ],
    [
      '=>add(type="a",value=NegateBool(true,false));',
      'rule > action',
      '1:74',
      "')'",
      '1 arguments for NegateBool, not 2',
    ],
    ['=>add(type="a",value=AppendString());', 'rule > action', '1:66', "')'", '2 arguments for AppendString, not 0'],
    ['=>add(type="a",value=toString(1));', 'rule > action', '1:53', "'toString'", expect.stringMatching(/^one of /)],
  ])('says where in a rule: %s', (rule, ...said) => {
    const [place, ...rest] = said as [string, ...unknown[]]
    expect(ofRule(rule)).toEqual([place === '' ? rules : `${rules} > ${place}`, ...rest])
  })

  it('shows what was found to 40 characters', () => {
    const word = 'w'.repeat(40)
    expect((ofPolicy(word) as unknown[])[2]).toBe(`'${word}'`)
    expect((ofPolicy(`${word}w`) as unknown[])[2]).toBe(`'${word}…'`)
    expect((ofText('9'.repeat(40)) as unknown[])[2]).toBe(`'${'9'.repeat(40)}'`)
    expect((ofText('9'.repeat(41)) as unknown[])[2]).toBe(`'${'9'.repeat(40)}…'`)
  })

  it('is one beyond a bound, and not at it', () => {
    const policy = (count: number): string => `version=1.0;authorizationrules{${'=>deny();'.repeat(count)}};`
    expect(ofPolicy(policy(policyLimits.rules))).toBe('read')
    expect(ofPolicy(policy(policyLimits.rules + 1))).toMatchObject({ 3: `at most ${policyLimits.rules} rules` })
    // All segments count towards one limit.
    const half = '=>deny();'.repeat(250)
    const more = (issued: number): string =>
      `version=1.0;authorizationrules{${half}};issuancerules{${'=>add(type="a",value=1);'.repeat(issued)}};`
    expect([ofPolicy(more(250)), (ofPolicy(more(251)) as unknown[])[3]]).toEqual(['read', 'at most 500 rules'])
    const conditions = (count: number): string => `${Array(count).fill('[type=="a"]').join('&&')}=>deny();`
    expect(ofRule(conditions(policyLimits.conditionsPerRule))).toBe('read')
    expect(ofRule(conditions(policyLimits.conditionsPerRule + 1))).toMatchObject({
      3: 'at most 20 conditions in a rule',
    })
    const calls = (count: number): string =>
      `=>add(type="a",value=${'NegateBool('.repeat(count)}true${')'.repeat(count)});`
    expect(ofRule(calls(policyLimits.callDepth))).toBe('read')
    expect(ofRule(calls(policyLimits.callDepth + 1))).toMatchObject({ 3: 'at most 16 nested calls' })
  })
})

describe('the words of a text', () => {
  const tokens = (text: string): unknown[] =>
    tokenize(text).tokens.map(({ kind, text: found, value, position: { line, column } }) => [
      kind,
      found,
      value,
      `${line}:${column}`,
    ])

  it('have kinds, values and places, whatever ends the lines', () => {
    expect(tokens('a_1 "b"\r\n\t0x1F -7\r1.5\n=>==!=<=>=&&=<>!{}[](),;:.')).toEqual([
      ['word', 'a_1', undefined, '1:1'],
      ['string', 'b', undefined, '1:5'],
      ['integer', '0x1F', 31, '2:2'],
      ['integer', '-7', -7, '2:7'],
      ['decimal', '1.5', 1.5, '3:1'],
      ...['=>', '==', '!=', '<=', '>=', '&&'].map((symbol, at) => ['symbol', symbol, undefined, `4:${1 + 2 * at}`]),
      ...Array.from('=<>!{}[](),;:.').map((symbol, at) => ['symbol', symbol, undefined, `4:${13 + at}`]),
      ['end', '', undefined, '4:27'],
    ])
    expect(tokens('1.25')[0]).toEqual(['decimal', '1.25', 1.25, '1:1'])
    expect(tokens('-0 0X0a _')).toEqual([
      ['integer', '-0', 0, '1:1'],
      ['integer', '0X0a', 10, '1:4'],
      ['word', '_', undefined, '1:9'],
      ['end', '', undefined, '1:10'],
    ])
    expect(Object.is(tokenize('-0').tokens[0]!.value, 0)).toBe(true)
    expect(tokens('\uFEFF')).toEqual([['end', '', undefined, '1:1']])
  })

  it('have comments between them, to the end of the line', () => {
    expect(tokenize('// one \r\na//two\r//\n"//" ///').comments).toEqual([
      { text: 'one', position: { line: 1, column: 1 } },
      { text: 'two', position: { line: 2, column: 2 } },
      { text: '', position: { line: 3, column: 1 } },
      { text: '/', position: { line: 4, column: 6 } },
    ])
  })

  it('have escapes in strings', () => {
    const [string] = tokenize(String.raw`"\"\\\/\n\r\t\u00e4\u0041"`).tokens
    expect(string!.text).toBe('"\\/\n\r\täA')
  })

  it.each([
    ['"a', '1:1', 'a string without an end', 'a closing " on the same line'],
    ['x\n "a\nb"', '2:2', 'a string without an end', 'a closing " on the same line'],
    ['"a\rb"', '1:1', 'a string without an end', 'a closing " on the same line'],
    [String.raw`"ab\q"`, '1:4', String.raw`"\q"`, String.raw`one of \" \\ \/ \n \r \t \uXXXX`],
    [String.raw`"\toString\c"`, '1:11', String.raw`"\c"`, String.raw`one of \" \\ \/ \n \r \t \uXXXX`],
    ['"\\', '1:2', '"\\"', String.raw`one of \" \\ \/ \n \r \t \uXXXX`],
    [String.raw`"\u00g0"`, '1:2', String.raw`"\u00g0"`, String.raw`\u and four hexadecimal digits`],
    [String.raw`"\u004`, '1:2', String.raw`"\u004"`, String.raw`\u and four hexadecimal digits`],
    ['9007199254740992', '1:1', "'9007199254740992'", 'an integer between -9007199254740991 and 9007199254740991'],
    ['#', '1:1', "'#'", 'a character of the policy language'],
    ['a -', '1:3', "'-'", 'a character of the policy language'],
    ["a 'b'", '1:3', "'''", 'a straight double quotation mark: "'],
    ['“', '1:1', "'“'", 'a straight double quotation mark: "'],
    ['/* a */', '1:1', "'/*'", 'a comment that begins with // and ends with its line'],
    ['/', '1:1', "'/'", 'a character of the policy language'],
    ['a || b', '1:3', "'|'", "'&&': the language has no 'or'; write another rule"],
    ['a & b', '1:3', "'&'", "'&&'"],
    ['->', '1:1', "'->'", "'=>'"],
  ])('end at %s', (text, ...said) => {
    expect(ofText(text)).toEqual(['policy > text', ...said])
  })

  it('fill a text and a string to their bounds', () => {
    const { textBytes, stringCharacters } = policyLimits
    expect(ofText(' '.repeat(textBytes))).toBe('read')
    expect(ofText(' '.repeat(textBytes + 1))).toEqual([
      'policy > text',
      '1:1',
      'a text that is too large',
      `at most ${textBytes} bytes of UTF-8`,
    ])
    // Bytes, not characters.
    expect(ofText(`//${'ä'.repeat(textBytes / 2)}`)).toMatchObject({ 2: 'a text that is too large' })
    expect(ofText(`"${'x'.repeat(stringCharacters)}"`)).toBe('read')
    expect(ofText(`  "${'x'.repeat(stringCharacters + 1)}"`)).toEqual([
      'policy > text',
      '1:3',
      'a string that is too long',
      `at most ${stringCharacters} characters`,
    ])
  })
})
