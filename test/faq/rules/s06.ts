import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { inspectLuks } from '../../../services/host/src/disks/luks.ts'
import { diskFile, readEvidence } from '../../system/support/vm.ts'
import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s06: Rule = {
  id: 'S6',
  boots: ['snp'],
  async check(t) {
    const body = await t.driver.vmBody('s6')
    body.properties.osProfile.adminPassword = 'password1234'
    body.properties.osProfile.linuxConfiguration.disablePasswordAuthentication = false
    const path = t.driver.vm('s6')
    await refused(t, {
      what: 'a password that who runs the host could guess from its hash',
      method: 'PUT',
      path,
      body,
      status: 400,
      code: 'InvalidParameter',
      rule: 'S6',
    })
    const guest = await t.guest('snp')
    const luks = await inspectLuks(await diskFile(guest.installation, guest.vm))
    const { osDisk, measuredBoot } = await readEvidence(guest.installation, guest.name)
    t.note('read the OS disk as the host has it', `LUKS2 ${luks?.uuid}, ${luks?.cipher}, ${luks?.keySlots} key slots`)
    // No slot holds the volume's key, even wrapped: it is only in the vTPM, which opened this volume.
    assert.deepEqual(luks, { uuid: osDisk.opened?.luksUuid, cipher: 'aes-xts-plain64', keySlots: 0 })
    const settled = await guest.root('base64 -w0 /var/lib/strongroom/settled')
    const digest = createHash('sha256').update(Buffer.from(settled, 'base64')).digest()
    const expected = createHash('sha256')
      .update(Buffer.concat([Buffer.alloc(32), digest]))
      .digest('hex')
    const quoted = measuredBoot?.pcrs['14']
    t.note(
      'compared PCR 14 of the boot quote with the accounts and keys that the guest took at its first boot',
      `${quoted}`,
    )
    assert.equal(quoted, expected)
  },
}
