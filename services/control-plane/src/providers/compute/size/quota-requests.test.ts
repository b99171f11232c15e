import { describeStores } from '@strongroom/platform/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import {
  makeNetwork,
  networkPath,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

const sub = `/subscriptions/${subscriptionId}`
const quota = `${sub}/providers/Microsoft.Compute/locations/westeurope/providers/Microsoft.Quota`
const operator = `${sub}/providers/Strongroom.Quota`
const family = 'standardDCASv5Family'
const limit = (value: number): object => ({ properties: { limit: { limitObjectType: 'LimitValue', value } } })

describe('requests for quota', () => {
  let plane: TestPlane & { close(): Promise<void> }
  beforeEach(async () => {
    plane = await openSqlitePlane({ compute: 'simulated' })
    await makeNetwork(plane, 'vm1')
  })
  afterEach(async () => await plane.close())

  const big = (): unknown => {
    const request = vmRequest('vm1')
    request.properties.hardwareProfile.vmSize = 'Standard_DC96as_v5'
    return request
  }
  const ask = async (value: number): Promise<TestReply> =>
    await plane.send('PUT', `${quota}/quotas/${family}`, limit(value))

  it('are granted by the operator, and what was refused before is made', async () => {
    await plane.send('PUT', `${quota}/quotas/cores`, limit(400))
    const [regional] = (await plane.send('GET', `${operator}/requests`)).body.value
    expect((await plane.send('POST', `${operator}/requests/${regional.name}/grant`)).status).toBe(200)
    const small = await ask(100)
    expect([small.status, small.body.error.code]).toEqual([400, 'QuotaReductionNotSupported'])
    const asked = await ask(200)
    expect([asked.status, asked.body.properties.provisioningState]).toEqual([202, 'InProgress'])
    expect((await ask(300)).body.name).toBe(asked.body.name)
    const request = `${operator}/requests/${asked.body.name}`
    expect((await plane.send('GET', `${quota}/quotas/${family}`)).body.properties.limit.value).toBe(100)
    expect((await plane.send('POST', `${request}/grant`)).body.properties.provisioningState).toBe('Succeeded')
    expect((await plane.send('GET', `${quota}/quotas/${family}`)).body.properties.limit.value).toBe(300)
    const late = await plane.send('POST', `${request}/deny`)
    expect([late.status, late.body.error.code]).toEqual([409, 'QuotaRequestDecided'])
    expect((await plane.run('PUT', vmPath('vm1'), big())).operation.status).toBe('Succeeded')
    expect((await plane.send('GET', `${quota}/usages/${family}`)).body.properties.usages.value).toBe(96)
  })

  it('that are denied change nothing, and say why', async () => {
    const asked = await ask(200)
    await plane.send('POST', `${operator}/requests/${asked.body.name}/deny`, { message: 'No more hosts.' })
    const shown = await plane.send('GET', `${quota}/quotaRequests/${asked.body.name}`)
    expect(shown.body.properties).toMatchObject({ provisioningState: 'Failed', message: 'No more hosts.' })
    expect((await plane.send('GET', `${quota}/quotas/${family}`)).body.properties.limit.value).toBe(100)
  })

  it('of a free trial are refused, and its few cores are all there are', async () => {
    await plane.send('POST', `${operator}/subscriptionKind`, { kind: 'free-trial' })
    expect((await plane.send('GET', sub)).body.subscriptionPolicies.quotaId).toBe('FreeTrial_2014-09-01')
    const refused = await plane.send('PUT', vmPath('vm1'), big())
    expect([refused.status, refused.body.error.code]).toEqual([409, 'OperationNotAllowed'])
    expect(refused.body.error.message).toContain('Current Limit: 4, Current Usage: 0, Additional Required: 96')
    expect(refused.body.error.details[0].target).toBe('S22')
    const asked = await ask(200)
    expect([asked.status, asked.body.error.code]).toEqual([409, 'QuotaNotAvailableForSubscription'])
    await plane.send('POST', `${operator}/subscriptionKind`, { kind: 'pay-as-you-go' })
    expect((await ask(200)).status).toBe(202)
  })

  it('are not decided by who asked: a Contributor may ask, the owner decides', async () => {
    const contributor = '0f2a9f3e-0000-4000-8000-00000000dddd'
    const role = `${sub}/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c`
    await plane.send(
      'PUT',
      `${sub}/providers/Microsoft.Authorization/roleAssignments/0f2a9f3e-0000-4000-8000-00000000eeee`,
      { properties: { roleDefinitionId: role, principalId: contributor, principalType: 'ServicePrincipal' } },
    )
    const asked = await plane.send('PUT', `${quota}/quotas/${family}`, limit(200), { as: contributor })
    expect(asked.status).toBe(202)
    const own = await plane.send('POST', `${operator}/requests/${asked.body.name}/grant`, undefined, {
      as: contributor,
    })
    expect([own.status, own.body.error.code]).toEqual([403, 'AuthorizationFailed'])
    const kind = await plane.send(
      'POST',
      `${operator}/subscriptionKind`,
      { kind: 'pay-as-you-go' },
      { as: contributor },
    )
    expect(kind.status).toBe(403)
  })
})

describeStores('cores of a family', (open) => {
  it('are never over the limit, with 200 creations at once; failures, resizes and deletions give them back', async () => {
    const plane = await openTestPlane(await open(), undefined, { compute: 'simulated' })
    try {
      await makeNetwork(plane, 'vm0')
      const nic = (await plane.send('GET', networkPath('networkInterfaces', 'vm0VMNic'))).body
      const names = Array.from({ length: 200 }, (_, index) => `vm${index}`)
      const subnet = nic.properties.ipConfigurations[0].properties.subnet
      for (const name of names.slice(1)) {
        const body = {
          location: 'westeurope',
          properties: { ipConfigurations: [{ name: 'a', properties: { subnet } }] },
        }
        expect((await plane.send('PUT', networkPath('networkInterfaces', `${name}VMNic`), body)).status).toBeLessThan(
          300,
        )
      }
      const used = async (): Promise<number> =>
        (await plane.send('GET', `${quota}/usages/${family}`)).body.properties.usages.value
      const asked = await Promise.all(names.map(async (name) => await plane.send('PUT', vmPath(name), vmRequest(name))))
      const made = names.filter((_, index) => asked[index]!.status === 201)
      expect(made).toHaveLength(50)
      expect(
        asked.filter((reply) => reply.status === 409 && reply.body.error.code === 'OperationNotAllowed'),
      ).toHaveLength(150)
      for (const reply of asked.filter((each) => each.status === 201)) await plane.follow(reply)
      expect(await used()).toBe(100)
      const [first = '', second = '', third = ''] = made
      const larger = vmRequest(first)
      larger.properties.hardwareProfile.vmSize = 'Standard_DC4as_v5'
      await plane.run('POST', `${vmPath(first)}/deallocate`)
      await plane.run('POST', `${vmPath(second)}/deallocate`)
      expect(await used()).toBe(96)
      await plane.send('PUT', vmPath(first), larger)
      await plane.run('POST', `${vmPath(first)}/start`)
      expect(await used()).toBe(100)
      expect((await plane.send('POST', `${vmPath(second)}/start`)).body.error.code).toBe('OperationNotAllowed')
      await plane.run('DELETE', vmPath(third))
      expect(await used()).toBe(98)
    } finally {
      await plane.service.close()
    }
  })
})
