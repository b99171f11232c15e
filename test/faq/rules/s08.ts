import assert from 'node:assert/strict'
import type { Loose } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s08: Rule = {
  id: 'S8',
  boots: ['snp'],
  async check(t) {
    const guest = await t.guest('snp')
    const health = '/usr/lib/strongroom/health'
    await guest.root(
      'cd /var; dd if=/dev/zero of=swapfile bs=1M count=64 status=none; chmod 600 swapfile; mkswap swapfile ' +
        `>/dev/null; swapon swapfile; ${health}`,
    )
    const { statuses } = await guest.instanceView()
    const swap = (statuses as Loose[]).filter(({ code }) => code.startsWith('Swap/'))
    t.note(
      'made a swap file on the encrypted OS disk',
      swap.map(({ code, message }) => `${code}: ${message}`).join('; '),
    )
    assert.deepEqual(
      swap.map(({ code }) => code),
      ['Swap/protected'],
    )
    await guest.root(`swapoff /var/swapfile; rm /var/swapfile; ${health}`)
  },
}
