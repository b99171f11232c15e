import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Environment } from './environment.ts'
import { evaluate, evaluateValue, type Scope } from './evaluate.ts'
import { isExpression, literalText, parseExpression } from './expression.ts'
import { templateFuel } from './template-fuel.ts'
import { TemplateError } from './template-error.ts'
import type { Value } from './values.ts'
import { resourceTypes } from '../resource-types.ts'

const environment: Environment = {
  subscriptionId: 'sub',
  types: resourceTypes,
  tenantId: 'tenant',
  scope: {
    kind: 'resourceGroup',
    id: '/subscriptions/sub/resourceGroups/rg',
    location: 'westeurope',
    group: { id: '/subscriptions/sub/resourceGroups/rg', name: 'rg', location: 'westeurope', tags: {} },
  },
  deployer: { objectId: 'me', tenantId: 'tenant', userPrincipalName: '' },
  deployment: { name: 'd', properties: {} },
  cloud: {},
}
const scope: Scope = {
  environment,
  fuel: templateFuel(),
  loops: [
    { name: 'outer', index: 3 },
    { name: 'inner', index: 5 },
  ],
  locals: new Map(),
  functions: new Map(),
  parameter: async (name) => ({ list: [1, 2, 3], object: { Deep: { a: 'b' } }, text: 'abc' })[name] ?? null,
  variable: async (name) => `variable ${name}`,
}
const run = async (text: string): Promise<Value> => await evaluate(parseExpression(`[${text}]`), scope)

