import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPolicy } from './format.ts'
import { policyLimits } from './limits.ts'
import { parsePolicy } from './parser.ts'
import { PolicyError } from './policy-error.ts'

const permitAll = (version: string, rules = ''): string =>
  `version=${version};authorizationrules{${rules}=>permit();};issuancerules{};`

function refusal(text: string): PolicyError {
  try {
    parsePolicy(text)
  } catch (error) {
    if (error instanceof PolicyError) return error
    throw error
  }
  throw new Error('the policy was read')
}

describe('reading a policy', () => {
  it.each(['1.0', '1.1', '1.2'])('reads the shortest policy of version %s', (version) => {
    expect(parsePolicy(permitAll(version))).toMatchObject({
      version,
      authorizationRules: [{ action: { kind: 'permit' } }],
    })
  })

  it('reads comments, line ends of every kind, hexadecimal and negative integers, escapes and a byte order mark', () => {
    const text =
      '\uFEFFversion = 1.0; // one\r\nauthorizationrules {\r [type=="a\\u0041\\"", value>=-3, value<0x10] => permit(); };'
    const [rule] = parsePolicy(text).authorizationRules
    expect(rule!.conditions[0]!.tests.map((test) => test.expression)).toMatchObject([
      { value: 'aA"' },
      { value: -3 },
      { value: 16 },
    ])
  })

  it.each([
    '"version"=1.0;authorizationrules{=>permit();};',
    'version=1.0;"authorizationrules"{=>permit();};',
    'version=1.0;authorizationrules{=>permit();};"issuancerules"{};',
    'version=1.0;authorizationrules"{"=>permit();};',
    'version=1.0;authorizationrules{"=>"permit();};',
    'version=1.0;authorizationrules{[type=="a"]"=>"permit();};',
    'version=1.0;authorizationrules{=>"permit"();};',
    'version=1.0;authorizationrules{["type"=="a"]=>permit();};',
    'version=1.0;authorizationrules{[type "==" "a"]=>permit();};',
    'version=1.0;authorizationrules{"c":[type=="a"]=>permit();};',
    'version=1.0;authorizationrules{c:[type=="a"]=>add("claim"=c);};',
    'version=1.0;authorizationrules{c:[type=="a"]=>add(claim="c");};',
    'version=1.2;authorizationrules{=>add(type="a",value="NegateBool"(true));};',
  ])('takes no text for a word or a sign: %s', (text) => {
    expect(refusal(text).code).toBe('PolicyParsingError')
  })

  it('has no comments and no identifier where none is written', () => {
    const read = parsePolicy('version=1.0;authorizationrules{[type=="a"]=>permit();};')
    expect(read).not.toHaveProperty('comments')
    expect(read.authorizationRules[0]!.conditions[0]).not.toHaveProperty('id')
  })

  it('leaves to the evaluation what is not written out', () => {
    for (const rule of [
      'c:[type=="a"] && [value<c.value]=>permit();',
      'c:[type=="a"]=>add(type=c.type,value=c.value,valueType="String");',
      'c:[type=="a"]=>add(type="b",value=c.value,valueType=c.valueType);',
      '=>add(type="omit_x5c",value=1);',
    ])
      expect(parsePolicy(`version=1.2;authorizationrules{${rule}};`).authorizationRules).toHaveLength(1)
    for (const rule of ['type="omit_x5c",value=c.value', 'type=c.type,value=1', 'claim=c'])
      expect(
        parsePolicy(`version=1.2;configurationrules{c:[type=="a"]=>issueproperty(${rule});};authorizationrules{};`)
          .configurationRules,
      ).toHaveLength(1)
    const other = 'version=1.2;authorizationrules{c:[type=="a"]=>add(type="b",value=1,issuer=c.issuer);};'
    expect(refusal(other).expected).toContain('AttestationPolicy')
    for (const name of ['isTrue', 'falsely'])
      expect(refusal(`version=1.2;authorizationrules{=>add(type="b",value=${name}.value);};`).expected).toContain(
        'identifier',
      )
  })

  it('takes any word for an identifier, one that is nearly a Boolean included', () => {
    const text = 'version=1.0;authorizationrules{True:[type=="a"] && [type=="b", value==True.value]=>permit();};'
    const [, second] = parsePolicy(text).authorizationRules[0]!.conditions
    expect(second!.tests[1]!.expression).toMatchObject({ kind: 'property', id: 'True', property: 'value' })
  })

  it.each([
    ['a missing semicolon', 'version=1.0;\nauthorizationrules{\n  =>permit()\n};', 4, 1, "';'"],
    ['one = in a condition', 'version=1.0;authorizationrules{[type="a"]=>permit();};', 1, 37, "'=='"],
    ['an unknown version', 'version=9.9;authorizationrules{};', 1, 9, '1.0'],
    [
      'permit in issuance rules',
      'version=1.0;authorizationrules{=>permit();};issuancerules{=>permit();};',
      1,
      61,
      'add()',
    ],
    ['an unknown operator', 'version=1.0;authorizationrules{[type=~"a"]=>permit();};', 1, 38, 'a character'],
    ['a function before 1.2', 'version=1.1;authorizationrules{=>add(type="a",value=NegateBool(true));};', 1, 53, '1.2'],
    ['! before 1.2', 'version=1.0;authorizationrules{![type=="a"]=>permit();};', 1, 32, '1.2'],
    ['configuration rules before 1.1', 'version=1.0;configurationrules{};authorizationrules{};', 1, 13, '1.1'],
    [
      'an identifier that nothing defines',
      'version=1.0;authorizationrules{=>permit();};issuancerules{=>issue(claim=c);};',
      1,
      73,
      'earlier condition',
    ],
    ['text after the end', `${permitAll('1.0')} more`, 1, 62, 'the end'],
    ['a string without an end', 'version=1.0;authorizationrules{[type=="a', 1, 39, 'closing'],
    ['a typographic quotation mark', 'version=1.0;authorizationrules{[type==”a”]=>permit();};', 1, 39, 'straight'],
    [
      'a property with a value that it does not take',
      'version=1.1;configurationrules{=>issueproperty(type="omit_x5c",value=1);};authorizationrules{};',
      1,
      70,
      'true or false',
    ],
    ['an order of strings', 'version=1.0;authorizationrules{[type=="a",value>"b"]=>permit();};', 1, 49, 'integer'],
    ['a segment that is not closed', 'version=1.0;\nauthorizationrules{\n=>permit();\nissuancerules{};', 4, 1, "'}'"],
    ['an action without an arrow', 'version=1.0;authorizationrules{permit();};', 1, 32, "'=>'"],
    ['a text that ends within a segment', 'version=1.0;authorizationrules{=>permit();', 1, 43, "'}'"],
    ['single quotation marks', "version=1.0;authorizationrules{[type=='a']=>permit();};", 1, 39, 'straight double'],
    ['an or', 'version=1.0;authorizationrules{[type=="a"]||[type=="b"]=>permit();};', 1, 43, "no 'or'"],
    ['a comment of another language', 'version=1.0;/* a */authorizationrules{};', 1, 13, 'begins with //'],
    ['another arrow', 'version=1.0;authorizationrules{->permit();};', 1, 32, "'=>'"],
    [
      'a Boolean in capitals',
      'version=1.0;authorizationrules{[type=="a",value==True]=>permit();};',
      1,
      50,
      'lower case',
    ],
  ])('refuses %s with its place', (_name, text, line, column, expected) => {
    const error = refusal(text)
    expect(error).toMatchObject({ code: 'PolicyParsingError', position: { line, column } })
    expect(error.expected).toContain(expected)
  })

  it.each([
    'x-ms-compliance-status',
    'X-MS-Compliance-Status',
    'iss',
    'exp',
    'x-strongroom-simulated',
    'tdx_mrtd',
    '__proto__',
  ])('refuses a policy that would speak for the service by issuing %s', (type) => {
    const text = `version=1.0;authorizationrules{=>permit();};issuancerules{=>issue(type="${type}", value="azure-compliant-cvm");};`
    expect(refusal(text).expected).toContain('a custom claim name')
  })

  it('refuses texts, rules, conditions and calls beyond the limits', () => {
    expect(refusal(permitAll('1.0', '//'.padEnd(policyLimits.textBytes + 1, 'x'))).expected).toContain('bytes')
    expect(refusal(permitAll('1.0', '=>deny();'.repeat(policyLimits.rules))).expected).toContain('rules')
    const many = Array.from({ length: policyLimits.conditionsPerRule + 1 }, () => '[type=="a"]').join('&&')
    expect(refusal(permitAll('1.0', `${many}=>deny();`)).expected).toContain('conditions')
    const nested = `${'NegateBool('.repeat(5_000)}true${')'.repeat(5_000)}`
    expect(refusal(permitAll('1.2', `=>add(type="a",value=${nested});`)).expected).toContain('nested')
  })

  it('ends in a policy or a refusal with a place inside the text, whatever it is given', () => {
    const words = fc.constantFrom(
      'version',
      '=',
      '1.0',
      '1.2',
      ';',
      'authorizationrules',
      'issuancerules',
      '{',
      '}',
      '[',
      ']',
      '=>',
      '==',
      '!',
      'c',
      ':',
      '.',

      'permit',
      'deny',
      'add',
      'issue',
      '(',
      ')',
      'type',
      'value',
      '"a"',
      '1',
      'true',
      '&&',
      ',',
      '\n',
      '//',
      'JmesPath',
      '"',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((list) => list.join(' ')),
        ),
        (text) => {
          try {
            parsePolicy(text)
          } catch (error) {
            if (!(error instanceof PolicyError)) throw error
            const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
            expect(error.position.line).toBeLessThanOrEqual(lines.length)
            expect(error.position.column).toBeLessThanOrEqual((lines[error.position.line - 1] ?? '').length + 1)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('printing a policy', () => {
  const name = fc
    .stringMatching(/^[a-z][a-z0-9]{0,5}$/)
    .filter((text) => !['claim', 'true', 'false', 'type', 'value', 'issuer'].includes(text))
  const escape = (text: string): string =>
    [...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
  const literal = fc.oneof(
    fc.string({ unit: 'binary' }).map((text) => `"${escape(text)}"`),
    fc.constantFrom('"\\\\b"', '"\\n/\\/"', 'true', 'false'),
    fc.integer().map(String),
  )
  const condition = fc.tuple(name, literal).map(([type, value]) => `[type=="${type}", value==${value}]`)
  const rule = fc
    .tuple(fc.array(condition, { maxLength: 3 }), fc.constantFrom('permit()', 'deny()', 'add(type="mine", value=1)'))
    .map(([conditions, action]) => `${conditions.join('&&')}=>${action};`)

  it('breaks rules that are too long for a line, and keeps comments where they belong', () => {
    const text = `version=1.0; // the version
authorizationrules{
  // who may
  [type=="x-ms-compliance-status", value=="azure-compliant-cvm", issuer=="AttestationService"] && /// and
  [type=="x-ms-sevsnpvm-is-debuggable", value==false] => permit(); // nobody else
  // at the end
};
// after all`
    expect(formatPolicy(parsePolicy(text))).toBe(`version=1.0;

// the version
authorizationrules
{
  // who may
  // / and
  // nobody else
  [type == "x-ms-compliance-status", value == "azure-compliant-cvm", issuer == "AttestationService"] &&
  [type == "x-ms-sevsnpvm-is-debuggable", value == false]
    => permit();
  // at the end
};

// after all
`)
  })

  it('gives a text that reads as the same policy', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 4 }), (rules) => {
        const once = formatPolicy(parsePolicy(`version=1.2;authorizationrules{${rules.join('\n')}};`))
        expect(formatPolicy(parsePolicy(once))).toBe(once)
      }),
    )
  })
})

const corpus = '/work/shared/evidence'
interface Case {
  path: string
  kind: string
  expected: { negative?: string }
}

describe.skipIf(!existsSync(`${corpus}/MANIFEST.json`))('the corpus of published policies (in /work/shared)', () => {
  const cases = existsSync(`${corpus}/MANIFEST.json`)
    ? (JSON.parse(readFileSync(`${corpus}/MANIFEST.json`, 'utf8')) as Case[]).filter(
        ({ kind }) => kind === 'maa-policy',
      )
    : []

  it('has cases', () => {
    expect(cases.length).toBeGreaterThan(5)
  })

  it.each(cases.map((each) => [each.path, each] as const))(
    '%s reads as the corpus says',
    (_path, { path, expected }) => {
      const text = readFileSync(`${corpus}/${path}`, 'utf8')
      if (expected.negative === undefined) parsePolicy(text)
      else expect(refusal(text).code).toBe('PolicyParsingError')
    },
  )
})
