import assert from 'node:assert/strict'
import type { Rule } from '../rule.ts'

export const s28: Rule = {
  id: 'S28',
  boots: ['tdx'],
  async check(t) {
    const guest = await t.guest('tdx')
    const drift = await guest.root('chronyc -c tracking')
    t.note('measured the drift inside a TDX guest', `${drift.split(',')[4]} seconds from its reference`)
    assert.ok(Math.abs(Number(drift.split(',')[4])) < 5, drift)
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
    assert.match(remedy, /active$/)
  },
}
