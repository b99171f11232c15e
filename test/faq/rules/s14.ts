import assert from 'node:assert/strict'
import type { Rule } from '../rule.ts'

export const s14: Rule = {
  id: 'S14',
  boots: [],
  async check(t) {
    const body = await t.driver.vmBody('s14')
    body.properties.securityProfile.encryptionAtHost = true
    await t.driver.run('PUT', t.driver.vm('s14'), body)
    const { body: view } = await t.driver.send('GET', `${t.driver.vm('s14')}/instanceView`)
    const notice = (view.notices as string[]).find((text) => text.includes('twice'))
    t.note('made a VM with encryptionAtHost and DiskWithVMGuestState', notice ?? 'nothing was said')
    assert.match(notice ?? '', /may cost disk performance/)
    await t.driver.remove('s14')
    const only = await t.driver.vmBody('s14b', { encryption: 'VMGuestStateOnly' })
    await t.driver.run('PUT', t.driver.vm('s14b'), only)
    t.note('made a VM with VMGuestStateOnly', 'made')
    await t.driver.remove('s14b')
  },
}
