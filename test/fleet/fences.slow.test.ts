import { describe, expect, it } from 'vitest'
import { violations } from './history/history.ts'
import { faultRun } from './fault-run.ts'

describe.runIf(process.geteuid?.() === 0)('a fleet of which hosts, storage, server and database fail', () => {
  it('has no write of an older epoch after a newer one, nor a key released to one; all VMs write in the end', async () => {
    const { history, figures } = await faultRun({ count: 20 })
    expect(violations(history)).toEqual([])
    expect(figures).toMatchObject({ faults: 20 })
    expect(figures['releasedAgain']).toBeLessThanOrEqual(figures['askedAgain']!)
  })
})
