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
