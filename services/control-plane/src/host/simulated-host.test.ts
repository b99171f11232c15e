import { ServiceError, type WireClient } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeWire } from '../testing/fake-wire.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { group, makeNetwork, vmPath, vmRequest, type TestPlane } from '../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
})
afterAll(async () => await plane.close())

const view = async (): Promise<{ statuses: { code: string }[]; notices: string[] }> =>
  (await plane.send('GET', `${vmPath('vm1')}/instanceView`)).body
const power = async (): Promise<string | undefined> =>
  (await view()).statuses.find(({ code }) => code.startsWith('PowerState/'))?.code

describe('compute without guests', () => {
  it('takes a VM through its whole life over the same wire and sagas, and calls nobody', async () => {
    expect((await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))).operation.status).toBe('Succeeded')
    expect(await power()).toBe('PowerState/running')
    expect((await plane.run('POST', `${vmPath('vm1')}/powerOff`)).operation.status).toBe('Succeeded')
    expect(await power()).toBe('PowerState/stopped')
    expect((await plane.run('POST', `${vmPath('vm1')}/deallocate`)).operation.status).toBe('Succeeded')
    expect(await power()).toBe('PowerState/deallocated')
    expect((await plane.run('POST', `${vmPath('vm1')}/start`)).operation.status).toBe('Succeeded')
    expect((await plane.run('POST', `${vmPath('vm1')}/restart`)).operation.status).toBe('Succeeded')
    expect(await power()).toBe('PowerState/running')
    expect(plane.wire.calls).toEqual([])
  })

  it('never claims that a guest ran', async () => {
    expect((await view()).notices.join(' ')).toContain('no guest ran')
    expect((await plane.send('POST', `${vmPath('vm1')}/retrieveConnection`)).body.error.code).toBe('VmNotReady')
  })

  it('asks the host for evidence once a boot, with a key made for it, and destroys both with the VM', async () => {
    const asked = async (): Promise<string> =>
      (await plane.send('POST', `${vmPath('vm1')}/retrieveBootEvidence`)).body.bootId
    const first = await asked()
    expect(await asked()).toBe(first)
    expect(plane.wire.keys.size).toBe(1)
    await plane.run('POST', `${vmPath('vm1')}/restart`)
    const second = await asked()
    expect(second).not.toBe(first)
    await plane.run('POST', `${vmPath('vm1')}/powerOff`)
    expect(await asked()).toBe(second)
    await plane.run('DELETE', vmPath('vm1'))
    expect([plane.wire.keys.size, plane.wire.simulated.size]).toEqual([0, 0])
    await makeNetwork(plane, 'vm1')
    await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
  })

  it('attests at its start a VM whose owner named a provider, and starts none that the provider refuses', async () => {
    const wire = new FakeWire()
    let denies = true
    const judging: WireClient = {
      close: () => {},
      request: async (o) => {
        if (denies && o.method === 'PUT' && o.url.endsWith('/boot'))
          throw new ServiceError({ code: 'AttestationRefused', message: 'The policy denies.' })
        return await wire.request(o)
      },
    }
    const other = await openSqlitePlane({ compute: 'simulated', wire, through: judging })
    try {
      await makeNetwork(other, 'vm1')
      const provider = `${group}/providers/Microsoft.Attestation/attestationProviders/strict`
      expect((await other.send('PUT', provider, { location: 'westeurope', properties: {} })).status).toBe(201)
      const body = vmRequest('vm1')
      body.properties.securityProfile.attestationProvider = { id: provider }
      const refused = (await other.run('PUT', vmPath('vm1'), body)).operation
      expect([refused.status, refused.error?.code]).toEqual(['Failed', 'AttestationRefused'])
      const again = (await other.run('POST', `${vmPath('vm1')}/start`)).operation
      expect([again.status, again.error?.code]).toEqual(['Failed', 'AttestationRefused'])
      denies = false
      expect((await other.run('POST', `${vmPath('vm1')}/start`)).operation.status).toBe('Succeeded')
      const made = wire.calls.filter(({ path }) => path.endsWith('/boot')).length
      expect(made).toBe(1)
      const { body: evidence } = await other.send('POST', `${vmPath('vm1')}/retrieveBootEvidence`)
      expect(evidence.bootId).toBe([...wire.simulated.values()][0]?.bootId)
    } finally {
      await other.close()
    }
  })

  it('forgets a VM that is deleted', async () => {
    expect((await plane.run('DELETE', vmPath('vm1'))).operation.status).toBe('Succeeded')
    expect((await plane.send('GET', vmPath('vm1'))).status).toBe(404)
  })
})
