import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onBehalfOfHeader } from '@strongroom/contract'
import { openStore, type Store } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { roles } from '../../arm/access.ts'
import { plane as setPlane, identityPath, setPath, setRequest, useSetPlane } from '../../testing/disk-encryption.ts'
import { FakeWire } from '../../testing/fake-wire.ts'
import { openSqlitePlane } from '../../testing/sqlite-plane.ts'
import { deploymentPath } from '../../testing/templates.ts'
import {
  group,
  makeNetwork,
  openTestPlane,
  ownerId,
  subscriptionId,
  tenantId,
  vmPath,
  vmRequest,
  type TestPlane,
} from '../../testing/test-plane.ts'

const alice = '0f2a9f3e-0000-4000-8000-00000000dddd'
const aliceAsked = `${alice} ${alice}`
const ownerAsked = `${ownerId} ${ownerId}`
const vaultPath = (name: string): string => `${group}/providers/Microsoft.KeyVault/vaults/${name}`
const vault = {
  location: 'westeurope',
  properties: { tenantId, sku: { family: 'A', name: 'standard' }, accessPolicies: [] },
}
const asAlice = { as: alice }

/** Change requests to the key service, with the caller named to it. */
const told = (wire: FakeWire, from = 0): [string, string | undefined][] =>
  wire.calls
    .slice(from)
    .filter(({ host, method }) => /^(keyvault|platform\.vault)\./.test(host) && method !== 'GET')
    .map(({ method, path, headers }) => [`${method} ${path}`, headers[onBehalfOfHeader]])

const roleOf = (name: string, principalId: string): [string, object] => [
  `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`,
  {
    properties: {
      principalId,
      roleDefinitionId: `/x/${roles.find((role) => role.name === name)!.id}`,
      principalType: 'ServicePrincipal',
    },
  },
]

/** A store opened by two resource managers, one after the other. */
async function openFolder(): Promise<Store> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-asker-'))
  const store = await openStore({ url: `sqlite:${directory}`, service: 'test', sealer: testSealer })
  onTestFinished(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return store
}

