import assert from 'node:assert/strict'
import type { Loose } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s23: Rule = {
  id: 'S23',
  boots: [],
  async check(t) {
    const { body } = await t.driver.send(
      'GET',
      `${t.driver.subscription}/providers/Microsoft.Compute/locations/westeurope/vmSizes`,
    )
    const ratio = (kind: string): number[] => [
      ...new Set(
        (body.value as Loose[])
          .filter(({ name }) => new RegExp(`^Standard_${kind}\\d`).test(name))
          .map(({ memoryInMB, numberOfCores }) => memoryInMB / numberOfCores / 1024),
      ),
    ]
    const [dc, ec] = [ratio('DC'), ratio('EC')]
    t.note('compared GiB for a vCPU over all sizes', `DC ${dc.join(', ')}; EC ${ec.join(', ')}`)
    assert.ok(Math.min(...ec) > Math.max(...dc))
  },
}
