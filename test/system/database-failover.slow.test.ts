import { describe, expect, it } from 'vitest'
import { repeatable, runFailovers } from './support/failover-run.ts'

describe('the primary of the database', () => {
  it.runIf(process.geteuid?.() === 0)(
    'is lost by kill -9, by a partition and by a Patroni that stands still: nothing acknowledged is, and every operation ends',
    async () => {
      const { faults, registers, operations, failures, unsettled } = await runFailovers(4)
      expect(faults).toHaveLength(4)
      for (const { name, acknowledged, found, stale, refusals } of registers) {
        expect(acknowledged, name).toBeGreaterThan(20)
        expect(found, name).toBeGreaterThanOrEqual(acknowledged)
        expect(stale, name).toEqual([])
        expect(repeatable, name).toEqual(expect.arrayContaining(Object.keys(refusals)))
      }
      expect(failures).toEqual([])
      expect(Object.keys(operations).toSorted()).toEqual(['DELETE Succeeded', 'PUT Succeeded'])
      expect(unsettled).toEqual([])
    },
  )
})
