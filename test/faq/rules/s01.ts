import assert from 'node:assert/strict'
import { findMarks } from '../../system/support/canary.ts'
import { readDiskSecrets } from '../../system/support/disk-secrets.ts'
import { diskFile, readEvidence } from '../../system/support/vm.ts'
import type { Rule } from '../rule.ts'

export const s01: Rule = {
  id: 'S1',
  boots: ['snp'],
  async check(t) {
    const guest = await t.guest('snp')
    const secrets = await readDiskSecrets({
      vmId: guest.vm.properties.vmId,
      disk: await diskFile(guest.installation, guest.vm),
      evidence: await readEvidence(guest.installation, guest.name),
    })
    const found = await findMarks(guest.installation.home, [secrets.volumeKey, secrets.sealed])
    t.note(
      'looked for the disk’s volume key and for what the vTPM seals, in seven spellings, in every file of the installation and in all processes’ arguments and environments',
      found.length === 0 ? 'found nowhere' : found.join(', '),
    )
    assert.deepEqual(found, [])
  },
}
