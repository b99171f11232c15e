import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import { makeNetwork, openTestPlane, rulesOf, vmPath, vmRequest, type TestPlane } from '../../../testing/test-plane.ts'

describeStores('a security type that is left out', (open) => {
  let plane: TestPlane
  afterEach(async () => await plane.service.close())

  const storedModel = async (store: Store, name: string): Promise<Record<string, unknown>> => {
    const row = await store.db.selectFrom('resource').select('internal').where('name', '=', name).executeTakeFirst()
    return (JSON.parse(String(row?.['internal'])) as { model: Record<string, unknown> }).model
  }

  it('is Standard in a request, and written as that', async () => {
    const store = await open()
    plane = await openTestPlane(store, undefined, { compute: 'simulated' })
    await makeNetwork(plane, 'plain')
    const body = vmRequest('plain')
    body.properties.hardwareProfile.vmSize = 'Standard_D2as_v5'
    body.properties.securityProfile = null
    body.properties.storageProfile.osDisk.managedDisk.securityProfile = null
    expect((await plane.run('PUT', vmPath('plain'), body)).operation.error).toBeUndefined()
    expect(await storedModel(store, 'plain')).toMatchObject({ securityType: 'Standard' })
    // The same on a confidential size does not count as a confidential VM.
    const { body: refused } = await plane.send('PUT', vmPath('other'), {
      ...vmRequest('other'),
      properties: { ...vmRequest('other').properties, securityProfile: null },
    })
    expect(refused.error.code).toBe('BadRequest')
  })

  it('was ConfidentialVM in models of before there were others, and is written as that at the next start', async () => {
    const store = await open()
    plane = await openTestPlane(store, undefined, { compute: 'simulated' })
    await makeNetwork(plane, 'old')
    await plane.run('PUT', vmPath('old'), vmRequest('old'))
    await plane.service.close()
    const { securityType: _, ...model } = await storedModel(store, 'old')
    const row = await store.db.selectFrom('resource').select('internal').where('name', '=', 'old').executeTakeFirst()
    const internal = JSON.stringify({ ...(JSON.parse(String(row?.['internal'])) as object), model })
    await store.db.updateTable('resource').set({ internal }).where('name', '=', 'old').execute()
    await store.db.deleteFrom('strongroom_migration').where('name', '=', '0012-security-type').execute()

    plane = await openTestPlane(store, undefined, { compute: 'simulated' })
    expect(await storedModel(store, 'old')).toMatchObject({ securityType: 'ConfidentialVM' })
    const { body } = await plane.send('GET', vmPath('old'))
    expect(body.properties.securityProfile.securityType).toBe('ConfidentialVM')
    expect((await plane.send('PATCH', vmPath('old'), { tags: { a: 'b' } })).status).toBe(200)
    const ordinary = { properties: { securityProfile: { securityType: 'Standard' } } }
    expect(rulesOf((await plane.send('PATCH', vmPath('old'), ordinary)).body)).toEqual(['S18'])
  })
})
