import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import { deploymentBody, deploymentPath, template } from '../testing/templates.ts'
import { group, subscriptionId, type TestPlane } from '../testing/test-plane.ts'
import { resourceTypes } from '../resource-types.ts'
import { substituteAt, substituteFor } from './substitutes.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await plane.send('PUT', group, { location: 'westeurope' })
})
afterAll(async () => await plane.close())

describe('a type that is not offered', () => {
  it.each([
    ['PUT', `${group}/providers/Microsoft.Storage/storageAccounts/a`, /az disk grant-access/],
    ['GET', `${group}/providers/microsoft.compute/HOSTGROUPS`, /no other tenant/],
    [
      'GET',
      `/subscriptions/${subscriptionId}/providers/Microsoft.ContainerService/managedClusters`,
      /confidential VMs/,
    ],
    ['DELETE', `${group}/providers/Microsoft.Network/virtualNetworks/a/virtualNetworkPeerings/b`, /one network/],
    ['PUT', `/subscriptions/${subscriptionId}/tagNames/cost`, /az tag create --resource-id/],
    ['PUT', `/subscriptions/${subscriptionId}/tagNames/cost/tagValues/high`, /az tag create --resource-id/],
  ])('is answered with what serves instead: %s %s', async (method, path, hint) => {
    const { status, body } = await plane.send(method, path, method === 'PUT' ? {} : undefined)
    expect([status, body.error.code]).toEqual([404, 'InvalidResourceType'])
    expect(body.error.message).toMatch(hint)
    expect(body.error.innererror.remedy).toMatch(hint)
  })

  it('is refused in a template with the same hint', async () => {
    const account = { type: 'Microsoft.Storage/storageAccounts', apiVersion: '2023-01-01', name: 'a' }
    const { body } = await plane.send('PUT', deploymentPath(), deploymentBody(template([account])))
    expect(body.error.message).toMatch(/is not offered .* az disk grant-access/)
  })

  it('has no hint where nothing is known of it, and none names what is offered', () => {
    expect([substituteFor('Microsoft.Quantum/workspaces'), substituteAt('/x'), substituteAt('')]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    for (const { spelling } of resourceTypes.all) expect(substituteFor(spelling), spelling).toBeUndefined()
  })
})
