import assert from 'node:assert/strict'
import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s22: Rule = {
  id: 'S22',
  boots: [],
  async check(t) {
    const path = t.driver.vm('s22')
    // More than the family's 100 cores together with existing VMs.
    await t.driver.run('PUT', path, await t.driver.vmBody('s22', { size: 'Standard_EC64as_v5' }))
    const second = t.driver.vm('s22b')
    const body = await t.driver.vmBody('s22b', { size: 'Standard_EC48as_v5' })
    const error = await refused(t, {
      what: '64 cores and then 48 more of a family with 100',
      method: 'PUT',
      path: second,
      body,
      status: 409,
      code: 'OperationNotAllowed',
      rule: 'S22',
    })
    assert.match(
      error.message,
      /exceeding approved standardECASv5Family Cores quota.*Current Limit: 100, Current Usage: 64, Additional Required: 48/,
    )
    await t.driver.remove('s22')
    await t.driver.installation.must('quota', 'list')
    t.note('asked for the quotas that the operator decides', 'strongroom quota list answers')
  },
}
