import { trustsOnlyTheWhole } from '../evidence.ts'
import type { Rule } from '../rule.ts'

export const s04: Rule = {
  id: 'S4',
  boots: ['snp'],
  check: async (t) => await trustsOnlyTheWhole(t, await t.guest('snp')),
}
