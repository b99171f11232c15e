import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { keyOf, parseResourceId } from './resource-id.ts'

const group = '/subscriptions/5A/resourceGroups/My-RG'

describe('resource ids', () => {
  it('are read without regard to case, and keep the case they were written in', () => {
    const id = parseResourceId(
      '/SUBSCRIPTIONS/5A/resourcegroups/My-RG/Providers/microsoft.compute/VirtualMachines/Web1',
    )
    expect(id).toMatchObject({ resourceGroup: 'My-RG', type: 'microsoft.compute/VirtualMachines', name: 'Web1' })
    expect(id?.key).toBe(keyOf(`${group}/providers/Microsoft.Compute/virtualMachines/web1`))
  })

  it('name a group where nothing follows it', () => {
    expect(parseResourceId(`${group}/`)).toMatchObject({ type: 'Microsoft.Resources/resourceGroups', name: 'My-RG' })
  })

  it('of a subscription or of the tenant are known by their last provider', () => {
    const deployment = '/Microsoft.Resources/deployments/d'
    expect(parseResourceId(`/subscriptions/5A/providers${deployment}`)).toEqual({
      id: `/subscriptions/5A/providers${deployment}`,
      key: `/subscriptions/5a/providers${deployment}`.toLowerCase(),
      subscriptionId: '5A',
      resourceGroup: '',
      type: 'Microsoft.Resources/deployments',
      name: 'd',
      names: ['d'],
    })
    expect(parseResourceId(`/providers${deployment}/operations/1/`)).toEqual({
      id: `/providers${deployment}/operations/1`,
      key: `/providers${deployment}/operations/1`.toLowerCase(),
      subscriptionId: '',
      resourceGroup: '',
      type: 'Microsoft.Resources/deployments/operations',
      name: '1',
      names: ['d', '1'],
    })
    const extension = `/Providers/Microsoft.X/things/t/providers${deployment}`
    expect(parseResourceId(extension)).toMatchObject({ type: 'Microsoft.Resources/deployments', names: ['d'] })
    for (const text of [
      '/providers',
      '/providers/Microsoft.X',
      '/providers/Microsoft.X/things',
      '/subscriptions/5A/providers/Microsoft.X/things',
      '/x/providers/Microsoft.X/things/t',
      '/x/y/providers/Microsoft.X/things/t',
    ])
      expect([text, parseResourceId(text)]).toEqual([text, undefined])
  })

  it('are whole, with all their parts', () => {
    expect(parseResourceId(`${group}/`)).toEqual({
      id: group,
      key: group.toLowerCase(),
      subscriptionId: '5A',
      resourceGroup: 'My-RG',
      type: 'Microsoft.Resources/resourceGroups',
      name: 'My-RG',
      names: ['My-RG'],
    })
    const vm = `${group}/providers/Microsoft.Compute/virtualMachines/Web1`
    expect(parseResourceId(`${vm}//`)).toEqual({
      id: vm,
      key: vm.toLowerCase(),
      subscriptionId: '5A',
      resourceGroup: 'My-RG',
      type: 'Microsoft.Compute/virtualMachines',
      name: 'Web1',
      names: ['Web1'],
    })
    expect([keyOf('/A//'), keyOf('/'), keyOf('')]).toEqual(['/a', '', ''])
  })

  it('carry the names of parents for nested types', () => {
    const id = parseResourceId(`${group}/providers/Microsoft.Network/virtualNetworks/v/subnets/s`)
    expect(id).toMatchObject({ type: 'Microsoft.Network/virtualNetworks/subnets', names: ['v', 's'], name: 's' })
  })

  it.each([
    '',
    'subscriptions/a/resourceGroups/b',
    '/subscriptions/a',
    `${group}/providers/Microsoft.Compute`,
    `${group}/providers/Microsoft.Compute/virtualMachines`,
    `${group}/providers/Microsoft.Compute/virtualMachines/..`,
    `${group}//providers/Microsoft.Compute/virtualMachines/a`,
    `${group}/providers/Microsoft.Compute/virtualMachines/a%2fb`,
    `${group}/providers/Microsoft.Compute/virtualMachines/.`,
    `${group}/providers/Microsoft.Compute/virtualMachines/a/extensions`,
    `${group}/things/Microsoft.Compute/virtualMachines/a`,
    `x${group}`,
    '/subscriptions',
    '/subscriptions//resourceGroups/g',
    '/subscriptions/5A/resourceGroups//providers/Microsoft.X/things/t',
    `${group}/providers//things/t`,
    `${group}/providers`,
    '/subscriptions/5A/resourceGroups',
    '/subscription/5A/resourceGroups/g',
    '/subscriptions/5A/resourceGroup/g',
    '/subscriptions/5A/things/g/providers/Microsoft.Compute/virtualMachines/a',
    ...['\u0000', '\u001f', '\u007f', '\\', '?', '#', '%', '<', '>'].map((sign) => `${group}${sign}x`),
  ])('refuse %j', (text) => {
    expect(parseResourceId(text)).toBeUndefined()
  })

  it('never throw, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseResourceId(text)
        parseResourceId(`${group}/providers/${text}`)
      }),
    )
  })
})
