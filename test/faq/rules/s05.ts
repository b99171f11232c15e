import { trustsOnlyTheWhole } from '../evidence.ts'
import type { Rule } from '../rule.ts'

export const s05: Rule = {
  id: 'S5',
  boots: ['tdx'],
  check: async (t) => await trustsOnlyTheWhole(t, await t.guest('tdx')),
}