describe('the key service is told who asked', () => {
  let plane: Awaited<ReturnType<typeof openSqlitePlane>>
  beforeAll(async () => {
    plane = await openSqlitePlane()
    await plane.send('PUT', group, { location: 'westeurope' })
    await plane.send('PUT', ...roleOf('Owner', alice))
  })
  afterAll(() => plane?.close())

  const during = async (work: () => Promise<unknown>): Promise<[string, string | undefined][]> => {
    const from = plane.wire.calls.length
    await work()
    return told(plane.wire, from)
  }

  it('for vaults and managed HSMs', async () => {
    const one = vaultPath('kv1')
    const deleted = (kind: string, name: string): string =>
      `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/locations/westeurope/${kind}/${name}/purge`
    const properties = { accessPolicies: [{ tenantId, objectId: alice, permissions: { keys: ['get'] } }] }
    const hsm = { tenantId, initialAdminObjectIds: [alice] }
    const hsmBody = { location: 'westeurope', sku: { family: 'B', name: 'Standard_B1' }, properties: hsm }
    const changes = await during(async () => {
      await plane.send('PUT', one, vault, asAlice)
      await plane.send('PUT', one, vault, asAlice)
      await plane.send('PATCH', one, { properties: { networkAcls: { defaultAction: 'Deny' } } }, asAlice)
      await plane.send('PUT', `${one}/accessPolicies/add`, { properties }, asAlice)
      await plane.send('DELETE', one, undefined, asAlice)
      const recover = { ...vault, properties: { ...vault.properties, createMode: 'recover' } }
      await plane.send('PUT', one, recover, asAlice)
      await plane.send('DELETE', one, undefined, asAlice)
      await plane.send('POST', deleted('deletedVaults', 'kv1'), undefined, asAlice)
      const pool = vaultPath('pool').replace('/vaults/', '/managedHSMs/')
      await plane.send('PUT', pool, hsmBody, asAlice)
      await plane.send('PATCH', pool, { tags: { a: 'b' } }, asAlice)
      await plane.send('DELETE', pool, undefined, asAlice)
    })
    expect(changes.map(([call]) => call)).toEqual([
      ...Array.from({ length: 4 }, () => 'PUT /vaults/kv1'),
      'DELETE /vaults/kv1',
      'POST /deletedvaults/kv1/recover',
      'PUT /vaults/kv1',
      'DELETE /vaults/kv1',
      'DELETE /deletedvaults/kv1',
      'PUT /managedhsms/pool',
      'PUT /managedhsms/pool',
      'DELETE /managedhsms/pool',
    ])
    expect([...new Set(changes.map(([, by]) => by))]).toEqual([aliceAsked])
  })

  it('for roles that reach a vault, a template and the deletion of a group', async () => {
    const other = group.replace(/[^/]+$/, 'asked')
    await plane.send('PUT', other, { location: 'westeurope' })
    const template = {
      $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
      contentVersion: '1.0.0.0',
      resources: [{ type: 'Microsoft.KeyVault/vaults', apiVersion: '2023-07-01', name: 'kv2', ...vault }],
    }
    const changes = await during(async () => {
      const path = deploymentPath().replace(group, other)
      const body = { properties: { mode: 'Incremental', template } }
      await plane.follow(await plane.send('PUT', path, body, asAlice))
      const [assignment, role] = roleOf('Reader', randomUUID())
      await plane.send('PUT', assignment, role)
      await plane.send('DELETE', assignment, undefined, asAlice)
      await plane.follow(await plane.send('DELETE', other, undefined, asAlice))
    })
    expect(changes).toEqual([
      ['PUT /vaults/kv2', aliceAsked],
      ['PUT /vaults/kv2', ownerAsked],
      ['PUT /vaults/kv2', aliceAsked],
      ['DELETE /vaults/kv2', aliceAsked],
    ])
  })

  it('for the platform’s key of a VM, by who made the VM and by who deletes it', async () => {
    await makeNetwork(plane, 'vm1')
    const changes = await during(async () => {
      await plane.follow(await plane.send('PUT', vmPath('vm1'), vmRequest('vm1'), asAlice))
      await plane.follow(await plane.send('DELETE', vmPath('vm1')))
    })
    const [created, ...destroyed] = changes
    expect([created?.[0].endsWith('/create'), created?.[1]]).toEqual([true, aliceAsked])
    expect(destroyed.length).toBeGreaterThan(1)
    expect([...new Set(destroyed.map(([, by]) => by))]).toEqual([ownerAsked])
  })

  it('as nobody where it asks on its own: at its start', async () => {
    const store = await openFolder()
    const wire = new FakeWire()
    const first = await openTestPlane(store, wire)
    await first.send('PUT', group, { location: 'westeurope' })
    await first.send('PUT', vaultPath('kv3'), vault)
    await first.service.close()
    const from = wire.calls.length
    const second = await openTestPlane(store, wire)
    await second.service.close()
    expect(told(wire, from)).toEqual([['PUT /vaults/kv3', undefined]])
  })

  it('by who began an operation that another process ends', async () => {
    const store = await openFolder()
    const wire = new FakeWire()
    const first: TestPlane = await openTestPlane(store, wire)
    await first.send('PUT', group, { location: 'westeurope' })
    await first.send('PUT', vaultPath('kv4'), vault)
    const hung = new Promise<void>((resolve) => {
      wire.afterEffect = async (call) => {
        if (call !== 'DELETE /vaults/kv4') return
        resolve()
        await new Promise(() => {})
      }
    })
    const accepted = await first.send('DELETE', group)
    await hung
    await first.service.close()
    wire.afterEffect = undefined
    const from = wire.calls.length
    const second = await openTestPlane(store, wire)
    expect((await second.follow(accepted)).status).toBe('Succeeded')
    expect(told(wire, from)).toContainEqual(['DELETE /vaults/kv4', ownerAsked])
    await second.service.close()
  })
})

describe('the key of a disk-encryption set', () => {
  useSetPlane()

  it('is judged as the set’s identity, in the name of who asked', async () => {
    await setPlane.send('PUT', identityPath('ana'), { location: 'westeurope' })
    setPlane.wire.customerKeys.grant(identityPath('ana'))
    const identity = { type: 'UserAssigned', userAssignedIdentities: { [identityPath('ana')]: {} } }
    expect((await setPlane.send('PUT', setPath('set'), setRequest({ identity }))).status).toBe(200)
    const asked = setPlane.wire.calls.filter(({ path }) => path.endsWith('/managedIdentities/token'))
    expect(asked.map(({ body }) => (body as { askedBy?: unknown }).askedBy)).toEqual([
      { objectId: ownerId, appId: ownerId },
    ])
    expect(asked[0]?.token?.startsWith('controlPlane')).toBe(true)
    // The customer's vault receives only the identity's token.
    const atVault = setPlane.wire.calls.filter(({ host }) => host.startsWith('box.vault.'))
    expect(atVault.length).toBeGreaterThan(2)
    expect(atVault.every(({ headers }) => headers[onBehalfOfHeader] === undefined)).toBe(true)
  })
})
