import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import {
  capacityOf,
  idsIn,
  instances,
  listed,
  made,
  open,
  refusal,
  scaled,
  setPath,
  setRequest,
  subnet,
} from '../../testing/scale-set.ts'
import { codesOf, group, makeNetwork, networkPath, vmPath, vmRequest, type Loose } from '../../testing/test-plane.ts'

const location = 'westeurope'

describeStores('a virtual machine scale set', (store) => {
  it('makes confidential VMs of its profile, each with an interface and an address of its own, and scales out and in', async () => {
    const plane = await open(await store())
    try {
      await made(plane, 2)
      const vms = await instances(plane)
      expect(vms).toHaveLength(2)
      for (const vm of vms) {
        expect(vm['name']).toMatch(/^web_[0-9a-f]{8}$/)
        const { body } = await plane.send('GET', vmPath(vm['name'] as string))
        expect(body.properties).toMatchObject({
          provisioningState: 'Succeeded',
          virtualMachineScaleSet: { id: setPath('web') },
          hardwareProfile: { vmSize: 'Standard_DC2as_v5' },
          securityProfile: { securityType: 'ConfidentialVM' },
          storageProfile: {
            osDisk: { managedDisk: { securityProfile: { securityEncryptionType: 'DiskWithVMGuestState' } } },
          },
        })
        expect(body.properties.osProfile.computerName).toMatch(/^web[0-9A-Z]{6}$/)
        expect(body.tags).toEqual({ a: 'b' })
      }
      const shown = (await plane.send('GET', setPath('web'))).body
      expect(shown).toMatchObject({
        sku: { capacity: 2 },
        properties: { orchestrationMode: 'Flexible', provisioningState: 'Succeeded' },
      })
      expect(
        (await plane.send('GET', setPath('web'))).body.properties.virtualMachineProfile.storageProfile.imageReference
          .offer,
      ).toBe('debian-13')
      const address = 'Microsoft.Network/publicIPAddresses'
      expect(await idsIn(plane, address)).toHaveLength(3)
      await scaled(plane, 3)
      expect([(await instances(plane)).length, await capacityOf(plane)]).toEqual([3, 3])
      await scaled(plane, 1)
      const left = await instances(plane)
      expect(vms.map(({ name }) => name)).toContain(left[0]!['name'])
      // Interfaces and addresses are deleted with their VM.
      expect([
        (await idsIn(plane, address)).length,
        (await idsIn(plane, 'Microsoft.Network/networkInterfaces')).length,
        await capacityOf(plane),
      ]).toEqual([2, 2, 1])
      // Deleting a VM directly reduces the number; changing tags restores none.
      await plane.run('DELETE', vmPath(left[0]!['name'] as string))
      expect(await capacityOf(plane)).toBe(0)
      expect((await plane.send('PATCH', setPath('web'), { tags: { c: 'd' } })).body.tags).toEqual({ c: 'd' })
      expect(await instances(plane)).toEqual([])
    } finally {
      await plane.service.close()
    }
  })

  it('puts its instances behind the load balancer that its profile names, which stays for as long', async () => {
    const plane = await open(await store())
    try {
      const lb = networkPath('loadBalancers', 'lb')
      const pool = `${lb}/backendAddressPools/pool`
      const frontendIPConfigurations = [{ name: 'front', properties: { subnet: { id: subnet } } }]
      const properties = { frontendIPConfigurations, backendAddressPools: [{ name: 'pool' }] }
      expect((await plane.send('PUT', lb, { location, properties })).status).toBe(201)
      const behind = (p: Loose): void => {
        const [nic] = p['virtualMachineProfile'].networkProfile.networkInterfaceConfigurations
        nic.properties.ipConfigurations[0].properties.loadBalancerBackendAddressPools = [{ id: pool }]
      }
      const { operation } = await plane.run('PUT', setPath('web'), setRequest(2, behind))
      expect(operation.status).toBe('Succeeded')
      expect((await plane.send('GET', pool)).body.properties.backendIPConfigurations).toHaveLength(2)
      const users = await plane.send('DELETE', lb)
      expect(refusal(users)).toEqual([400, 'LoadBalancerUseByVirtualMachineScaleSet'])
      // Also while the set has no instance.
      await scaled(plane, 0)
      expect(refusal(await plane.send('DELETE', lb))).toEqual([400, 'LoadBalancerUseByVirtualMachineScaleSet'])
      expect((await plane.run('DELETE', group)).operation.status).toBe('Succeeded')
    } finally {
      await plane.service.close()
    }
  })

  it('takes its VMs along when it is deleted, and with its group', async () => {
    const plane = await open(await store())
    try {
      await made(plane, 2)
      const lock = `${vmPath((await instances(plane))[0]!['name'] as string)}/providers/Microsoft.Authorization/locks/keep`
      await plane.send('PUT', lock, { properties: { level: 'CanNotDelete' } })
      expect(refusal(await plane.send('DELETE', setPath('web')))).toEqual([409, 'ScopeLocked'])
      expect(await instances(plane)).toHaveLength(2)
      await plane.send('DELETE', lock)
      const { reply, operation } = await plane.run('DELETE', setPath('web'))
      expect([reply.status, operation.status]).toEqual([202, 'Succeeded'])
      expect((await plane.send('GET', setPath('web'))).status).toBe(404)
      for (const type of ['Microsoft.Compute/virtualMachines', 'Microsoft.Compute/disks'])
        expect(await idsIn(plane, type)).toEqual([])
      expect((await plane.send('DELETE', setPath('web'))).status).toBe(204)
      await made(plane, 1)
      expect((await plane.run('DELETE', group)).operation.status).toBe('Succeeded')
      expect((await plane.send('GET', group)).status).toBe(404)
    } finally {
      await plane.service.close()
    }
  })

  it('has VMs put into it, whose set is fixed, and lists them by it', async () => {
    const plane = await open(await store())
    try {
      const bare = { location, properties: { orchestrationMode: 'Flexible', platformFaultDomainCount: 1 } }
      expect((await plane.send('PUT', setPath('bare'), bare)).status).toBe(201)
      const inSet = (name: string, id: string, more: object = {}): Loose => {
        const request = vmRequest(name)
        return { ...request, ...more, properties: { ...request['properties'], virtualMachineScaleSet: { id } } }
      }
      await plane.send('PUT', setPath('north'), { ...bare, location: 'northeurope' })
      for (const [id, more] of [
        [setPath('none'), {}],
        [setPath('north'), {}],
        [setPath('bare'), { zones: ['1'] }],
        [vmPath('vm1'), {}],
      ] as const) {
        const { status, body } = await plane.send('PUT', vmPath('vm1'), inSet('vm1', id, more))
        expect([status, body.error.target], id).toEqual([400, 'properties.virtualMachineScaleSet.id'])
      }
      await plane.run('PUT', vmPath('vm1'), inSet('vm1', setPath('BARE')))
      await makeNetwork(plane, 'vm2')
      await plane.run('PUT', vmPath('vm2'), vmRequest('vm2'))
      const filter = encodeURIComponent(`'virtualMachineScaleSet/id' eq '${setPath('bare')}'`)
      const found = await listed(plane, `${group}/providers/Microsoft.Compute/virtualMachines?$filter=${filter}`)
      expect(found.map(({ name }) => name)).toEqual(['vm1'])
      expect((await instances(plane, 'bare')).map(({ instanceId }) => instanceId)).toEqual(['vm1'])
      expect((await plane.send('PUT', vmPath('vm1'), inSet('vm1', setPath('bare')))).status).toBe(200)
      const moved = await plane.send('PUT', vmPath('vm2'), inSet('vm2', setPath('bare')))
      expect([...refusal(moved), moved.body.error.target]).toEqual([
        409,
        'PropertyChangeNotAllowed',
        'virtualMachineScaleSet.id',
      ])
      await plane.run('DELETE', setPath('bare'))
      expect((await plane.send('GET', vmPath('vm1'))).status).toBe(404)
      expect((await plane.send('GET', vmPath('vm2'))).status).toBe(200)
    } finally {
      await plane.service.close()
    }
  })

  it('starts, stops, deallocates, restarts and deletes all of its VMs, or those that are named', async () => {
    const plane = await open(await store())
    try {
      await made(plane, 2)
      const names = (await instances(plane)).map(({ name }) => name as string)
      const power = async (): Promise<string[]> =>
        await Promise.all(
          names.map(async (name) => (await plane.send('GET', `${vmPath(name)}/instanceView`)).body.statuses[1].code),
        )
      const [running, stopped, gone] = ['running', 'stopped', 'deallocated'].map((state) => `PowerState/${state}`)
      for (const [action, body, expected] of [
        ['powerOff?skipShutdown=true', { instanceIds: ['*'] }, [stopped, stopped]],
        ['start', { instanceIds: [names[0]!.toUpperCase()] }, [running, stopped]],
        ['deallocate', {}, [gone, gone]],
        ['start', undefined, [running, running]],
        ['restart', { instanceIds: names }, [running, running]],
      ] as const) {
        const { reply, operation } = await plane.run('POST', `${setPath('web')}/${action}`, body)
        expect([reply.status, operation.status, await power()], action).toEqual([202, 'Succeeded', expected])
      }
      const one = `${setPath('web')}/virtualMachines/${names[1]}`
      await plane.run('POST', `${one}/deallocate`)
      expect(await power()).toEqual([running, gone])
      expect((await plane.send('GET', `${one}/instanceView`)).body.statuses[1].code).toBe(gone)
      const view = (await plane.send('GET', `${setPath('web')}/instanceView`)).body
      expect(view.virtualMachine.statusesSummary).toContainEqual({ code: 'PowerState/running', count: 1 })
      expect((await plane.run('POST', `${setPath('web')}/delete`, { instanceIds: [names[0]] })).operation.status).toBe(
        'Succeeded',
      )
      expect([(await instances(plane)).map(({ name }) => name), await capacityOf(plane)]).toEqual([[names[1]], 1])
      for (const [action, body, status, code] of [
        ['start', { instanceIds: ['7'] }, 400, 'InvalidParameter'],
        ['delete', {}, 400, 'InvalidParameter'],
        ['start', { instanceIds: 'all' }, 400, 'InvalidRequestContent'],
        ['reimage', {}, 400, 'NotSupported'],
        ['virtualMachines/none/start', undefined, 404, 'ResourceNotFound'],
      ] as const)
        expect(refusal(await plane.send('POST', `${setPath('web')}/${action}`, body)), action).toEqual([status, code])
    } finally {
      await plane.service.close()
    }
  })

  it('leaves the VMs that were made where one is refused on the way, and says why', async () => {
    const plane = await open(await store())
    try {
      // The subnet has room for the first only.
      await plane.send('PUT', networkPath('virtualNetworks', 'small'), {
        location,
        properties: {
          addressSpace: { addressPrefixes: ['10.9.0.0/16'] },
          subnets: [{ name: 'tiny', properties: { addressPrefix: '10.9.0.0/29' } }],
        },
      })
      const bend = (p: Loose): void => {
        const [nic] = p['virtualMachineProfile'].networkProfile.networkInterfaceConfigurations
        nic.properties.ipConfigurations[0].properties.subnet.id = `${networkPath('virtualNetworks', 'small')}/subnets/tiny`
      }
      const { operation } = await plane.run('PUT', setPath('web'), setRequest(5, bend))
      expect([operation.status, operation.error?.code]).toEqual(['Failed', 'SubnetIsFull'])
      const { properties, sku } = (await plane.send('GET', setPath('web'))).body
      expect([properties.provisioningState, sku.capacity]).toEqual(['Failed', 3])
      expect(await idsIn(plane, 'Microsoft.Network/networkInterfaces')).toHaveLength(4)
      expect(await idsIn(plane, 'Microsoft.Network/publicIPAddresses')).toHaveLength(4)
      await scaled(plane, 2)
      expect((await plane.send('GET', setPath('web'))).body.properties.provisioningState).toBe('Succeeded')
    } finally {
      await plane.service.close()
    }
  })

  it('keeps the profile that it has where a request leaves it open, and never changes the security type', async () => {
    const plane = await open(await store())
    try {
      await made(plane, 0, (p) => {
        p['virtualMachineProfile'].osProfile.customData = Buffer.from('secret').toString('base64')
        p['virtualMachineProfile'].userData = Buffer.from('told').toString('base64')
      }).catch(() => undefined)
      const { body } = await plane.send('GET', setPath('web'))
      expect(JSON.stringify(body)).not.toMatch(/customData|userData/)
      expect(
        (await plane.send('GET', `${setPath('web')}?$expand=userData`)).body.properties.virtualMachineProfile.userData,
      ).toBeDefined()
      // As `az vmss update` writes it back: without the image.
      body.properties.virtualMachineProfile.storageProfile.imageReference = null
      body.properties.virtualMachineProfile.storageProfile.osDisk.diskSizeGB = 40
      expect((await plane.send('PUT', setPath('web'), body)).status).toBe(200)
      await scaled(plane, 1)
      const [vm] = await instances(plane)
      expect(vm!['properties'].storageProfile).toMatchObject({
        imageReference: { offer: 'debian-13' },
        osDisk: { diskSizeGB: 40 },
      })
      body.properties.virtualMachineProfile.securityProfile = {
        securityType: 'TrustedLaunch',
        uefiSettings: { vTpmEnabled: true, secureBootEnabled: true },
      }
      const other = await plane.send('PUT', setPath('web'), body)
      expect(codesOf(other.body)).toContain('PropertyChangeNotAllowed')
      body.properties.orchestrationMode = 'Uniform'
      expect(codesOf((await plane.send('PUT', setPath('web'), body)).body)).toContain('PropertyChangeNotAllowed')
      expect(refusal(await plane.send('PUT', setPath('web'), { ...setRequest(1), location: 'northeurope' }))).toEqual([
        409,
        'InvalidResourceLocation',
      ])
    } finally {
      await plane.service.close()
    }
  })

  it('is deleted while it grows, and leaves nothing', async () => {
    const plane = await open(await store())
    try {
      const growing = await plane.send('PUT', setPath('web'), setRequest(3))
      expect((await plane.run('DELETE', setPath('web'))).operation.status).toBe('Succeeded')
      await plane.follow(growing)
      expect((await plane.send('GET', setPath('web'))).status).toBe(404)
      expect(await idsIn(plane, 'Microsoft.Compute/virtualMachines')).toEqual([])
    } finally {
      await plane.service.close()
    }
  })

  it('spreads its VMs over its zones, and is deployed by a template', async () => {
    const plane = await open(await store())
    try {
      const resource = {
        ...setRequest(3),
        type: 'Microsoft.Compute/virtualMachineScaleSets',
        apiVersion: '2024-11-01',
        name: 'web',
        zones: ['1', '2'],
      }
      const template = {
        $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
        contentVersion: '1.0.0.0',
        resources: [resource],
        outputs: { VMSS: { type: 'object', value: "[reference('web')]" } },
      }
      const path = `${group}/providers/Microsoft.Resources/deployments/d`
      const { operation } = await plane.run('PUT', path, { properties: { mode: 'Incremental', template } })
      expect(operation.status, JSON.stringify(operation.error)).toBe('Succeeded')
      const zones = (await instances(plane))
        .map((vm) => (vm['zones'] as string[])[0])
        .toSorted((a, b) => a!.localeCompare(b!))
      expect([zones.length, new Set(zones).size]).toEqual([3, 2])
      await plane.run('PUT', setPath('web'), { location, sku: { name: 'Standard_DC2as_v5', capacity: 2 } })
      expect(new Set((await instances(plane)).map((vm) => (vm['zones'] as string[])[0])).size).toBe(2)
    } finally {
      await plane.service.close()
    }
  })
})
