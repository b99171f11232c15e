import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import {
  makeNetwork,
  networkPath,
  openTestPlane,
  subscriptionId,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../testing/test-plane.ts'

describeStores('network resources', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const fresh = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open())
    planes.push(plane)
    await makeNetwork(plane, 'vm1')
    return plane
  }
  const location = 'westeurope'
  const subnet = `${networkPath('virtualNetworks', 'vnet')}/subnets/default`
  const nic = async (plane: TestPlane, name: string, properties: Loose = {}): Promise<TestReply> =>
    await plane.send('PUT', networkPath('networkInterfaces', name), {
      location,
      properties: { ipConfigurations: [{ name: 'ipconfig1', properties: { subnet: { id: subnet }, ...properties } }] },
    })
  const addressOf = (reply: TestReply): string =>
    reply.body.properties.ipConfigurations[0].properties.privateIPAddress as string

  it('give each interface its own address and MAC, also when many are made at once', async () => {
    const plane = await fresh()
    const replies = await Promise.all(Array.from({ length: 8 }, async (_, index) => await nic(plane, `nic${index}`)))
    expect(replies.map((reply) => reply.status)).toEqual(Array(8).fill(201))
    expect(new Set(replies.map(addressOf)).size).toBe(8)
    expect(new Set(replies.map((reply) => reply.body.properties.macAddress)).size).toBe(8)
    expect(replies[0]!.body.properties.macAddress).toMatch(/^02-53-52(-[0-9A-F]{2}){3}$/)
  })

  it('keep an interface’s address and MAC when it is written again', async () => {
    const plane = await fresh()
    const first = await nic(plane, 'a')
    const again = await plane.send('PUT', networkPath('networkInterfaces', 'A'), first.body)
    expect(again.status).toBe(200)
    expect([addressOf(again), again.body.properties.macAddress]).toEqual([
      addressOf(first),
      first.body.properties.macAddress,
    ])
    expect(again.body.name).toBe('a')
  })

  it('give a static address when it is free and belongs to the subnet', async () => {
    const plane = await fresh()
    const fixed = { privateIPAllocationMethod: 'Static', privateIPAddress: '10.0.0.77' }
    expect(addressOf(await nic(plane, 'a', fixed))).toBe('10.0.0.77')
    expect((await nic(plane, 'b', fixed)).body.error.code).toBe('PrivateIPAddressInUse')
    expect((await nic(plane, 'b', { ...fixed, privateIPAddress: '10.0.1.4' })).body.error.code).toBe(
      'PrivateIPAddressNotInSubnet',
    )
    expect((await nic(plane, 'b', { ...fixed, privateIPAddress: '10.0.0.3' })).body.error.code).toBe(
      'PrivateIPAddressNotInSubnet',
    )
    await plane.send('DELETE', networkPath('networkInterfaces', 'a'))
    expect(addressOf(await nic(plane, 'b', fixed))).toBe('10.0.0.77')
  })

  it('say whether an address is free, and which ones are', async () => {
    const plane = await fresh()
    const ask = async (address: string): Promise<TestReply> => {
      const path = `${networkPath('virtualNetworks', 'vnet')}/CheckIPAddressAvailability`
      return await plane.send('GET', `${path}?api-version=2024-05-01&ipAddress=${encodeURIComponent(address)}`)
    }
    const fixed = { privateIPAllocationMethod: 'Static', privateIPAddress: '10.0.0.77' }
    expect((await ask('10.0.0.77')).body).toMatchObject({ available: true, availableIPAddresses: [] })
    await nic(plane, 'a', fixed)
    const taken = (await ask('10.0.0.77')).body
    expect(taken.available).toBe(false)
    expect(taken.availableIPAddresses).toHaveLength(5)
    // What it suggests is available.
    expect((await nic(plane, 'b', { ...fixed, privateIPAddress: taken.availableIPAddresses[0] })).status).toBe(201)
    expect((await ask(taken.availableIPAddresses[0] as string)).body.available).toBe(false)
    expect((await ask('10.0.0.0')).body).toMatchObject({ available: false, isPlatformReserved: true })
    expect((await ask('192.168.0.1')).body.error.code).toBe('PrivateIPAddressNotInAnySubnet')
    for (const address of ['', 'x', '10.0.0.300', "10.0.0.1' or"])
      expect((await ask(address)).body.error.code).toBe('InvalidIPAddressFormat')
  })

  it('give a public address the name of its label, which is one address’s in a region', async () => {
    const plane = await fresh()
    const put = async (name: string, domainNameLabel: string): Promise<TestReply> =>
      await plane.send('PUT', networkPath('publicIPAddresses', name), {
        location,
        properties: { dnsSettings: { domainNameLabel } },
      })
    const made = await put('a', 'shop')
    expect(made.body.properties.dnsSettings.fqdn).toBe('shop.westeurope.cloudapp.strongroom.internal')
    expect((await plane.send('PUT', networkPath('publicIPAddresses', 'a'), made.body)).status).toBe(200)
    expect((await put('b', 'shop')).body.error.code).toBe('DnsRecordInUse')
    expect((await put('b', 'Shop"')).body.error.code).toBe('InvalidDomainNameLabel')
    await plane.send('DELETE', networkPath('publicIPAddresses', 'a'))
    expect((await put('b', 'shop')).status).toBe(201)
  })

  it('say when a subnet is full', async () => {
    const plane = await fresh()
    const path = `${networkPath('virtualNetworks', 'vnet')}/subnets/small`
    expect((await plane.send('PUT', path, { properties: { addressPrefix: '10.0.9.0/29' } })).status).toBe(201)
    const replies = []
    for (const name of ['a', 'b', 'c', 'd']) replies.push(await nic(plane, name, { subnet: { id: path } }))
    expect(replies.map((reply) => reply.body.error?.code ?? addressOf(reply))).toEqual([
      '10.0.9.4',
      '10.0.9.5',
      '10.0.9.6',
      'SubnetIsFull',
    ])
  })

  it('give each public address once, from the blocks kept for documentation', async () => {
    const plane = await fresh()
    const put = async (name: string): Promise<string> =>
      (await plane.send('PUT', networkPath('publicIPAddresses', name), { location, sku: { name: 'Standard' } })).body
        .properties.ipAddress as string
    const all = await Promise.all(['a', 'b', 'c', 'd'].map(put))
    expect(new Set(all).size).toBe(4)
    expect(all.every((address) => address.startsWith('203.0.113.'))).toBe(true)
  })

  it('do not let two interfaces have one public address', async () => {
    const plane = await fresh()
    const reply = await nic(plane, 'other', {
      publicIPAddress: { id: networkPath('publicIPAddresses', 'vm1PublicIP') },
    })
    expect(reply.body.error.code).toBe('PublicIPAddressInUse')
  })

  it('are not deleted while something uses them', async () => {
    const plane = await fresh()
    const codes = []
    for (const [kind, name] of [
      ['virtualNetworks', 'vnet'],
      ['networkSecurityGroups', 'vm1NSG'],
      ['publicIPAddresses', 'vm1PublicIP'],
    ] as const) {
      codes.push((await plane.send('DELETE', networkPath(kind, name))).body.error.code)
    }
    expect(codes).toEqual([
      'InUseSubnetCannotBeDeleted',
      'InUseNetworkSecurityGroupCannotBeDeleted',
      'PublicIPAddressCannotBeDeleted',
    ])
    expect((await plane.send('DELETE', networkPath('networkInterfaces', 'vm1VMNic'))).status).toBe(200)
    for (const [kind, name] of [
      ['virtualNetworks', 'vnet'],
      ['networkSecurityGroups', 'vm1NSG'],
      ['publicIPAddresses', 'vm1PublicIP'],
    ] as const) {
      expect((await plane.send('DELETE', networkPath(kind, name))).status).toBe(200)
    }
    expect((await plane.send('DELETE', networkPath('virtualNetworks', 'vnet'))).status).toBe(204)
  })

  it('are found by group and by subscription', async () => {
    const plane = await fresh()
    const { body } = await plane.send(
      'GET',
      `/subscriptions/${subscriptionId}/providers/Microsoft.Network/networkInterfaces`,
    )
    expect(body.value.map((entry: { name: string }) => entry.name)).toEqual(['vm1VMNic'])
    const networks = await plane.send('GET', networkPath('virtualNetworks', '').slice(0, -1))
    expect(networks.body.value[0].properties.subnets[0]).toMatchObject({ name: 'default', id: subnet })
    expect((await plane.send('GET', subnet)).body.properties.addressPrefix).toBe('10.0.0.0/24')
  })

  const network = async (plane: TestPlane, prefixes: string[], subnets: string[]): Promise<string | undefined> => {
    const reply = await plane.send('PUT', networkPath('virtualNetworks', 'other'), {
      location,
      properties: {
        addressSpace: { addressPrefixes: prefixes },
        subnets: subnets.map((addressPrefix, index) => ({ name: `s${index}`, properties: { addressPrefix } })),
      },
    })
    return reply.body.error?.code as string | undefined
  }

  it('refuse networks whose subnets lie outside, overlap or are not networks', async () => {
    const plane = await fresh()
    expect(await network(plane, ['10.1.0.0/16'], ['10.2.0.0/24'])).toBe('NetcfgInvalidSubnet')
    expect(await network(plane, ['10.1.0.0/16'], ['10.1.0.0/24', '10.1.0.128/25'])).toBe('NetcfgSubnetRangesOverlap')
    expect(await network(plane, ['10.1.0.1/16'], [])).toBe('InvalidCIDRNotation')
    expect(await network(plane, [], [])).toBe('InvalidAddressPrefixFormat')
    expect(await network(plane, ['10.1.0.0/16'], ['10.1.0.0/24'])).toBeUndefined()
  })

  it('refuse security rules that contradict each other or lack a part', async () => {
    const plane = await fresh()
    const rule = (name: string, change: Loose = {}): Loose => ({
      name,
      properties: {
        priority: 1000,
        protocol: 'Tcp',
        direction: 'Inbound',
        access: 'Allow',
        sourceAddressPrefix: '*',
        ...change,
      },
    })
    const put = async (rules: Loose[]): Promise<TestReply> =>
      await plane.send('PUT', networkPath('networkSecurityGroups', 'g'), {
        location,
        properties: { securityRules: rules },
      })
    expect((await put([rule('a'), rule('b')])).body.error.code).toBe('SecurityRuleConflict')
    expect((await put([rule('a', { priority: 99 })])).body.error.code).toBe('InvalidRequestContent')
    expect((await put([rule('a', { access: undefined })])).body.error.code).toBe('SecurityRuleMissingProperty')
    expect((await put([rule('a'), rule('b', { direction: 'outbound' })])).body.properties.securityRules).toHaveLength(2)
  })

  it('cannot be pointed at a VM or an interface by a request', async () => {
    const plane = await fresh()
    const forged = await plane.send('PUT', networkPath('publicIPAddresses', 'x'), {
      location,
      properties: { ipAddress: '8.8.8.8', ipConfiguration: { id: 'forged' } },
    })
    expect(forged.body.properties.ipAddress).toMatch(/^203\.0\.113\./)
    expect(forged.body.properties.ipConfiguration).toBeUndefined()
    const path = networkPath('networkInterfaces', 'y')
    const reply = await plane.send('PUT', path, {
      location,
      properties: {
        virtualMachine: { id: 'forged' },
        macAddress: '00-00-00-00-00-00',
        ipConfigurations: [{ properties: { subnet: { id: subnet } } }],
      },
    })
    expect(reply.body.properties.virtualMachine).toBeUndefined()
    expect(reply.body.properties.macAddress).toMatch(/^02-53-52/)
  })
})
