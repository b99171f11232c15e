import { attestsItself } from '../attestation.ts'
import type { Rule } from '../rule.ts'

export const s11: Rule = {
  id: 'S11',
  boots: ['tdx'],
  check: async (t) => await attestsItself(t, await t.guest('tdx'), 'tdxvm'),
}
