import { describe, expect, it } from 'vitest'
import { planFaults } from './plan.ts'

const asked = { seed: 7, count: 500, hosts: 4, leaseMs: 2_000 }

describe('a plan of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planFaults(asked)).toEqual(planFaults(asked))
    expect(planFaults({ ...asked, seed: 8 })).not.toEqual(planFaults(asked))
  })

  it('has every kind, on every host, some shorter than a lease and some longer', () => {
    const faults = planFaults(asked)
    expect(new Set(faults.map(({ kind }) => kind)).size).toBe(14)
    expect(new Set(faults.map(({ host }) => host))).toEqual(new Set([0, 1, 2, 3]))
    expect(faults.some(({ forMs }) => forMs < 500)).toBe(true)
    expect(faults.some(({ forMs }) => forMs > 3_000)).toBe(true)
    expect(faults.some(({ jumpMs }) => jumpMs < -1_000)).toBe(true)
  })
})
