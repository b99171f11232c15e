import { describe, expect, it } from 'vitest'
import { violations } from './history/history.ts'
import { faultRun } from './fault-run.ts'

/** Of issue 18. */
const faults = 1_000

describe.runIf(process.geteuid?.() === 0)('a fleet of which hosts, storage, server and database fail', () => {
  it(`has no write of an older epoch after a newer one in ${faults} faults, nor a key released to one`, async () => {
    const { history, figures } = await faultRun({ count: faults })
    expect(violations(history)).toEqual([])
    // The fleet was not idle: VMs moved and wrote, and requests of their earlier hosts were refused.
    expect(figures['epochsThatWrote']).toBeGreaterThan(faults / 10)
    expect(figures['refused']).toBeGreaterThan(faults / 100)
  }, 7_200_000)

  it.each([
    ['storage', 'writes of epoch'],
    ['key', 'release of epoch'],
  ])(
    'of which the fence of the %s is taken out of the code is found',
    async (mutation, sentence) => {
      const { history } = await faultRun({ count: 60, mutation })
      expect(violations(history)).toContainEqual(expect.stringContaining(sentence))
    },
    1_200_000,
  )
})
