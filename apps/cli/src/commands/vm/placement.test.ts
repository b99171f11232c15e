import type { PlacementExplanation } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { reasons } from './placement.ts'

const why: PlacementExplanation = {
  need: { region: 'westeurope', tee: 'SNP', vCPUs: 4, memoryMiB: 16_384 },
  considered: 3,
  fitting: 2,
  ruledOut: [{ reason: 'cores', count: 1, hosts: ['c'] }],
  chosen: { host: 'a', zone: '2', reservedVCPUs: 8, vCPUs: 64 },
}

describe('why a VM is on its host', () => {
  it('is said with what decided', () => {
    expect(reasons(why)).toEqual([
      '  hosts: 3, 2 of which could carry it',
      '  chosen: the least reserved host that could carry it, in the least reserved zone (2): 8 of 64 cores',
      '  1 could not, no room for its cores: c',
    ])
    const spread = { id: '/subscriptions/s/x/web', faultDomains: 2, updateDomains: 5 }
    const chosen = { host: 'a', reservedVCPUs: 8, vCPUs: 64, spread: { faultDomain: 1, updateDomain: 3, others: 0 } }
    expect(reasons({ ...why, need: { ...why.need, spread }, chosen, ruledOut: [] })).toEqual([
      '  hosts: 3, 2 of which could carry it',
      '  chosen: of the hosts with the fewest VMs of web (none), the least reserved that could carry it: 8 of 64 cores',
      '  fault domain 1, update domain 3 of web',
    ])
  })
})
