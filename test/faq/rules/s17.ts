import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s17: Rule = {
  id: 'S17',
  boots: [],
  async check(t) {
    const path = t.driver.vm('s17')
    const amd = await t.driver.vmBody('s17', { encryption: 'NonPersistedTPM' })
    await refused(t, {
      what: 'NonPersistedTPM on an AMD size',
      method: 'PUT',
      path,
      body: amd,
      status: 400,
      code: 'BadRequest',
      rule: 'S17',
    })
    const intel = await t.driver.vmBody('s17', { encryption: 'NonPersistedTPM', size: 'Standard_DC2es_v5' })
    await t.driver.run('PUT', path, intel)
    t.note('NonPersistedTPM on a TDX size', 'made')
    await t.driver.remove('s17')
  },
}
