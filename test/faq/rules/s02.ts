import assert from 'node:assert/strict'
import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s02: Rule = {
  id: 'S2',
  boots: ['snp'],
  async check(t) {
    const body = await t.driver.vmBody('s2')
    body.properties.securityProfile.uefiSettings.vTpmEnabled = false
    const path = t.driver.vm('s2')
    await refused(t, {
      what: 'a confidential VM without vTPM',
      method: 'PUT',
      path,
      body,
      status: 400,
      code: 'BadRequest',
      rule: 'S2',
    })
    const { trusted, links } = await (await t.guest('snp')).trust()
    t.note('verified the evidence of a real boot again', links.map(({ id, outcome }) => `${id} ${outcome}`).join(', '))
    assert.equal(trusted, true)
  },
}
