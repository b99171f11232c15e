import { attestsItself } from '../attestation.ts'
import type { Rule } from '../rule.ts'

export const s10: Rule = {
  id: 'S10',
  boots: ['snp'],
  check: async (t) => await attestsItself(t, await t.guest('snp'), 'sevsnpvm'),
}
