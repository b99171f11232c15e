import assert from 'node:assert/strict'
import { findMarks } from '../../system/support/canary.ts'
import { readDiskSecrets } from '../../system/support/disk-secrets.ts'
import type { Rule } from '../rule.ts'

export const s01: Rule = {
  id: 'S1',
  boots: ['snp'],
  async check(t) {
    const guest = await t.guest('snp')
    const { volumeKey } = await readDiskSecrets(guest.vm.properties.vmId)
    const found = await findMarks(guest.installation.home, [volumeKey])
    t.note(
      'looked for the disk’s volume key, in seven spellings, in every file of the installation and in all ' +
        'processes’ arguments and environments',
      found.length === 0 ? 'found nowhere' : found.join(', '),
    )
    assert.deepEqual(found, [])
  },
}
