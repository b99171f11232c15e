import assert from 'node:assert/strict'
import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s13: Rule = {
  id: 'S13',
  boots: [],
  async check(t) {
    const group = `${t.driver.subscription}/resourceGroups/strongroom`
    const source = t.driver.vm('s13')
    await t.driver.run('PUT', source, await t.driver.vmBody('s13'))
    await t.driver.run('POST', `${source}/deallocate`)
    await t.driver.send('POST', `${source}/generalize`)
    const gallery = `${group}/providers/Microsoft.Compute/galleries/faq`
    const location = 'westeurope'
    await t.driver.run('PUT', gallery, { location, properties: {} })
    const image = `${gallery}/images/mine`
    await t.driver.run('PUT', image, {
      location,
      properties: {
        osType: 'Linux',
        osState: 'Generalized',
        hyperVGeneration: 'V2',
        identifier: { publisher: 'me', offer: 'mine', sku: 'cvm' },
        features: [{ name: 'SecurityType', value: 'ConfidentialVM' }],
      },
    })
    const version = `${image}/versions/1.0.0`
    const securityProfile = { confidentialVMEncryptionType: 'EncryptedWithPmk' }
    const region = { name: location, encryption: { osDiskImage: { securityProfile } } }
    await t.driver.run('PUT', version, {
      location,
      properties: {
        publishingProfile: { targetRegions: [region] },
        storageProfile: { source: { virtualMachineId: source } },
      },
    })
    t.note('captured a generalised VM as version 1.0.0 of a gallery image', 'made')
    const body = await t.driver.vmBody('s13b')
    body.properties.storageProfile.imageReference = { id: version }
    await t.driver.run('PUT', t.driver.vm('s13b'), body)
    const { body: made } = await t.driver.send('GET', t.driver.vm('s13b'))
    t.note('made another VM of that version', made.properties.provisioningState)
    assert.equal(made.properties.provisioningState, 'Succeeded')
    const elsewhere = { ...region, name: 'eastus' }
    const body2 = {
      location,
      properties: {
        publishingProfile: { targetRegions: [region, elsewhere] },
        storageProfile: { source: { virtualMachineId: source } },
      },
    }
    await refused(t, {
      what: 'a version of a confidential image outside its home region',
      method: 'PUT',
      path: `${image}/versions/2.0.0`,
      body: body2,
      status: 400,
      code: 'InvalidParameter',
    })
  },
}
