import assert from 'node:assert/strict'
import { refused, type Loose } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s24: Rule = {
  id: 'S24',
  boots: [],
  async check(t) {
    const path = t.driver.vm('s24')
    const body = await t.driver.vmBody('s24')
    await refused(t, {
      what: 'a confidential VM in UK West',
      method: 'PUT',
      path,
      body: { ...body, location: 'ukwest' },
      status: 400,
      code: 'BadRequest',
      rule: 'S24',
    })
    const other = await t.driver.vmBody('s24', { size: 'Standard_DC2as_v6' })
    await refused(t, {
      what: 'a DCasv6 size in West Europe',
      method: 'PUT',
      path,
      body: other,
      status: 409,
      code: 'SkuNotAvailable',
      rule: 'S24',
    })
    const { body: skus } = await t.driver.send('GET', `${t.driver.subscription}/providers/Microsoft.Compute/skus`)
    const where = (skus.value as Loose[])
      .filter(({ name, restrictions }) => name === 'Standard_DC2as_v6' && restrictions.length === 0)
      .map(({ locations }) => locations[0] as string)
    t.note('asked where that size is', where.join(', '))
    assert.ok(where.length > 0)
  },
}
