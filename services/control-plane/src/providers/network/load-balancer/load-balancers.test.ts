import { randomUUID } from 'node:crypto'
import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import {
  group,
  makeNetwork,
  networkPath,
  openTestPlane,
  subscriptionId,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

const location = 'westeurope'
const balancer = networkPath('loadBalancers', 'lb')
const subnet = { id: `${networkPath('virtualNetworks', 'vnet')}/subnets/default` }
const at = (kind: string, name: string): { id: string } => ({ id: `${balancer}/${kind}/${name}` })
const frontend = at('frontendIPConfigurations', 'front')
const pool = at('backendAddressPools', 'pool')

/** One of everything, as in the scale-set tutorial, with a probe and an outbound rule. */
const parts = (): Loose => ({
  frontendIPConfigurations: [
    { name: 'front', properties: { publicIPAddress: { id: networkPath('publicIPAddresses', 'ip') } } },
  ],
  backendAddressPools: [{ name: 'pool' }],
  probes: [
    {
      name: 'up',
      properties: { protocol: 'Http', port: 80, requestPath: '/', intervalInSeconds: 5, numberOfProbes: 2 },
    },
  ],
  loadBalancingRules: [
    {
      name: 'web',
      properties: {
        frontendIPConfiguration: frontend,
        backendAddressPool: pool,
        probe: at('probes', 'up'),
        protocol: 'tcp',
        frontendPort: 80,
        backendPort: '80',
      },
    },
  ],
  inboundNatRules: [
    {
      name: 'ssh',
      properties: {
        frontendIPConfiguration: frontend,
        backendAddressPool: pool,
        protocol: 'tcp',
        frontendPortRangeStart: '50000',
        frontendPortRangeEnd: '50119',
        backendPort: 22,
      },
    },
  ],
  outboundRules: [
    { name: 'out', properties: { frontendIPConfigurations: [frontend], backendAddressPool: pool, protocol: 'All' } },
  ],
})

describeStores('load balancers', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const fresh = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open())
    planes.push(plane)
    await makeNetwork(plane, 'vm1')
    const address = { location, sku: { name: 'Standard' }, properties: { publicIPAllocationMethod: 'Static' } }
    expect((await plane.send('PUT', networkPath('publicIPAddresses', 'ip'), address)).status).toBe(201)
    return plane
  }
  const put = async (plane: TestPlane, change: (parts: Loose) => unknown = () => {}): Promise<TestReply> => {
    const properties = parts()
    change(properties)
    return await plane.send('PUT', balancer, { location, sku: { name: 'Standard' }, properties })
  }
  const nic = async (plane: TestPlane, name: string, more: Loose, as?: string): Promise<TestReply> => {
    const properties = { ipConfigurations: [{ name: 'ip', properties: { subnet, ...more } }] }
    return await plane.send(
      'PUT',
      networkPath('networkInterfaces', name),
      { location, properties },
      as === undefined ? {} : { as },
    )
  }
  const codeOf = ({ status, body }: TestReply): unknown => (status < 300 ? status : body.error.code)

  it('are kept with their parts, each a resource of its own, and with what refers to them', async () => {
    const plane = await fresh()
    expect((await put(plane)).status).toBe(201)
    expect((await nic(plane, 'a', { loadBalancerBackendAddressPools: [pool] })).status).toBe(201)
    const { body } = await plane.send('GET', balancer)
    const [shown] = body.properties.backendAddressPools
    expect(shown).toMatchObject({
      ...pool,
      properties: {
        backendIPConfigurations: [{ id: `${networkPath('networkInterfaces', 'a')}/ipConfigurations/ip` }],
        loadBalancingRules: [at('loadBalancingRules', 'web')],
      },
    })
    expect((await plane.send('GET', pool.id)).body).toEqual(shown)
    expect(body.properties.loadBalancingRules[0].properties).toMatchObject({
      backendPort: 80,
      probe: at('probes', 'up'),
    })
    for (const kind of Object.keys(parts()))
      expect((await plane.send('GET', `${balancer}/${kind}`)).body.value, kind).toEqual(body.properties[kind])
    expect((await plane.send('GET', `${balancer}/probes/down`)).status).toBe(404)
    // A client may send back what it read.
    expect((await plane.send('PUT', balancer, body)).status).toBe(200)
    expect((await plane.send('GET', balancer)).body.properties).toEqual(body.properties)
    const held = (await plane.send('GET', networkPath('publicIPAddresses', 'ip'))).body.properties.ipConfiguration
    expect(held).toEqual(frontend)
  })

  it('are refused where a part is wrong or names what is not there', async () => {
    const plane = await fresh()
    const rule = (p: Loose): Loose => p['loadBalancingRules'][0].properties
    for (const [change, code] of [
      [
        (p: Loose) => (rule(p)['frontendIPConfiguration'] = at('frontendIPConfigurations', 'x')),
        'InvalidResourceReference',
      ],
      [
        (p: Loose) =>
          (rule(p)['backendAddressPool'] = {
            id: `${group}/providers/Microsoft.Network/loadBalancers/other/backendAddressPools/pool`,
          }),
        'InvalidResourceReference',
      ],
      [(p: Loose) => (rule(p)['probe'] = at('probes', 'x')), 'InvalidResourceReference'],
      [(p: Loose) => delete rule(p)['frontendIPConfiguration'], 'InvalidParameter'],
      [(p: Loose) => delete rule(p)['protocol'], 'InvalidParameter'],
      [(p: Loose) => (rule(p)['frontendPort'] = 65_535), 'InvalidRequestContent'],
      [(p: Loose) => (rule(p)['frontendPort'] = 50_100), 'RulesUseSameFrontendPortProtocolAndVip'],
      [
        (p: Loose) => ((rule(p)['protocol'] = 'All'), (rule(p)['frontendPort'] = 50_119)),
        'RulesUseSameFrontendPortProtocolAndVip',
      ],
      [(p: Loose) => p['backendAddressPools'].push({ name: 'POOL' }), 'InvalidParameter'],
      [(p: Loose) => (p['backendAddressPools'][0].name = '../x'), 'InvalidResourceName'],
      [(p: Loose) => delete p['probes'][0].properties.requestPath, 'InvalidParameter'],
      [(p: Loose) => delete p['frontendIPConfigurations'][0].properties.publicIPAddress, 'InvalidParameter'],
      [(p: Loose) => (p['frontendIPConfigurations'][0].properties.subnet = subnet), 'InvalidParameter'],
      [
        (p: Loose) => (p['frontendIPConfigurations'][0].properties.publicIPAddress.id += 'x'),
        'InvalidResourceReference',
      ],
      [
        (p: Loose) =>
          (p['frontendIPConfigurations'][0].properties.publicIPAddress.id = networkPath(
            'publicIPAddresses',
            'vm1PublicIP',
          )),
        'PublicIPAddressInUse',
      ],
      [
        (p: Loose) =>
          (p['outboundRules'][0].properties.frontendIPConfigurations[0] = at('frontendIPConfigurations', 'x')),
        'InvalidResourceReference',
      ],
      [(p: Loose) => (p['inboundNatPools'] = [{ name: 'a' }]), 'NotSupported'],
      [
        (p: Loose) => (p['backendAddressPools'][0].properties = { loadBalancerBackendAddresses: [{ name: 'a' }] }),
        'NotSupported',
      ],
    ] as const)
      expect(codeOf(await put(plane, change)), change.toString()).toBe(code)
    // Parts are compared with each other, so they are limited, and a range of ports is not walked port by port (attack W22).
    const many = (count: number, properties: (index: number) => Loose) =>
      Array.from({ length: count }, (_, index) => ({ name: `p${index}`, properties: properties(index) }))
    const range = (index: number): Loose => ({
      frontendIPConfiguration: at('frontendIPConfigurations', `f${index}`),
      protocol: 'All',
      frontendPortRangeStart: 1,
      frontendPortRangeEnd: 65_534,
      backendPort: 1,
    })
    for (const count of [500, 3000]) {
      const begun = process.cpuUsage()
      const refused = await put(plane, (p) => (p['inboundNatRules'] = many(count, range)))
      expect([refused.status, codeOf(refused)]).toEqual([
        400,
        count === 500 ? 'InvalidResourceReference' : 'InvalidParameter',
      ])
      expect(process.cpuUsage(begun).user).toBeLessThan(3_000_000)
    }
    const pools = Array.from({ length: 11 }, () => pool)
    expect(codeOf(await nic(plane, 'a', { loadBalancerBackendAddressPools: pools }))).toBe('InvalidParameter')
    // A refused one has taken nothing.
    expect(
      (await plane.send('GET', networkPath('publicIPAddresses', 'ip'))).body.properties.ipConfiguration,
    ).toBeUndefined()
    expect(codeOf(await put(plane))).toBe(201)
    expect(codeOf(await nic(plane, 'a', { loadBalancerBackendAddressPools: [at('backendAddressPools', 'x')] }))).toBe(
      'InvalidResourceReference',
    )
    expect(codeOf(await nic(plane, 'a', { loadBalancerInboundNatRules: [at('inboundNatRules', 'ssh')] }))).toBe(
      'NotSupported',
    )
  })

  it('stay while an interface is behind them, and then give back what they held', async () => {
    const plane = await fresh()
    await put(plane)
    await nic(plane, 'a', { loadBalancerBackendAddressPools: [pool] })
    const inUse = 'InUseBackendAddressPoolCannotBeDeleted'
    expect(codeOf(await plane.send('DELETE', balancer))).toBe(inUse)
    expect(codeOf(await plane.send('DELETE', pool.id))).toBe('InvalidResourceReference')
    expect(
      codeOf(
        await put(plane, (p) =>
          Object.assign(p, { backendAddressPools: [], loadBalancingRules: [], inboundNatRules: [], outboundRules: [] }),
        ),
      ),
    ).toBe(inUse)
    await nic(plane, 'a', {})
    expect(codeOf(await plane.send('DELETE', balancer))).toBe(200)
    expect(codeOf(await plane.send('DELETE', networkPath('publicIPAddresses', 'ip')))).toBe(200)
  })

  it('have pools and NAT rules that are written by themselves, under the same checks', async () => {
    const plane = await fresh()
    await put(plane)
    const other = at('backendAddressPools', 'other').id
    expect([(await plane.send('PUT', other, {})).status, (await plane.send('PUT', other, {})).status]).toEqual([
      201, 200,
    ])
    const rdp = {
      frontendIPConfiguration: frontend,
      backendAddressPool: { id: other },
      protocol: 'Tcp',
      frontendPort: 50_119,
      backendPort: 22,
    }
    const path = at('inboundNatRules', 'more').id
    expect(codeOf(await plane.send('PUT', path, { properties: rdp }))).toBe('RulesUseSameFrontendPortProtocolAndVip')
    expect(codeOf(await plane.send('PUT', path, { properties: { ...rdp, frontendPort: 50_120 } }))).toBe(201)
    expect(codeOf(await plane.send('DELETE', other))).toBe('InvalidResourceReference')
    expect([
      codeOf(await plane.send('DELETE', path)),
      codeOf(await plane.send('DELETE', other)),
      codeOf(await plane.send('DELETE', other)),
    ]).toEqual([200, 200, 204])
    expect(codeOf(await plane.send('PUT', at('probes', 'up').id, {}))).toBe('HttpMethodNotAllowed')
  })

  it('take a private address where they stand in a subnet, and give it back', async () => {
    const plane = await fresh()
    const inside = (address?: string) => (p: Loose) => {
      const fixed = address === undefined ? {} : { privateIPAllocationMethod: 'Static', privateIPAddress: address }
      p['frontendIPConfigurations'][0].properties = { subnet, ...fixed }
    }
    const addressOf = async (): Promise<string> =>
      (await plane.send('GET', frontend.id)).body.properties.privateIPAddress as string
    expect((await put(plane, inside('10.0.0.99'))).status).toBe(201)
    expect(codeOf(await nic(plane, 'a', { privateIPAllocationMethod: 'Static', privateIPAddress: '10.0.0.99' }))).toBe(
      'PrivateIPAddressInUse',
    )
    // Without a requested address, it keeps its current one.
    await put(plane, inside())
    expect(await addressOf()).toBe('10.0.0.99')
    await put(plane, inside('10.0.0.98'))
    expect(await addressOf()).toBe('10.0.0.98')
    expect(codeOf(await nic(plane, 'a', { privateIPAllocationMethod: 'Static', privateIPAddress: '10.0.0.99' }))).toBe(
      201,
    )
    await plane.send('DELETE', balancer)
    expect(codeOf(await nic(plane, 'b', { privateIPAllocationMethod: 'Static', privateIPAddress: '10.0.0.98' }))).toBe(
      201,
    )
  })

  it('let in nobody who has no right to them, and take nobody’s address (attack W41)', async () => {
    const plane = await fresh()
    await put(plane)
    const somebody = '0f2a9f3e-0000-4000-8000-00000000eeee'
    const other = `/subscriptions/${subscriptionId}/resourceGroups/theirs`
    expect((await plane.send('PUT', other, { location })).status).toBe(201)
    const give = async (scope: string, role: string): Promise<void> => {
      const roleDefinitionId = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`
      const properties = { roleDefinitionId, principalId: somebody, principalType: 'ServicePrincipal' }
      const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
      expect((await plane.send('PUT', path, { properties })).status).toBe(201)
    }
    // A Network Contributor of another group and of the network, who may create interfaces in it.
    await give(other, '4d97b98b-1d4f-4787-a291-c67834d212e7')
    await give(networkPath('virtualNetworks', 'vnet'), '4d97b98b-1d4f-4787-a291-c67834d212e7')
    const mine = (kind: string, name: string): string => `${other}/providers/Microsoft.Network/${kind}/${name}`
    const configuration = { name: 'ip', properties: { subnet, loadBalancerBackendAddressPools: [pool] } }
    const joined = await plane.send(
      'PUT',
      mine('networkInterfaces', 'n'),
      { location, properties: { ipConfigurations: [configuration] } },
      { as: somebody },
    )
    expect([joined.status, codeOf(joined)]).toEqual([403, 'LinkedAuthorizationFailed'])
    const properties = { frontendIPConfigurations: parts()['frontendIPConfigurations'] }
    const taken = await plane.send('PUT', mine('loadBalancers', 'lb'), { location, properties }, { as: somebody })
    expect([taken.status, codeOf(taken)]).toEqual([403, 'LinkedAuthorizationFailed'])
    expect(codeOf(await plane.send('PUT', pool.id, {}, { as: somebody }))).toBe('AuthorizationFailed')
    expect(codeOf(await plane.send('GET', balancer, undefined, { as: somebody }))).toBe('AuthorizationFailed')
  })
})
