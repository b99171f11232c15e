import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OrdinarySpec } from '@strongroom/contract'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import { makeNetwork, rulesOf, vmPath, vmRequest, type Loose, type TestPlane } from '../../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => void (plane = await openSqlitePlane()))
afterAll(async () => await plane.close())

function ordinary(name: string, securityType?: string): Loose {
  const body = vmRequest(name)
  body.properties.hardwareProfile.vmSize = 'Standard_D2as_v5'
  body.properties.securityProfile =
    securityType === undefined
      ? null
      : { securityType, uefiSettings: { secureBootEnabled: true, vTpmEnabled: securityType === 'TrustedLaunch' } }
  body.properties.storageProfile.osDisk.managedDisk.securityProfile = null
  return body
}

describe.each([
  ['Standard', undefined],
  ['TrustedLaunch', 'TrustedLaunch'],
] as const)('a %s VM', (type, securityType) => {
  const name = type.toLowerCase()
  const path = vmPath(name)

  it('is made without a key and without an attestation provider', async () => {
    await makeNetwork(plane, name)
    const { operation } = await plane.run('PUT', path, ordinary(name, securityType))
    expect(operation.error).toBeUndefined()
    const status = [...plane.wire.instances.values()].find(({ spec }) => spec.name === name)
    const spec = status!.spec as OrdinarySpec
    expect(spec.ordinary).toBe(type)
    expect(spec.security).toEqual({ secureBoot: securityType !== undefined, vTpm: securityType !== undefined })
    expect(Object.keys(spec).filter((key) => ['tee', 'guestStateKey', 'attestationProvider'].includes(key))).toEqual([])
    expect([...plane.wire.keys.keys()].filter((key) => key.includes(spec.vmId.toLowerCase()))).toEqual([])
    const { body } = await plane.send('GET', path)
    expect(body.properties.securityProfile.securityType).toBe(securityType)
  })

  it('never becomes confidential, by its type or by its size, and says S18', async () => {
    const confidential = {
      securityType: 'ConfidentialVM',
      uefiSettings: { secureBootEnabled: true, vTpmEnabled: true },
    }
    const changed = await plane.send('PATCH', path, { properties: { securityProfile: confidential } })
    expect([changed.status, changed.body.error.code, rulesOf(changed.body)]).toEqual([
      409,
      'PropertyChangeNotAllowed',
      ['S18'],
    ])
    const resized = await plane.send('PATCH', path, {
      properties: { hardwareProfile: { vmSize: 'Standard_DC2as_v5' } },
    })
    expect([resized.body.error.code, rulesOf(resized.body)]).toEqual(['OperationNotAllowed', ['S18']])
    const evidence = await plane.send('POST', `${path}/retrieveBootEvidence`)
    expect([evidence.body.error.code, rulesOf(evidence.body)]).toEqual(['NotConfidential', ['S18']])
  })

  it('stays as it is when az sends back what it got', async () => {
    const { body } = await plane.send('GET', path)
    expect((await plane.send('PUT', path, body)).status).toBe(200)
  })
})

describe('data for the guest', () => {
  it('reaches the host: custom data once, user data as it changes, and neither is shown unasked', async () => {
    await makeNetwork(plane, 'data')
    const body = vmRequest('data')
    body.properties.osProfile.customData = Buffer.from('#cloud-config\n').toString('base64')
    body.properties.userData = Buffer.from('one').toString('base64')
    await plane.run('PUT', vmPath('data'), body)
    const spec = (): Loose => [...plane.wire.instances.values()].find((each) => each.spec.name === 'data')!.spec
    expect(spec().osProfile.customData).toBe(body.properties.osProfile.customData)
    expect(spec().userData).toBe(body.properties.userData)
    const shown = (await plane.send('GET', vmPath('data'))).body
    expect(JSON.stringify(shown)).not.toMatch(/customData|userData/)
    const asked = await plane.send('GET', `${vmPath('data')}?$expand=userData`)
    expect(asked.body.properties.userData).toBe(body.properties.userData)

    const other = { properties: { osProfile: { customData: Buffer.from('other').toString('base64') } } }
    const refusal = await plane.send('PATCH', vmPath('data'), other)
    expect(refusal.body.error).toMatchObject({ code: 'PropertyChangeNotAllowed', target: 'osProfile.customData' })
    const two = Buffer.from('two').toString('base64')
    expect((await plane.send('PATCH', vmPath('data'), { properties: { userData: two } })).status).toBe(200)
    await plane.run('POST', `${vmPath('data')}/deallocate`)
    await plane.run('POST', `${vmPath('data')}/start`)
    expect(spec().userData).toBe(two)
  })

  it.each([
    ['no base64', 'not base64!', /must be base64/],
    ['too long', Buffer.alloc(65_537).toString('base64'), /at most 65536 bytes/],
  ])('is refused where it is %s', async (_why, customData, message) => {
    await makeNetwork(plane, 'bad')
    const body = vmRequest('bad')
    body.properties.osProfile.customData = customData
    const reply = await plane.send('PUT', vmPath('bad'), body)
    expect([reply.status, reply.body.error.code]).toEqual([400, 'InvalidParameter'])
    expect(reply.body.error.message).toMatch(message)
  })
})
