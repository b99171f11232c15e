import assert from 'node:assert/strict'
import { layPrograms, makeKey, provider } from '../../system/support/data-disk.ts'
import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s07: Rule = {
  id: 'S7',
  boots: ['snp'],
  async check(t) {
    const body = await t.driver.vmBody('s7')
    const securityProfile = { securityEncryptionType: 'DiskWithVMGuestState' }
    body.properties.storageProfile.dataDisks = [
      { lun: 0, createOption: 'Empty', diskSizeGB: 1, managedDisk: { securityProfile } },
    ]
    const path = t.driver.vm('s7')
    await refused(t, {
      what: 'confidential encryption of a data disk',
      method: 'PUT',
      path,
      body,
      status: 400,
      code: 'NotSupported',
      rule: 'S7',
    })
    const guest = await t.guest('snp')
    const { arm, path: vm } = await guest.arm()
    const { installation, name } = guest
    const attach = async (dataDisks: object[]): Promise<void> =>
      void (await arm.run('PATCH', vm, '2024-11-01', { properties: { storageProfile: { dataDisks } } }))
    await attach([{ lun: 7, createOption: 'Empty', name: 's7', diskSizeGB: 1 }])
    const key = await makeKey(installation, { vm: name, vault: 'faqs7' })
    await layPrograms(installation, name)
    const device = '/dev/disk/azure/scsi1/lun7'
    await guest.root(`udevadm settle
      bash /root/data-disk format ${device} s7 ${key} ${provider} >&2
      echo plain-of-s7 >/dev/mapper/s7; sync; bash /root/data-disk close s7; bash /root/data-disk open s7 >&2`)
    const seen = await guest.root(`head -c 11 /dev/mapper/s7; echo; grep -c plain-of-s7 ${device} || true`)
    t.note(
      'attached a data disk, put dm-crypt under it with a key that the vault released to this VM, opened it again ' +
        'with the key released again',
      seen.replaceAll('\n', ', times found underneath: '),
    )
    assert.equal(seen, 'plain-of-s7\n0')
    await guest.root('bash /root/data-disk close s7')
    await attach([])
  },
}
