import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import { makeNetwork, vmPath, vmRequest, type Loose, type TestPlane } from '../../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => void (plane = await openSqlitePlane()))
afterAll(async () => await plane.close())

function pinned(name: string, updates: string): Loose {
  const body = vmRequest(name)
  body.properties.securityProfile.firmwareUpdates = updates
  return body
}
const shown = async (name: string): Promise<Loose> => (await plane.send('GET', vmPath(name))).body
const vmId = async (name: string): Promise<string> => (await shown(name)).properties.vmId.toUpperCase()
const rule = async (name: string): Promise<unknown> => plane.wire.vaults.firmware.get(await vmId(name))

describe('firmwareUpdates of a VM', () => {
  it('reaches the key service before the VM boots, and is shown', async () => {
    await makeNetwork(plane, 'one')
    const { operation } = await plane.run('PUT', vmPath('one'), pinned('one', 'pinned'))
    expect(operation.error).toBeUndefined()
    expect((await shown('one')).properties.securityProfile.firmwareUpdates).toBe('Pinned')
    const [told, booted] = ['/firmware', '/start'].map((end) =>
      plane.wire.calls.findIndex(({ path }) => path.endsWith(end)),
    )
    expect(told).toBeGreaterThanOrEqual(0)
    expect(booted).toBeGreaterThan(told!)
    expect(await rule('one')).toBe('Pinned')
  })

  it('stays where a client of Azure’s writes the VM back without it', async () => {
    const body = await shown('one')
    delete body.properties.securityProfile.firmwareUpdates
    body.tags = { team: 'a' }
    expect((await plane.send('PUT', vmPath('one'), body)).status).toBe(200)
    expect((await shown('one')).properties.securityProfile.firmwareUpdates).toBe('Pinned')
    expect(await rule('one')).toBe('Pinned')
  })

  it('changes while the VM runs, or not at all where the key service cannot be told', async () => {
    const change = { properties: { securityProfile: { firmwareUpdates: 'ListedOrOlder' } } }
    plane.wire.away = /\/firmware$/
    expect((await plane.send('PATCH', vmPath('one'), change)).status).toBeGreaterThanOrEqual(500)
    plane.wire.away = undefined
    expect((await shown('one')).properties.securityProfile.firmwareUpdates).toBe('Pinned')
    expect((await plane.send('PATCH', vmPath('one'), change)).status).toBe(200)
    expect(await rule('one')).toBe('ListedOrOlder')
  })

  it('is forgotten with the VM', async () => {
    const id = await vmId('one')
    await plane.run('DELETE', vmPath('one'))
    expect(plane.wire.vaults.firmware.has(id)).toBe(false)
  })

  it('is refused in another spelling, and of a VM whose key nobody releases', async () => {
    await makeNetwork(plane, 'two')
    const unknown = await plane.send('PUT', vmPath('two'), pinned('two', 'Any'))
    expect([unknown.status, unknown.body.error.target]).toEqual([400, 'properties.securityProfile.firmwareUpdates'])
    const stateless = pinned('two', 'Pinned')
    stateless.properties.hardwareProfile.vmSize = 'Standard_DC2es_v5'
    stateless.properties.storageProfile.osDisk.managedDisk.securityProfile = {
      securityEncryptionType: 'NonPersistedTPM',
    }
    const refused = await plane.send('PUT', vmPath('two'), stateless)
    expect([refused.status, refused.body.error.target]).toEqual([400, 'properties.securityProfile.firmwareUpdates'])
    expect(refused.body.error.message).toContain('this VM has none')
  })
})
