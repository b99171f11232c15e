import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s16: Rule = {
  id: 'S16',
  boots: [],
  async check(t) {
    const path = t.driver.vm('s16')
    for (const [from, to] of [
      ['DiskWithVMGuestState', 'VMGuestStateOnly'],
      ['VMGuestStateOnly', 'DiskWithVMGuestState'],
    ] as const) {
      const body = await t.driver.vmBody('s16', { encryption: from })
      await t.driver.run('PUT', path, body)
      body.properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType = to
      await refused(t, {
        what: `${from} to ${to} on a VM that exists`,
        method: 'PUT',
        path,
        body,
        status: 409,
        code: 'PropertyChangeNotAllowed',
        rule: 'S16',
      })
      await t.driver.remove('s16')
    }
  },
}
