import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import {
  capacityOf,
  idsIn,
  instances,
  made,
  open,
  refusal,
  setPath,
  setRequest,
  subnet,
} from '../../testing/scale-set.ts'
import { codesOf, group, subscriptionId, vmPath, vmRequest, type Loose } from '../../testing/test-plane.ts'

const location = 'westeurope'

describeStores('a virtual machine scale set, asked for what it is not,', (store) => {
  it('is refused where it is Uniform, where a VM would be, and where its networks are none', async () => {
    const plane = await open(await store())
    try {
      const profile = (p: Loose): Loose => p['virtualMachineProfile']
      const nic = (p: Loose): Loose => profile(p)['networkProfile'].networkInterfaceConfigurations[0].properties
      const at = 'properties.virtualMachineProfile'
      for (const [bend, code, target] of [
        [(p: Loose) => (p['orchestrationMode'] = 'Uniform'), 'OperationNotAllowed', 'properties.orchestrationMode'],
        [(p: Loose) => delete p['orchestrationMode'], 'OperationNotAllowed', 'properties.orchestrationMode'],
        [(p: Loose) => delete p['platformFaultDomainCount'], 'InvalidParameter', 'platformFaultDomainCount'],
        [(p: Loose) => (p['upgradePolicy'] = { mode: 'Rolling' }), 'NotSupported', 'properties.upgradePolicy.mode'],
        [(p: Loose) => (p['overprovision'] = true), 'InvalidParameter', 'properties.overprovision'],
        [(p: Loose) => (profile(p)['securityProfile'].uefiSettings.vTpmEnabled = false), 'BadRequest', undefined],
        [
          (p: Loose) => (profile(p)['storageProfile'].imageReference = { id: `${group}/x` }),
          undefined,
          `${at}.storageProfile.imageReference`,
        ],
        [
          (p: Loose) => (profile(p)['osProfile'].computerNamePrefix = '-x'),
          'InvalidParameter',
          `${at}.osProfile.computerNamePrefix`,
        ],
        [
          (p: Loose) => (profile(p)['osProfile'].adminPassword = 'Secret-123456'),
          'NotSupported',
          `${at}.osProfile.adminPassword`,
        ],
        [
          (p: Loose) => (profile(p)['extensionProfile'] = { extensions: [{}] }),
          'NotSupported',
          `${at}.extensionProfile`,
        ],
        [(p: Loose) => (profile(p)['priority'] = 'Spot'), 'NotSupported', `${at}.priority`],
        [
          (p: Loose) => delete profile(p)['networkProfile'].networkApiVersion,
          'InvalidParameter',
          `${at}.networkProfile.networkApiVersion`,
        ],
        [
          (p: Loose) => (nic(p)['enableAcceleratedNetworking'] = true),
          'VMSizeIsNotPermittedToEnableAcceleratedNetworking',
          undefined,
        ],
        [
          (p: Loose) => (nic(p)['ipConfigurations'][0].properties.subnet.id = `${subnet}x`),
          'InvalidResourceReference',
          undefined,
        ],
        [
          (p: Loose) =>
            (nic(p)['ipConfigurations'][0].properties.loadBalancerBackendAddressPools = [
              { id: `${group}/providers/Microsoft.Network/loadBalancers/x/backendAddressPools/y` },
            ]),
          'InvalidResourceReference',
          undefined,
        ],
        [(p: Loose) => (nic(p)['ipConfigurations'] = []), 'InvalidParameter', undefined],
        [
          (p: Loose) =>
            (profile(p)['storageProfile'].dataDisks = [{ lun: 0, createOption: 'Attach', managedDisk: { id: 'x' } }]),
          'InvalidParameter',
          undefined,
        ],
        [
          (p: Loose) => (p['virtualMachineProfile'] = 'all of it'),
          'InvalidRequestContent',
          'properties.virtualMachineProfile',
        ],
      ] as const) {
        const { status, body } = await plane.send('PUT', setPath('web'), setRequest(1, bend))
        expect(status, bend.toString()).toBeGreaterThanOrEqual(400)
        expect(status, bend.toString()).toBeLessThan(500)
        if (code !== undefined) expect(codesOf(body), bend.toString()).toContain(code)
        if (target !== undefined)
          expect(
            [body.error.target, ...(body.error.details ?? []).map((each: Loose) => each['target'])],
            bend.toString(),
          ).toContain(target)
      }
      const size = await plane.send('PUT', setPath('web'), {
        ...setRequest(1),
        sku: { name: 'Standard_D2as_v5', capacity: 1 },
      })
      expect(size.body.error.message).toContain(
        "is not supported for creation of VMs and Virtual Machine Scale Set with 'ConfidentialVM'",
      )
      const system = await plane.send('PUT', setPath('web'), { ...setRequest(1), identity: { type: 'SystemAssigned' } })
      expect(system.body.error.message).toContain("The value 'SystemAssigned' of parameter 'identity' is not allowed.")
      for (const capacity of [-1, 1001, 1.5, 'many'])
        expect(refusal(await plane.send('PUT', setPath('web'), setRequest(capacity as number)))).toEqual([
          400,
          'InvalidRequestContent',
        ])
      expect((await plane.send('GET', setPath('web'))).status).toBe(404)
      expect(await idsIn(plane, 'Microsoft.Compute/virtualMachines')).toEqual([])
    } finally {
      await plane.service.close()
    }
  })

  it('is checked against the quota as a whole, before anything is made', async () => {
    const plane = await open(await store())
    try {
      const refused = await plane.send('PUT', setPath('web'), setRequest(900))
      expect([...refusal(refused), refused.body.error.message]).toEqual([
        409,
        'OperationNotAllowed',
        expect.stringContaining('Additional Required: 1800'),
      ])
      expect((await plane.send('GET', setPath('web'))).status).toBe(404)
      await made(plane, 1)
      const more = await plane.send('PUT', setPath('web'), {
        location,
        sku: { name: 'Standard_DC2as_v5', capacity: 900 },
      })
      expect([...refusal(more), await capacityOf(plane)]).toEqual([409, 'OperationNotAllowed', 1])
    } finally {
      await plane.service.close()
    }
  })

  it('makes VMs for nobody who may not make them, and takes none from whoever may not write it (attack W29)', async () => {
    const plane = await open(await store())
    try {
      const outsider = '0f2a9f3e-0000-4000-8000-00000000dddd'
      const role = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/0f2a9f3e-0000-4000-8000-00000000cccc`
      const assignment = `${group}/providers/Microsoft.Authorization/roleAssignments/0f2a9f3e-0000-4000-8000-00000000eeee`
      const allow = async (...actions: string[]): Promise<void> => {
        const properties = {
          roleName: 'some',
          type: 'CustomRole',
          assignableScopes: [group],
          permissions: [{ actions }],
        }
        expect((await plane.send('PUT', role, { properties })).status).toBeLessThan(300)
      }
      const as = { as: outsider }
      await allow('Microsoft.Compute/virtualMachineScaleSets/*', 'Microsoft.Network/*')
      await plane.send('PUT', assignment, {
        properties: { roleDefinitionId: role, principalId: outsider, principalType: 'ServicePrincipal' },
      })
      expect(refusal(await plane.send('PUT', setPath('web'), setRequest(1), as))).toEqual([
        403,
        'LinkedAuthorizationFailed',
      ])
      await allow(
        'Microsoft.Compute/virtualMachineScaleSets/*',
        'Microsoft.Compute/virtualMachines/write',
        'Microsoft.Network/networkInterfaces/*',
        'Microsoft.Network/publicIPAddresses/*',
      )
      expect(refusal(await plane.send('PUT', setPath('web'), setRequest(1), as))).toEqual([
        403,
        'LinkedAuthorizationFailed',
      ])
      await made(plane, 1)
      await allow(
        'Microsoft.Compute/virtualMachines/*',
        'Microsoft.Network/*',
        'Microsoft.Compute/virtualMachineScaleSets/read',
      )
      const request = vmRequest('vm1')
      const joined = {
        ...request,
        properties: { ...request['properties'], virtualMachineScaleSet: { id: setPath('web') } },
      }
      expect(refusal(await plane.send('PUT', vmPath('vm1'), joined, as))).toEqual([403, 'LinkedAuthorizationFailed'])
      // Acting on a set requires the right to its VMs too.
      await allow('Microsoft.Compute/virtualMachineScaleSets/*')
      expect(refusal(await plane.send('POST', `${setPath('web')}/deallocate`, {}, as))).toEqual([
        403,
        'AuthorizationFailed',
      ])
      const [vm] = await instances(plane)
      expect((await plane.send('GET', `${vmPath(vm!['name'] as string)}/instanceView`)).body.statuses[1].code).toBe(
        'PowerState/running',
      )
    } finally {
      await plane.service.close()
    }
  })
})
