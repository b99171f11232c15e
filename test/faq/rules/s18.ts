import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s18: Rule = {
  id: 'S18',
  boots: [],
  async check(t) {
    const path = t.driver.vm('s18')
    for (const securityType of ['Standard', 'TrustedLaunch']) {
      await t.driver.run('PUT', path, await t.driver.vmBody('s18', { securityType, size: 'Standard_D2as_v5' }))
      t.note(`made a ${securityType} VM`, 'made')
      await t.driver.run('POST', `${path}/deallocate`)
      const profile = { securityType: 'ConfidentialVM', uefiSettings: { secureBootEnabled: true, vTpmEnabled: true } }
      const convert = { properties: { securityProfile: profile } }
      await refused(t, {
        what: `${securityType} to ConfidentialVM`,
        method: 'PATCH',
        path,
        body: convert,
        status: 409,
        code: 'PropertyChangeNotAllowed',
        rule: 'S18',
      })
      const resize = { properties: { hardwareProfile: { vmSize: 'Standard_DC2as_v5' } } }
      await refused(t, {
        what: `${securityType} to a confidential size`,
        method: 'PATCH',
        path,
        body: resize,
        status: 409,
        code: 'OperationNotAllowed',
        rule: 'S18',
      })
      await refused(t, {
        what: 'boot evidence',
        method: 'POST',
        path: `${path}/retrieveBootEvidence`,
        status: 409,
        code: 'NotConfidential',
        rule: 'S18',
      })
      await t.driver.remove('s18')
    }
  },
}
