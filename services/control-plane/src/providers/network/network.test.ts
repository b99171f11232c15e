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

  it('give a new dynamic address as an exported template has it, and another where that is taken', async () => {
    const plane = await fresh()
    const exported = { privateIPAllocationMethod: 'Dynamic', privateIPAddress: '10.0.0.77' }
    expect(addressOf(await nic(plane, 'a', exported))).toBe('10.0.0.77')
    const other = await nic(plane, 'b', exported)
    expect([other.status, addressOf(other)]).not.toEqual([201, '10.0.0.77'])
    expect(other.status).toBe(201)
    const outside = { ...exported, privateIPAddress: '10.9.0.4' }
    expect((await nic(plane, 'c', outside)).body.error.code).toBe('PrivateIPAddressNotInSubnet')
    expect((await nic(plane, 'a', { ...exported, privateIPAddress: '10.0.0.78' })).body.error).toMatchObject({
      code: 'NotSupported',
      target: 'properties.ipConfigurations[0].properties.privateIPAddress',
    })
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
    const address = networkPath('publicIPAddresses', 'x')
    for (const [name, value] of [
      ['ipAddress', '8.8.8.8'],
      ['ipConfiguration', { id: 'forged' }],
    ] as const) {
      const forged = await plane.send('PUT', address, { location, properties: { [name]: value } })
      expect(forged.body.error).toMatchObject({ code: 'NotSupported', target: `properties.${name}` })
    }
    const made = await plane.send('PUT', address, { location, properties: {} })
    expect(made.body.properties.ipAddress).toMatch(/^203\.0\.113\./)
    expect(made.body.properties.ipConfiguration).toBeUndefined()
    const path = networkPath('networkInterfaces', 'y')
    const properties = {
      macAddress: '00-00-00-00-00-00',
      ipConfigurations: [{ properties: { subnet: { id: subnet } } }],
    }
    const pointed = { location, properties: { ...properties, virtualMachine: { id: 'forged' } } }
    expect((await plane.send('PUT', path, pointed)).body.error).toMatchObject({
      code: 'NotSupported',
      target: 'properties.virtualMachine',
    })
    const reply = await plane.send('PUT', path, { location, properties })
    expect(reply.body.properties.virtualMachine).toBeUndefined()
    expect(reply.body.properties.macAddress).toMatch(/^02-53-52/)
  })

  it('hold the security group of a subnet, and refuse what a subnet or a network names without effect', async () => {
    const plane = await fresh()
    const nsg = networkPath('networkSecurityGroups', 'of-subnet')
    await plane.send('PUT', nsg, { location, properties: {} })
    const made = await plane.send('PUT', `${networkPath('virtualNetworks', 'vnet')}/subnets/held`, {
      properties: { addressPrefix: '10.0.7.0/24', networkSecurityGroup: { id: nsg.toUpperCase() } },
    })
    // Stored as it was created.
    expect([made.status, made.body.properties.networkSecurityGroup]).toEqual([201, { id: nsg }])
    const kept = await plane.send('DELETE', nsg)
    expect([kept.status, kept.body.error.code]).toEqual([400, 'InUseNetworkSecurityGroupCannotBeDeleted'])
    const body = (subnet: Loose, more: Loose = {}): Loose => ({
      location,
      properties: {
        addressSpace: { addressPrefixes: ['10.3.0.0/16'] },
        subnets: [{ name: 'a', properties: { addressPrefix: '10.3.0.0/24', ...subnet } }],
        ...more,
      },
    })
    const path = networkPath('virtualNetworks', 'refused')
    for (const [name, value] of [
      ['routeTable', { id: nsg }],
      ['natGateway', { id: nsg }],
      ['serviceEndpointPolicies', [{ id: nsg }]],
    ] as const) {
      const { status, body: refused } = await plane.send('PUT', path, body({ [name]: value }))
      expect([name, status, refused.error.code]).toEqual([name, 400, 'NotSupported'])
    }
    for (const [name, value] of [
      ['ddosProtectionPlan', { id: nsg }],
      ['virtualNetworkPeerings', [{ name: 'p' }]],
    ] as const) {
      const { status, body: refused } = await plane.send('PUT', path, body({}, { [name]: value }))
      expect([name, status, refused.error.code]).toEqual([name, 400, 'NotSupported'])
    }
    expect((await plane.send('PUT', path, body({ routeTable: null }, { virtualNetworkPeerings: [] }))).status).toBe(201)
  })

  it('take no subnet of what is no network', async () => {
    const plane = await fresh()
    const group = networkPath('publicIPAddresses', 'fake')
    const forged = { name: 's', id: `${group}/subnets/s`, properties: { addressPrefix: '10.8.0.0/24' } }
    await plane.send('PUT', group, { location, properties: { subnets: [forged] } })
    const reply = await plane.send('PUT', networkPath('networkInterfaces', 'n'), {
      location,
      properties: { ipConfigurations: [{ properties: { subnet: { id: forged.id } } }] },
    })
    expect([reply.status, reply.body.error?.code]).toEqual([400, 'InvalidResourceReference'])
  })

  it('take no address, and give none back, against a lock on it', async () => {
    const plane = await fresh()
    const address = networkPath('publicIPAddresses', 'locked')
    await plane.send('PUT', address, { location, properties: { publicIPAllocationMethod: 'Static' } })
    const lock = `${address}/providers/Microsoft.Authorization/locks/l`
    const locked = async (on: boolean): Promise<void> =>
      expect(
        (await plane.send(on ? 'PUT' : 'DELETE', lock, on ? { properties: { level: 'ReadOnly' } } : undefined)).status,
      ).toBe(on ? 201 : 200)
    const nic = networkPath('networkInterfaces', 'n')
    const holding = networkPath('loadBalancers', 'lb')
    const bodies = (id: string | undefined): [string, Loose][] => {
      const publicIPAddress = id === undefined ? {} : { publicIPAddress: { id } }
      const front = { name: 'f', properties: publicIPAddress }
      return [
        [nic, { ipConfigurations: [{ properties: { subnet: { id: subnet }, ...publicIPAddress } }] }],
        [holding, { frontendIPConfigurations: id === undefined ? [] : [front] }],
      ]
    }
    const put = async (path: string, properties: Loose): Promise<unknown> => {
      const { status, body } = await plane.send('PUT', path, { location, properties })
      return body.error?.code ?? status
    }
    for (const [index, [path, properties]] of bodies(address).entries()) {
      await locked(true)
      expect([path, await put(path, properties)]).toEqual([path, 'ScopeLocked'])
      await locked(false)
      expect([path, await put(path, properties)]).toEqual([path, 201])
      await locked(true)
      expect([path, await put(path, bodies(undefined)[index]![1])]).toEqual([path, 'ScopeLocked'])
      expect((await plane.send('DELETE', path)).body.error.code).toBe('ScopeLocked')
      // Keeping the address does not change it.
      expect([path, await put(path, properties)]).toEqual([path, 200])
      await locked(false)
      expect((await plane.send('DELETE', path)).status).toBe(200)
    }
  })
})
