import assert from 'node:assert/strict'
import { guestQemu } from '../../system/support/processes.ts'
import { onRecord, refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s09: Rule = {
  id: 'S9',
  boots: ['snp'],
  async check(t) {
    await t.driver.run('PUT', t.driver.vm('s9'), await t.driver.vmBody('s9'))
    const path = `${t.driver.vm('s9')}/captureMemoryDump`
    await refused(t, {
      what: 'a memory dump by the host',
      method: 'POST',
      path,
      status: 403,
      code: 'MemoryDumpRefused',
      rule: 'S9',
    })
    await onRecord(t, 'captureMemoryDump', 403)
    await t.driver.remove('s9')
    const guest = await t.guest('snp')
    const qemu = await guestQemu(guest.vm.properties.vmId)
    t.note('looked at how QEMU runs', /q35[^ ]*/.exec(qemu?.cmdline ?? '')?.[0] ?? 'no such process')
    assert.match(qemu?.cmdline ?? '', /dump-guest-core=off/)
  },
}