describe('the template language', () => {
  it.each<[string, Value]>([
    ["'it''s'", "it's"],
    ["concat('a', 1, true())", 'a1True'],
    ['concat(createArray(1), createArray(2))', [1, 2]],
    ["format('{0:D3}-{1}{{}}', 7, 'x')", '007-x{}'],
    ["format('{0:N0}|{0:N}|{1:N1}', 8175133, 2)", '8,175,133|8,175,133.00|2.0'],
    ["base64ToJson(base64('{''one'': ''a''}')).one", 'a'],
    ["json('{''one'': [1]}').one[0]", 1],
    [
      "resourceId('Microsoft.Compute/disks/', 'd')",
      '/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Compute/disks/d',
    ],
    ["parameters('object').deep.A", 'b'],
    ["parameters('object')['Deep']['a']", 'b'],
    ["parameters('list')[add(1, 1)]", 3],
    ["coalesce(tryGet(parameters('object'), 'none'), 'else')", 'else'],
    ["if(equals('A', 'a'), 'yes', reference('nothing'))", 'yes'],
    ['and(not(false()), or(false(), true()))', true],
    [
      "resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')",
      '/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s',
    ],
    [
      "resourceId('other', 'Microsoft.Compute/disks', 'd')",
      '/subscriptions/sub/resourceGroups/other/providers/Microsoft.Compute/disks/d',
    ],
    [
      "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'x')",
      '/subscriptions/sub/providers/Microsoft.Authorization/roleDefinitions/x',
    ],
    ['resourceGroup().location', 'westeurope'],
    ['copyIndex()', 5],
    ["copyIndex('outer', 10)", 13],
    // RFC 4122 version 5 in ARM's namespace, as Python's uuid5 gives it.
    ["guid('a', 'b')", '2d796349-8c7e-55ec-9624-54ece82ed031'],
    ["length(uniqueString('a'))", 13],
    ["map(range(0, 3), lambda('x', mul(lambdaVariables('x'), 2)))", [0, 2, 4]],
    ["filter(createArray(1, 2, 3), lambda('x', greater(lambdaVariables('x'), 1)))", [2, 3]],
    ["reduce(createArray(1, 2, 3), 0, lambda('a', 'b', add(lambdaVariables('a'), lambdaVariables('b'))))", 6],
    ["sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))", [1, 2, 3]],
    ["toObject(createArray('a'), lambda('x', lambdaVariables('x')), lambda('x', 1))", { a: 1 }],
    ["union(createObject('a', 1), createObject('b', 2))", { a: 1, b: 2 }],
    [
      "items(createObject('b', 2, 'a', 1))",
      [
        { key: 'a', value: 1 },
        { key: 'b', value: 2 },
      ],
    ],
    ['intersection(createArray(1, 2), createArray(2, 3))', [2]],
    ["base64ToString(base64('ü'))", 'ü'],
    ["dateTimeAdd('2026-01-31T00:00:00Z', 'P1D', 'yyyy-MM-dd')", '2026-02-01'],
    ["uri('https://a.example/b/', 'c')", 'https://a.example/b/c'],
    ["padLeft('7', 3, '0')", '007'],
    ["substring('abc', 1, 1)", 'b'],
    ["replace('a.b.c', '.', '$&')", 'a$&b$&c'],
    ["tryGet(parameters('object'), 'Deep', 'a')", 'b'],
    ['json(\'{"a":[1]}\').a[0]', 1],
    ["variables('v')", 'variable v'],
    ["split('a;b,c', createArray(';', ','))", ['a', 'b', 'c']],
    ['div(7, -2)', -3],
    ["cidrSubnet('10.144.0.0/20', 24, 1)", '10.144.1.0/24'],
    ["cidrHost('10.144.3.0/24', 0)", '10.144.3.1'],
    [
      "parseCidr('10.144.3.7/20')",
      {
        network: '10.144.0.0',
        netmask: '255.255.240.0',
        broadcast: '10.144.15.255',
        firstUsable: '10.144.0.1',
        lastUsable: '10.144.15.254',
        cidr: 20,
      },
    ],
    ["pickZones('Microsoft.Compute', 'virtualMachines', 'westeurope', 2, 1)", ['2', '3']],
    ["providers('Microsoft.Compute', 'disks').resourceType", 'disks'],
    ['indexFromEnd(createArray(1, 2, 3), 1)', 3],
    ['tryIndexFromEnd(createArray(1), 2)', null],
    ["mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))", { a: 2 }],
    ["parseUri('https://a.example:8443/b?c=d').port", 8443],
    ['deployer().objectId', 'me'],
    [
      "managementGroupResourceId('root', 'Microsoft.Authorization/policies', 'p')",
      '/providers/Microsoft.Management/managementGroups/root/providers/Microsoft.Authorization/policies/p',
    ],
  ])('%s', async (text, expected) => {
    expect(await run(text)).toEqual(expected)
  })

  it.each([
    ["concat('a'", 'expected'],
    ['nothing()', "'nothing' is not valid"],
    ["parameters('list')[9]", "doesn't exist"],
    ["reference('x')", 'not expected at this location'],
    ['div(1, 0)', 'divisor other than 0'],
    ["dateTimeAdd('2026-02-30T00:00:00Z', 'P1D')", 'expects a date'],
    ["dateTimeAdd('20260230T000000Z', 'P1D')", 'expects a date'],
    ["dateTimeToEpoch('2026-02-30T00:00:00Z')", 'a date'],
    ["substring('abc', 2, 5)", 'outside'],
    ['range(0, 100000)', 'count'],
    ["resourceId('Microsoft.Compute/disks')", 'requires 1'],
    ["copyIndex('none')", 'copy loop'],
    ['constructor()', 'is not valid'],
    ["parameters('object').constructor", "doesn't exist"],
    ["parameters('object').__proto__", "doesn't exist"],
    ["format('{3}', 1)", 'no argument 3'],
    ['1 2', 'the end of the expression'],
    [`${'not('.repeat(80)}true()${')'.repeat(80)}`, 'levels'],
  ])('refuses %s', async (text, reason) => {
    await expect(run(text)).rejects.toThrow(reason)
    await expect(run(text)).rejects.toBeInstanceOf(TemplateError)
  })

  it('takes a text that is not an expression as it is, and [[ as a bracket', async () => {
    expect([isExpression('[a]'), isExpression('[[a]'), isExpression('a[b]'), literalText('[[a]')]).toEqual([
      true,
      false,
      false,
      '[a]',
    ])
    expect(
      await evaluateValue(
        { a: ['[[x]', "[toUpper('y')]"], copy: [{ name: 'n', count: 2, input: "[copyIndex('n')]" }] },
        scope,
      ),
    ).toEqual({
      a: ['[x]', 'Y'],
      n: [0, 1],
    })
  })

  it('takes no more steps than a template may, and lets others come in between', async () => {
    const many = "map(range(0, 9000), lambda('x', length(map(range(0, 9000), lambda('y', 1)))))"
    let others = 0
    const timer = setInterval(() => (others += 1), 1)
    await expect(evaluate(parseExpression(`[${many}]`), { ...scope, fuel: templateFuel() })).rejects.toThrow('steps')
    clearInterval(timer)
    expect(others).toBeGreaterThan(10)
  })

  it('makes nothing that doubles itself into more than can be held', async () => {
    const doubled = { ...scope, fuel: templateFuel() }
    doubled.variable = async (name) => {
      const n = Number(name)
      if (n === 0) return ['x']
      return await evaluate(parseExpression(`[createArray(variables('${n - 1}'), variables('${n - 1}'))]`), {
        ...doubled,
        variable: async () => (held[n - 1] ??= await doubled.variable(String(n - 1))),
      })
    }
    const held: Value[] = []
    await expect(doubled.variable('60')).rejects.toThrow('too large')
    const deep = `${'['.repeat(500)}${']'.repeat(500)}`
    await expect(run(`json('${deep}')`)).rejects.toThrow(TemplateError)
  })

  it('keeps an unused branch from being evaluated', async () => {
    expect(await run("if(false(), div(1, 0), 'fine')")).toBe('fine')
  })

  it('refuses or evaluates any text, and fails in no other way', async () => {
    const pieces = fc.constantFrom(
      'concat',
      'parameters',
      "'x'",
      '(',
      ')',
      '[',
      ']',
      '.',
      ',',
      '?',
      ' ',
      '1',
      '-',
      "'",
      'a',
      'if',
      'format',
      "'{0}'",
      'lambda',
      'map',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { maxLength: 24 }), async (parts) => {
        try {
          await run(parts.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('gives back any text that is quoted', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        expect(await run(`'${text.replaceAll("'", "''")}'`)).toBe(text)
      }),
    )
  })
})
