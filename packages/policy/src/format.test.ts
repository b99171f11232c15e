import { describe, expect, it } from 'vitest'
import { formatPolicy, formatRule } from './format.ts'
import { parsePolicy } from './parser.ts'

const printed = (rule: string): string =>
  formatRule(parsePolicy(`version=1.2;authorizationrules{${rule}};`).authorizationRules[0]!)

describe('the layout of a policy', () => {
  it.each([
    ['=>permit( );', '=> permit();'],
    ['![type=="a",value!=1]=>deny();', '![type == "a", value != 1] => deny();'],
    ['c:[type=="a"]&&!d:[value<=c.value]=>permit();', 'c:[type == "a"] && !d:[value <= c.value] => permit();'],
    ['c:[type=="a"]=>add(claim=c);', 'c:[type == "a"] => add(claim = c);'],
    ['=>issue(type="a",value=0x10);', '=> issue(type = "a", value = 16);'],
    [
      '=>add(type="a",value=AppendString("b",JmesPath("{}","c")));',
      '=> add(type = "a", value = AppendString("b", JmesPath("{}", "c")));',
    ],
    [
      String.raw`=>add(type="a\"\\\/\u0008\u000c\n\\b",value=true);`,
      String.raw`=> add(type = "a\"\\/\u0008\u000c\n\\b", value = true);`,
    ],
  ])('of a rule: %s', (rule, line) => {
    expect(printed(rule)).toBe(line)
  })

  it('breaks a rule whose line has more than 120 characters, and none that has no condition', () => {
    const policy = (length: number, condition = true): string => {
      const rule = `${condition ? '[type == "a"] && ' : ''}`
      const rest = condition
        ? `[type == "${'b'.repeat(length)}"] => permit();`
        : `=> add(type = "${'b'.repeat(length)}", value = 1);`
      return formatPolicy(parsePolicy(`version=1.0;authorizationrules{${rule}${rest}};`))
        .split('\n')
        .slice(4, -2)
        .join('\n')
    }
    // Two spaces, the first condition, the rest.
    const fits = 120 - '  [type == "a"] && [type == ""] => permit();'.length
    expect(policy(fits)).toHaveLength(120)
    expect(policy(fits + 1)).toBe(`  [type == "a"] &&\n  [type == "${'b'.repeat(fits + 1)}"]\n    => permit();`)
    expect(policy(200, false)).toBe(`  => add(type = "${'b'.repeat(200)}", value = 1);`)
  })

  it('of each segment that is there, empty or not, with the comments of each place', () => {
    const text = `// first
version=1.2; // version's
configurationrules{
 // configured
}; // before
authorizationrules{ => permit(); //
};
// issued
issuancerules{};
// last
// of all`
    expect(formatPolicy(parsePolicy(text))).toBe(`// first
version=1.2;

// version's
configurationrules
{
  // configured
};

// before
authorizationrules
{
  //
  => permit();
};

// issued
issuancerules
{
};

// last
// of all
`)
    expect(formatPolicy(parsePolicy('version=1.0;authorizationrules{=>deny();=>permit();};'))).toBe(
      'version=1.0;\n\nauthorizationrules\n{\n  => deny();\n  => permit();\n};\n',
    )
    expect(formatPolicy(parsePolicy('version=1.0;authorizationrules{};'))).toBe(
      'version=1.0;\n\nauthorizationrules\n{\n};\n',
    )
  })

  it('keeps a comment with the rule on whose line it stands, or before which', () => {
    const text = `version=1.0;authorizationrules{
  => permit(); // first's
  // second's
  => deny(); => permit(); // third's
  // end
};`
    expect(parsePolicy(text)).toMatchObject({
      authorizationRules: [{ comments: ["first's"] }, { comments: ["second's"] }, { comments: ["third's"] }],
      comments: { 'authorizationrules end': ['end'] },
    })
    const [, , third] = parsePolicy(text).authorizationRules
    expect(parsePolicy('version=1.0;authorizationrules{=>permit();};').authorizationRules[0]).not.toHaveProperty(
      'comments',
    )
    expect(third!.position).toEqual({ line: 4, column: 14 })
  })
})
