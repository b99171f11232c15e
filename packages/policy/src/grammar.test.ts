import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Claim } from './claim.ts'
import { evaluatePolicy, type PolicyOutcome } from './evaluation.ts'
import { formatPolicy } from './format.ts'
import { lintPolicy } from './lint.ts'
import { parsePolicy } from './parser.ts'
import { PolicyError } from './policy-error.ts'
import { explainPolicy } from './trace.ts'

// Policies are generated from the grammar (facts section 5.5), production by production, so each one is valid.

type Version = '1.0' | '1.1' | '1.2'
const identifiers = ['c', 'c1', 'c2', 'F1', 'x_y']
const types = ['a', 'b', 'x-ms-compliance-status', 'Ünicode "quoted"', 'back\\slash', 'tab\there']
const queries = ['@', 'a', 'a[0]', "[?x == 'y']", 'length(@)', 'keys(@)', '[*].a | [0]', 'not a query [']

const quote = (text: string): string =>
  `"${text.replaceAll(/["\\]/g, String.raw`\$&`).replaceAll('\t', String.raw`\t`)}"`
const blank = fc.constantFrom('', ' ', '\n', '\t', ' // a comment\n', '\r\n  ')
const glue = (...parts: (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      ...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)),
      fc.array(blank, { minLength: 12, maxLength: 12 }),
    )
    .map((all) => {
      const blanks = all.at(-1) as string[]
      return (all.slice(0, -1) as string[]).map((part, index) => part + (blanks[index % blanks.length] ?? '')).join('')
    })

const literal: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...types).map(quote),
  fc.constantFrom('true', 'false', '0', '-7', '0x1F', '9007199254740991'),
)

const expression = (bound: string[], version: Version, depth: number): fc.Arbitrary<string> => {
  const simple: fc.Arbitrary<string>[] = [literal]
  if (bound.length > 0)
    simple.push(
      fc
        .tuple(fc.constantFrom(...bound), fc.constantFrom('value', 'type', 'issuer', 'valueType'))
        .map((pair) => pair.join('.')),
    )
  if (version !== '1.2' || depth === 0) return fc.oneof(...simple)
  const inner = expression(bound, version, depth - 1)
  return fc.oneof(
    ...simple,
    glue('JmesPath', '(', inner, ',', fc.oneof(fc.constantFrom(...queries).map(quote), inner), ')'),
    ...['IsSubsetOf', 'AppendString', 'ContainsOnlyValue'].map((name) => glue(name, '(', inner, ',', inner, ')')),
    ...['JsonToClaimValue', 'NegateBool'].map((name) => glue(name, '(', inner, ')')),
  )
}

const test = (bound: string[], version: Version): fc.Arbitrary<string> =>
  fc.oneof(
    fc
      .tuple(fc.constantFrom('==', '!='), fc.constantFrom(...types))
      .map(([operator, type]) => `type ${operator} ${quote(type)}`),
    glue('value', fc.constantFrom('==', '!='), expression(bound, version, 1)),
    fc
      .tuple(fc.constantFrom('<', '<=', '>', '>='), fc.integer({ min: -3, max: 300 }))
      .map(([operator, n]) => `value${operator}${n}`),
    fc.constantFrom(
      'issuer=="AttestationService"',
      'issuer != "AttestationPolicy"',
      'valueType=="Integer"',
      'valueType!="String"',
    ),
  )

interface Conditions {
  text: string
  /** Identifiers bound to a claim. */
  bound: string[]
}

const conditions = (version: Version): fc.Arbitrary<Conditions> =>
  fc
    .array(fc.record({ negated: fc.boolean(), named: fc.boolean(), tests: fc.integer({ min: 1, max: 3 }) }), {
      maxLength: 3,
    })
    .chain((shapes) => {
      let made: fc.Arbitrary<Conditions> = fc.constant({ text: '', bound: [] })
      for (const [index, shape] of shapes.entries()) {
        made = made.chain(({ text, bound }) => {
          const negated = shape.negated && version === '1.2'
          const id = identifiers[index]!
          const tests = fc.array(test(bound, version), { minLength: shape.tests, maxLength: shape.tests })
          return tests.map((list) => ({
            text: `${text}${text === '' ? '' : ' && '}${negated ? '!' : ''}${shape.named ? `${id}:` : ''}[${list.join(', ')}]`,
            bound: shape.named && !negated ? [...bound, id] : bound,
          }))
        })
      }
      return made
    })

type Segment = 'configurationrules' | 'authorizationrules' | 'issuancerules'
const verbs = {
  configurationrules: ['issueproperty'],
  authorizationrules: ['add', 'issue'],
  issuancerules: ['add', 'issue', 'issueproperty'],
}

const action = (segment: Segment, bound: string[], version: Version): fc.Arbitrary<string> => {
  const made = glue(
    fc.constantFrom(...verbs[segment]),
    '(',
    'type',
    '=',
    '"made"',
    ',',
    'value',
    '=',
    expression(bound, version, 2),
    ')',
  )
  const copied =
    bound.length === 0
      ? []
      : [glue(fc.constantFrom(...verbs[segment]), '(', 'claim', '=', fc.constantFrom(...bound), ')')]
  const decided = segment === 'authorizationrules' ? [fc.constantFrom('permit()', 'deny( )', 'permit ()')] : []
  return fc.oneof(made, ...copied, ...decided)
}

