import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Rule } from '../rule.ts'

export const s27: Rule = {
  id: 'S27',
  boots: [],
  async check(t) {
    const { installation } = t.driver
    const file = join(installation.home, 'prices.json')
    const price = (meter: string, unitPrice: number, unitOfMeasure: string): object => ({
      meter,
      unitPrice,
      unitOfMeasure,
    })
    const items = [
      price('compute', 3600, '1 Hour'),
      price('os-disk-encrypted', 1, '1 GiB/Hour'),
      price('vmgs', 1, '1/Month'),
    ]
    await writeFile(file, JSON.stringify({ currency: 'EUR', items }))
    await installation.must('cost', 'prices', 'set', file)
    await t.driver.run('PUT', t.driver.vm('s27'), await t.driver.vmBody('s27'))
    await t.driver.remove('s27')
    const shown = JSON.stringify(await installation.must('cost', 'show', '--by', 'meter'))
    t.note('used a VM under a price list of the operator’s, then asked for the cost by meter', shown.slice(0, 300))
    for (const meter of ['compute', 'os-disk-encrypted', 'vmgs'])
      assert.ok(shown.includes(meter), `${meter} is not metered`)
  },
}
