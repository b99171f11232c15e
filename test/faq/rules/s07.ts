import assert from 'node:assert/strict'
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
    const seen = await guest.root(
      `cd /var/tmp; head -c 32 /dev/urandom >k; truncate -s 64M data; cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 data k
       cryptsetup open --key-file k data s7; echo secret >/dev/mapper/s7; sync; head -c 7 /dev/mapper/s7; cryptsetup close s7; grep -c secret data || true; rm -f data k`,
    )
    t.note(
      'encrypted a volume inside the guest with dm-crypt, wrote "secret" and looked for it underneath',
      seen.replaceAll('\n', ', times found underneath: '),
    )
    assert.equal(seen, 'secret\n0')
  },
}