const rule = (segment: Segment, version: Version): fc.Arbitrary<string> =>
  conditions(version).chain(({ text, bound }) => glue(text, '=>', action(segment, bound, version), ';'))

const segment = (name: Segment, version: Version): fc.Arbitrary<string> =>
  fc.array(rule(name, version), { maxLength: 4 }).chain((rules) => glue(name, '{', ...rules, '}', ';'))

const policyText: fc.Arbitrary<string> = fc
  .constantFrom<Version>('1.0', '1.1', '1.2')
  .chain((version) =>
    glue(
      'version',
      '=',
      version,
      ';',
      version === '1.0' ? '' : fc.oneof(fc.constant(''), segment('configurationrules', version)),
      segment('authorizationrules', version),
      fc.oneof(fc.constant(''), segment('issuancerules', version)),
    ),
  )

const claim: fc.Arbitrary<Claim> = fc.record({
  type: fc.constantFrom(...types, 'made'),
  value: fc.oneof(
    fc.constantFrom('y', '{"a":[1,2]}', '[{"x":"y"}]', 'null', '"t"'),
    fc.integer({ min: -3, max: 300 }),
    fc.boolean(),
  ),
  issuer: fc.constantFrom('AttestationService' as const, 'CustomClaim' as const),
})
const claims = fc.array(claim, { maxLength: 8 })

function outcome(text: string, incoming: Claim[]): PolicyOutcome | string {
  try {
    return evaluatePolicy(parsePolicy(text), incoming)
  } catch (error) {
    if (error instanceof PolicyError) return `${error.code} ${error.expected}`
    throw error
  }
}

/** Without positions and quotations of them, which layout changes. */
const plain = (result: PolicyOutcome | string): unknown => {
  if (typeof result === 'string') return result
  const { denial, ...rest } = result
  return { ...rest, denial: denial && { ...denial, position: undefined }, notes: rest.notes.length }
}

describe('every policy that the grammar makes', () => {
  it('reads, and prints in a layout that reads as the same policy', () => {
    fc.assert(
      fc.property(policyText, (text) => {
        const policy = parsePolicy(text)
        const printed = formatPolicy(policy)
        const again = parsePolicy(printed)
        expect(formatPolicy(again)).toBe(printed)
        const bare = (value: unknown): unknown =>
          JSON.parse(
            JSON.stringify(value, (key, member: unknown) =>
              ['position', 'comments'].includes(key) ? undefined : member,
            ),
          )
        expect(bare(again)).toEqual(bare(policy))
      }),
      { numRuns: 400 },
    )
  })

  it('keeps all its comments when it is printed', () => {
    const comments = (text: string): number => text.split('// a comment').length
    fc.assert(
      fc.property(policyText, (text) => {
        expect(comments(formatPolicy(parsePolicy(text)))).toBe(comments(text))
      }),
      { numRuns: 200 },
    )
  })

  it('ends in a decision or a refusal, the same whatever its layout, and the explanation tells the same', () => {
    fc.assert(
      fc.property(policyText, claims, (text, incoming) => {
        const direct = outcome(text, incoming)
        expect(plain(outcome(formatPolicy(parsePolicy(text)), incoming))).toEqual(plain(direct))
        const explained = explainPolicy(parsePolicy(text), incoming)
        expect(explained.outcome === undefined).toBe(typeof direct === 'string')
        if (typeof direct !== 'string') expect(explained.outcome).toEqual(direct)
        lintPolicy(parsePolicy(text))
      }),
      { numRuns: 400 },
    )
  })

  it('decides the same when a claim comes twice, or the claims in another order', () => {
    fc.assert(
      fc.property(policyText, claims, (text, incoming) => {
        const once = outcome(text, incoming)
        const twice = outcome(text, [...incoming, ...incoming])
        expect(plain(twice)).toEqual(plain(once))
        const turned = outcome(text, incoming.toReversed())
        if (typeof once !== 'string' && typeof turned !== 'string') expect(turned.permitted).toBe(once.permitted)
      }),
      { numRuns: 400 },
    )
  })

  it('permits nothing that a rule denies, and nothing without a permit()', () => {
    fc.assert(
      fc.property(policyText, claims, (text, incoming) => {
        const { outcome: result, rules } = explainPolicy(parsePolicy(text), incoming)
        if (result?.permitted !== true) return
        const ran = rules.filter(({ state }) => state === 'matched').flatMap(({ effects }) => effects)
        expect(ran).toContain('permit')
        expect(ran).not.toContain('deny')
      }),
      { numRuns: 300 },
    )
  })

  it('never lets a claim out that speaks for the service', () => {
    fc.assert(
      fc.property(policyText, claims, (text, incoming) => {
        const result = outcome(text, incoming)
        if (typeof result === 'string') return
        expect([...result.issued.keys()].filter((type) => type.startsWith('x-ms-'))).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})
