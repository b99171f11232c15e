import { costOf } from '@strongroom/platform/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { address, deploymentBody, deploymentPath, template } from '../testing/templates.ts'
import {
  group,
  networkPath,
  subscriptionId,
  tenantId,
  vmPath,
  vmRequest,
  type Loose,
  type TestReply,
} from '../testing/test-plane.ts'
import { ResourceStore } from '../store/resources.ts'
import { keyOf } from './ids/resource-id.ts'

const subscription = `/subscriptions/${subscriptionId}`
const tenant = '0f2a9f3e-0000-4000-8000-00000000a77a'
const contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await plane.send('PUT', group, { location: 'westeurope' })
  const assignment = `${group}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000001`
  const roleDefinitionId = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${contributor}`
  const given = await plane.send('PUT', assignment, { properties: { principalId: tenant, roleDefinitionId } })
  expect(given.status).toBe(201)
})
afterAll(async () => await plane.close())

const ask = async (method: string, path: string, body: object): Promise<TestReply> =>
  await plane.send(method, path, body, { as: tenant })
const validate = async (t: Loose): Promise<Loose> =>
  (await ask('POST', `${deploymentPath()}/validate`, deploymentBody(t))).body
const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))

/** One thread answers everybody: these occupied it for a minute to an hour, with rights in one group. */
describe('one request within the limit of its length', () => {
  const slashes = `${'/'.repeat(2_000_000)}x`

  it('is read in no more time than in proportion to it, whatever stands in its ids (attack W22)', async () => {
    expect(keyOf(`/A${slashes}//`)).toBe(`/a${slashes}`)
    const moves = { resources: [slashes], targetResourceGroup: slashes }
    expect((await ask('POST', `${group}/moveResources`, moves)).status).toBe(400)
    const nic = {
      location: 'westeurope',
      properties: { ipConfigurations: [{ name: 'a', properties: { subnet: { id: `${group}${slashes}` } } }] },
    }
    expect((await ask('PUT', networkPath('networkInterfaces', 'n'), nic)).status).toBe(400)
    const wanted = template([address('a', { scope: `${subscription}${slashes}` })])
    expect((await validate(wanted)).error.code).toBeDefined()
    expect((await validate(template([address('a', { dependsOn: [slashes] })]))).error.message).toContain(
      'is not defined',
    )
  })

  it('holds no lists that are compared with each other entry by entry (attack W22)', async () => {
    const location = 'westeurope'
    const guid = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
    const accessPolicies = many(10_000, (n) => ({ tenantId, objectId: guid(n) }))
    const vault = { location, properties: { tenantId, sku: { family: 'A', name: 'standard' }, accessPolicies } }
    const subnets = many(6_000, (n) => ({
      name: `${n}`,
      properties: { addressPrefix: `10.${n >> 13}.${(n >> 5) & 255}.${(n & 31) * 8}/29` },
    }))
    const net = { location, properties: { addressSpace: { addressPrefixes: ['10.0.0.0/8'] }, subnets } }
    for (const [path, body, most] of [
      [`${group}/providers/Microsoft.KeyVault/vaults/kv`, vault, 2_048],
      [networkPath('virtualNetworks', 'n'), net, 3_000],
    ] as const) {
      const { status, body: answer } = await ask('PUT', path, body)
      expect([status, answer.error.code]).toEqual([400, 'InvalidRequestContent'])
      expect(answer.error.message).toContain(`a list of at most ${most} entries`)
    }
  })

  it('looks up no reference of a list or a map that is longer than any (attack W22)', async () => {
    const find = vi.spyOn(ResourceStore.prototype, 'find')
    const id = (n: number): string => networkPath('networkInterfaces', `n${n}`)
    const nics = many(5_000, (n) => ({ id: id(n), properties: { primary: n === 0 } }))
    const disks = many(5_000, (n) => ({ lun: n, createOption: 'Attach', managedDisk: { id: id(n) } }))
    const identities = Object.fromEntries(many(5_000, (n) => [id(n), {}]))
    const vm = (): Loose => vmRequest('many')
    const [interfaces, attached, acting] = [vm(), vm(), vm()]
    interfaces.properties.networkProfile.networkInterfaces = nics
    attached.properties.storageProfile.dataDisks = disks
    acting.identity = { type: 'UserAssigned', userAssignedIdentities: identities }
    for (const [target, body] of [
      ['properties.networkProfile.networkInterfaces', interfaces],
      ['properties.storageProfile.dataDisks', attached],
      ['identity.userAssignedIdentities', acting],
    ] as const) {
      find.mockClear()
      const { status, body: answer } = await ask('PUT', vmPath('many'), body)
      expect([status, answer.error.code, answer.error.target]).toEqual([400, 'InvalidRequestContent', target])
      expect(answer.error.innererror).toMatchObject({
        expected: expect.stringMatching(/at most 100/),
        found: expect.stringMatching(/^5000 /),
      })
      expect(find.mock.calls.length, target).toBeLessThan(50)
    }
    find.mockRestore()
  })

  it('makes no template whose resources are looked for again with each name of each (attack W22)', async () => {
    const copies = { name: 'loop', count: 790 }
    const made = address("[concat('a', copyIndex())]", { copy: copies })
    const left = address('left', { condition: false })
    const names = many(40_000, (n) => `p${n}/providers/Microsoft.Network/publicIPAddresses/left`)
    const waits = address('waits', { dependsOn: [...names, ...many(30_000, () => 'loop')] })
    const { error, properties } = await validate(template([made, left, waits]))
    expect([error, properties?.validatedResources.length]).toEqual([undefined, 791])
    // What each iteration of a loop contains counts every time.
    const heavy = address("[concat('b', copyIndex())]", { copy: copies, dependsOn: many(2_000, () => 'left') })
    expect((await validate(template([heavy, left]))).error.message).toContain('with its loops written out')
  })

  it('evaluates no template without an end (attack W22)', async () => {
    const loop = (name: string, input: unknown): Loose => ({ copy: [{ name, count: 800, input }] })
    const numbers = many(100_000, (n) => n)
    const text = 'a'.repeat(1_000_000)
    for (const [variables, value, said] of [
      [loop('a', loop('b', loop('c', 0))), "[length(variables('a'))]", 'more than 250000 steps'],
      [{ numbers }, "[length(distinct(variables('numbers')))]", undefined],
      [{ numbers }, "[length(union(variables('numbers'), variables('numbers')))]", undefined],
      [{ numbers }, "[length(intersection(variables('numbers'), variables('numbers')))]", undefined],
      [{ numbers }, "[max(variables('numbers'))]", undefined],
      [
        { text, ...loop('a', "[or(contains(variables('text'), 'b'), contains(variables('text'), 'c'))]") },
        "[variables('a')]",
        'more than 250000 steps',
      ],
      [{ text }, "[replace(variables('text'), 'a', variables('text'))]", 'is too large'],
      [
        { text, signs: many(200, (n) => `${n}`) },
        "[split(variables('text'), variables('signs'))]",
        'at most 100 delimiters',
      ],
      [Object.fromEntries(many(7_900, (n) => [`v${n}`, 0])), '[1]', 'too many variables'],
    ] as const) {
      const made = address("[concat('a', string(empty(parameters('value'))))]")
      const { error } = await validate(
        template([made], {
          variables,
          parameters: { value: { type: 'string', defaultValue: `[string(${value.slice(1, -1)})]` } },
        }),
      )
      if (said === undefined) expect(error, value).toBeUndefined()
      else expect(error?.message, value).toContain(said)
    }
  }, 240_000)

  it('makes no template whose order takes longer than in proportion to what waits for what (attack W22)', async () => {
    const chain = many(600, (n) => address(`c${n}`, { dependsOn: many(n, (before) => `c${before}`) }))
    expect((await validate(template(chain))).properties.validatedResources).toHaveLength(600)
    const cycle = template([...chain, address('d', { dependsOn: ['e'] }), address('e', { dependsOn: ['d', 'c0'] })])
    expect((await validate(cycle)).error.message).toContain('Circular dependency')
  })

  it('compares no row with more terms than a client joins (attack W22)', async () => {
    const terms = (count: number): string => many(count, () => "tagName eq 'a'").join(' and ')
    const list = async (path: string, filter: string): Promise<TestReply> =>
      await plane.send('GET', `${path}&$filter=${encodeURIComponent(filter)}`, undefined, {})
    for (const path of [`${subscription}/resources`, `${group}/resources`, `${subscription}/resourceGroups`]) {
      const [few, more] = [
        await list(`${path}?api-version=2024-03-01`, terms(16)),
        await list(`${path}?api-version=2024-03-01`, terms(17)),
      ]
      expect([few.status, more.status, more.body.error?.code]).toEqual([200, 400, 'InvalidFilterInQueryString'])
    }
    const usage = `${subscription}/providers/Microsoft.Consumption/usageDetails?api-version=2023-05-01`
    const names = many(17, () => "instanceName eq 'a'").join(' and ')
    expect((await list(usage, names)).body.error?.code).toBe('InvalidFilterInQueryString')
  })

  it('sums no costs by more clauses than a report has (attack W22)', async () => {
    const path = `${group}/providers/Microsoft.CostManagement/query`
    const aggregation = (count: number): Loose =>
      Object.fromEntries(many(count, (n) => [`sum${n}`, { name: 'Cost', function: 'Sum' }]))
    const query = (dataset: Loose): Loose => ({ type: 'ActualCost', timeframe: 'MonthToDate', dataset })
    for (const [few, more] of [
      [{ aggregation: aggregation(15) }, { aggregation: aggregation(16) }],
      [
        { grouping: many(15, () => ({ type: 'Dimension', name: 'Meter' })) },
        { grouping: many(16, () => ({ type: 'Dimension', name: 'Meter' })) },
      ],
    ] as const) {
      expect((await plane.send('POST', path, query(few), {})).status).toBe(200)
      const refused = await plane.send('POST', path, query(more), {})
      expect([refused.status, refused.body.error.message]).toEqual([400, expect.stringContaining('at most')])
    }
  })

  it('defines no role whose patterns take the thread with each request of its holders (attack W22)', async () => {
    const role = (actions: string[]): Loose => ({
      properties: { roleName: 'many', permissions: [{ actions }], assignableScopes: [group] },
    })
    const path = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000f1`
    const pattern = `Microsoft.Compute/${'*a'.repeat(80)}/read`
    const put = async (count: number): Promise<TestReply> =>
      await plane.send('PUT', path, role(many(count, () => pattern)), {})
    expect((await put(257)).body.error?.code).toBe('InvalidActionOrNotAction')
    expect((await put(256)).status).toBe(201)
    const name = '00000000-0000-4000-8000-0000000000f2'
    const given = `${group}/providers/Microsoft.Authorization/roleAssignments/${name}`
    const properties = { principalId: '0f2a9f3e-0000-4000-8000-00000000b0b0', roleDefinitionId: path }
    expect((await plane.send('PUT', given, { properties }, {})).status).toBe(201)
    const cost = await costOf(
      async () => await plane.send('GET', `${group}`, undefined, { as: '0f2a9f3e-0000-4000-8000-00000000b0b0' }),
    )
    expect(cost.held).toBeLessThan(250)
  })
})
