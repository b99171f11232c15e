import assert from 'node:assert/strict'
import { refused, type Loose } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s20: Rule = {
  id: 'S20',
  boots: [],
  async check(t) {
    const { body } = await t.driver.send(
      'GET',
      `${t.driver.subscription}/providers/Microsoft.Compute/skus?$filter=location eq 'westeurope'`,
    )
    const hidden = (body.value as Loose[]).filter(({ restrictions }) => restrictions.length > 0)
    const [first] = hidden
    t.note(
      'listed sizes for westeurope',
      `${body.value.length} sizes, ${hidden.length} with a restriction, for example ${first?.name}: ${first?.restrictions[0].reasonCode}`,
    )
    assert.ok(hidden.length > 0 && hidden.every(({ restrictions }) => restrictions[0].values[0] === 'westeurope'))
    const unknown = await t.driver.vmBody('s20', { size: 'Standard_DC3as_v5' })
    await refused(t, {
      what: 'a size that there is not',
      method: 'PUT',
      path: t.driver.vm('s20'),
      body: unknown,
      status: 400,
      code: 'BadRequest',
      rule: 'S20',
    })
  },
}
