import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress, parseCidr } from '../providers/network/virtual-network/cidr.ts'
import { networkFunctions } from './networks.ts'
import { TemplateError } from './template-error.ts'
import { holdsSecrets, resolveType, typeProblem } from './types.ts'
import type { Obj } from './values.ts'

/** Any type-shaped value, two levels deep; deeper ones arise from references. */
const typeOf = (inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.record(
    {
      type: fc.constantFrom('string', 'int', 'bool', 'object', 'array', 'secureString', 'other'),
      $ref: fc.constantFrom('#/definitions/a', '#/definitions/b', '#/definitions/none', 'x'),
      nullable: fc.boolean(),
      properties: fc.dictionary(fc.constantFrom('a', 'b'), inner, { maxKeys: 2 }),
      additionalProperties: fc.oneof(fc.boolean(), inner),
      items: fc.oneof(fc.constant(false), inner),
      prefixItems: fc.array(inner, { maxLength: 2 }),
      allowedValues: fc.array(fc.jsonValue(), { maxLength: 2 }),
      minLength: fc.integer(),
      discriminator: fc.record({
        propertyName: fc.constant('a'),
        mapping: fc.dictionary(fc.string(), inner, { maxKeys: 2 }),
      }),
    },
    { requiredKeys: [] },
  )
const type = typeOf(typeOf(fc.record({ $ref: fc.constantFrom('#/definitions/a', '#/definitions/b') })))

describe('types of a template', () => {
  it('are read or refused, whatever they are, with values of any form', () => {
    fc.assert(
      fc.property(type, type, type, fc.jsonValue(), (one, a, b, value) => {
        const definitions = { a, b } as Obj
        try {
          holdsSecrets(one as Obj, definitions)
          typeProblem(value, one as Obj, definitions)
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('that refer to each other end in a refusal', () => {
    const definitions = { a: { $ref: '#/definitions/b' }, b: { $ref: '#/definitions/a' } }
    expect(() => resolveType({ $ref: '#/definitions/a' }, definitions)).toThrow(TemplateError)
  })

  it('that hold themselves are bounded by the value', () => {
    const branch = (): Obj => ({ $ref: '#/definitions/tree', nullable: true })
    const tree = { type: 'object', properties: { next: branch(), other: branch(), third: branch() } }
    const definitions = { tree }
    expect(holdsSecrets(definitions.tree, definitions)).toBe(false)
    expect(typeProblem({ next: { next: {} } }, definitions.tree, definitions)).toBeUndefined()
    expect(typeProblem({ next: { next: 1 } }, definitions.tree, definitions)?.path).toBe('next.next')
  })
})

describe('networks in a template', () => {
  const { cidrsubnet, cidrhost, parsecidr } = networkFunctions as Required<typeof networkFunctions>

  it('are split into networks within them, which do not overlap', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.integer({ min: 1, max: 30 }), fc.nat(8), fc.nat(255), (at, bits, more, n) => {
        const wanted = Math.min(32, bits + more)
        const index = n % 2 ** (wanted - bits)
        const outer = `${formatAddress(at)}/${bits}`
        const inner = parseCidr(cidrsubnet!([outer, wanted, index], 'cidrSubnet') as string)!
        const whole = parsecidr!([outer], 'parseCidr') as { network: string }
        const first = parseCidr(`${whole.network}/${bits}`)!
        expect(inner.bits).toBe(wanted)
        expect(inner.first).toBe(first.first + index * 2 ** (32 - wanted))
        expect(inner.last).toBeLessThanOrEqual(first.last)
      }),
    )
  })

  it('are refused in the language’s own words, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.jsonValue()), fc.anything(), (network, number) => {
        for (const work of [cidrsubnet!, cidrhost!, parsecidr!]) {
          try {
            work([network, number, number], 'cidr')
          } catch (error) {
            expect(error).toBeInstanceOf(TemplateError)
          }
        }
      }),
      // A value whose own members shadow an object's methods.
      { examples: [[{ toString: '' }, { valueOf: 1, toString: 1 }]], numRuns: 1_000 },
    )
  })
})
