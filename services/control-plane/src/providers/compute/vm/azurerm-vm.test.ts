import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import { codesOf, makeNetwork, vmPath, vmRequest, type Loose, type TestPlane } from '../../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
})
afterAll(async () => await plane.close())

/** What azurerm's VM resource sends besides what every client does. */
function request(): Loose {
  const body = vmRequest('vm1')
  body.properties.applicationProfile = {}
  body.properties.osProfile.allowExtensionOperations = true
  body.properties.osProfile.linuxConfiguration.provisionVMAgent = true
  body.properties.osProfile.linuxConfiguration.patchSettings = {
    assessmentMode: 'ImageDefault',
    patchMode: 'ImageDefault',
  }
  body.properties.extensionsTimeBudget = 'PT1H30M'
  body.properties.additionalCapabilities = {}
  body.properties.priority = 'Regular'
  return body
}

describe('a VM of azurerm', () => {
  it('shows the agent’s settings as they were sent, and says that there is no agent', async () => {
    await plane.run('PUT', vmPath('vm1'), request())
    const { osProfile, instanceView } = (await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)).body
      .properties as Loose
    expect([osProfile.allowExtensionOperations, osProfile.linuxConfiguration.provisionVMAgent]).toEqual([true, true])
    expect(JSON.stringify(instanceView.statuses)).toContain('There is no VM agent')
  })

  it('is the same VM when the same request comes again: a plan has nothing to change', async () => {
    const before = (await plane.send('GET', vmPath('vm1'))).body
    expect((await plane.send('PUT', vmPath('vm1'), request())).status).toBe(200)
    expect((await plane.send('GET', vmPath('vm1'))).body).toEqual(before)
  })

  it('keeps whether it has an agent, and may change whether extensions are allowed', async () => {
    const fewer = { properties: { osProfile: { allowExtensionOperations: false } } }
    const changed = await plane.send('PATCH', vmPath('vm1'), fewer)
    expect([changed.status, changed.body.properties.osProfile.allowExtensionOperations]).toEqual([200, false])
    const other = { properties: { osProfile: { linuxConfiguration: { provisionVMAgent: false } } } }
    expect((await plane.send('PATCH', vmPath('vm1'), other)).body.error).toMatchObject({
      code: 'PropertyChangeNotAllowed',
      target: 'osProfile.linuxConfiguration.provisionVMAgent',
    })
  })

  it('is refused with applications of a gallery, which an agent would install', async () => {
    await makeNetwork(plane, 'vm2')
    const body = vmRequest('vm2')
    body.properties.applicationProfile = { galleryApplications: [{ packageReferenceId: '/x' }] }
    const reply = await plane.send('PUT', vmPath('vm2'), body)
    expect([reply.status, codesOf(reply.body)]).toEqual([400, ['NotSupported']])
  })
})
