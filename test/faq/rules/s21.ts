import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s21: Rule = {
  id: 'S21',
  boots: [],
  async check(t) {
    const body = await t.driver.vmBody('s21')
    const nic = body.properties.networkProfile.networkInterfaces[0].id as string
    const { body: present } = await t.driver.send('GET', nic)
    present.properties.enableAcceleratedNetworking = true
    await t.driver.run('PUT', nic, present)
    await refused(t, {
      what: 'a confidential VM with accelerated networking on its interface',
      method: 'PUT',
      path: t.driver.vm('s21'),
      body,
      status: 400,
      code: 'VMSizeIsNotPermittedToEnableAcceleratedNetworking',
      rule: 'S21',
    })
  },
}
