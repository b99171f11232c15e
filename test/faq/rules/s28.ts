import assert from 'node:assert/strict'
import type { Loose } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s28: Rule = {
  id: 'S28',
  boots: ['tdx'],
  async check(t) {
    const guest = await t.guest('tdx')
    // chronyc(1): the fifth field is the system clock's offset, the last one shows whether it follows a source.
    const drift = (await guest.root('chronyc waitsync 60 0 0 1 >/dev/null || true; chronyc -c tracking')).split(',')
    t.note('measured the drift inside a TDX guest', `${drift[4]} seconds from its reference, ${drift.at(-1)}`)
    assert.equal(drift.at(-1), 'Normal')
    assert.ok(Math.abs(Number(drift[4])) < 5, drift.join(','))
    await guest.root('/usr/lib/strongroom/health')
    const { statuses } = await guest.instanceView()
    const clock = (statuses as Loose[]).find(({ code }) => code.startsWith('Clock/'))
    t.note('asked the instance view for the clock', `${clock?.code}: ${clock?.message}`)
    assert.equal(clock?.code, 'Clock/inStep')
    const remedy = await guest.root(
      '/usr/lib/strongroom/clock-remedy; grep -c "^pool" /etc/chrony/chrony.conf; systemctl is-active chrony',
    )
    t.note(
      'ran the remedy',
      remedy
        .split('\n')
        .filter((line) => /clock-remedy|^[0-9]+$|active/.test(line))
        .join('; '),
    )
    assert.match(remedy, /\n4\nactive$/)
  },
}
