import { describe, expect, it } from 'vitest'
import type { Machine } from '../resources/machine.ts'
import { filterOf } from './machine-filter.ts'

const machine = (name: string, tags?: Record<string, string>): Machine => ({
  id: `/subscriptions/s/resourceGroups/Blue/providers/Microsoft.Compute/virtualMachines/${name}`,
  name,
  location: 'westeurope',
  ...(tags !== undefined && { tags }),
  properties: {
    vmId: name,
    provisioningState: 'Succeeded',
    hardwareProfile: { vmSize: 'Standard_DC2as_v5' },
    storageProfile: { osDisk: { managedDisk: { securityProfile: { securityEncryptionType: 'VMGuestStateOnly' } } } },
  },
})

describe('the filter of machines', () => {
  it('finds every word in any field, in any case', () => {
    const one = machine('web-1', { owner: 'Ana' })
    for (const filter of ['', 'WEB', 'blue dc2as', 'owner=ana', 'guest west'])
      expect(filterOf(filter)(one), filter).toBe(true)
    for (const filter of ['web red', 'tdx']) expect(filterOf(filter)(one), filter).toBe(false)
  })

  it('answers for 10,000 machines within 50 ms', () => {
    const all = Array.from({ length: 10_000 }, (_, index) => machine(`web-${index}`, { n: String(index) }))
    const filters = ['w', 'we', 'web-99', 'web-99 blue', 'nothing']
    const times = [...filters, ...filters, ...filters].map((filter) => {
      const begun = performance.now()
      all.filter(filterOf(filter))
      return performance.now() - begun
    })
    // The best of a few: the test machine does other work too.
    expect(Math.min(...times)).toBeLessThan(50)
  })
})
