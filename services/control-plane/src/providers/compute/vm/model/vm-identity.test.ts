import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from '../../../../testing/test-plane.ts'

const identityPath = (name: string): string =>
  `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`

let plane: TestPlane & { close(): Promise<void> }
const known: Record<string, { principalId: string; clientId: string }> = {}
beforeAll(async () => {
  plane = await openSqlitePlane()
  await makeNetwork(plane, 'vm1')
  for (const name of ['ana', 'ben', 'cat']) await makeIdentity(name)
  await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
})
afterAll(async () => await plane.close())

async function makeIdentity(name: string): Promise<void> {
  const made = await plane.send('PUT', identityPath(name), { location: 'westeurope' })
  const { principalId, clientId } = made.body.properties as Loose
  known[name] = { principalId, clientId }
}

const shown = async (): Promise<Loose> => (await plane.send('GET', vmPath('vm1'))).body.identity
const patch = async (type: string, ids?: Record<string, object | null>): Promise<Loose> => {
  const identity = { type, ...(ids !== undefined && { userAssignedIdentities: ids }) }
  return await plane.send('PATCH', vmPath('vm1'), { identity })
}
/** Client ids that the directory received last. */
const assigned = (): string[] => (plane.wire.assignments.get(vmPath('vm1')) ?? []).toSorted()
const clientIds = (...names: string[]): string[] => names.map((name) => known[name]!.clientId).toSorted()
const both = 'SystemAssigned, UserAssigned'

describe('identities of a VM', () => {
  it('are assigned at its creation beside its own, and shown with their principals', async () => {
    await makeNetwork(plane, 'vm2')
    const path = vmPath('vm2')
    const identity = { type: 'systemassigned,userassigned', userAssignedIdentities: { [identityPath('ana')]: {} } }
    await plane.run('PUT', path, { ...vmRequest('vm2'), identity })
    const { body } = await plane.send('GET', path)
    expect(body.identity).toEqual({
      type: both,
      principalId: plane.wire.identities.get(path)?.principalId,
      tenantId: expect.any(String) as string,
      userAssignedIdentities: { [identityPath('ana')]: known['ana'] },
    })
    expect(plane.wire.assignments.get(path)).toEqual(clientIds('ana'))
    await plane.run('DELETE', path)
    expect(plane.wire.assignments.get(path)).toEqual([])
    expect(plane.wire.identities.has(path)).toBe(false)
    expect((await plane.send('GET', identityPath('ana'))).status).toBe(200)
  })

  it('are added by PATCH, and taken away by null, in any case of the id', async () => {
    expect((await patch('UserAssigned', { [identityPath('ana')]: {} })).status).toBe(200)
    await patch('UserAssigned', { [identityPath('ben')]: {} })
    expect(Object.keys((await shown()).userAssignedIdentities)).toEqual([identityPath('ana'), identityPath('ben')])
    expect(assigned()).toEqual(clientIds('ana', 'ben'))
    await patch(both, { [identityPath('ANA')]: null })
    expect(await shown()).toMatchObject({ type: both, userAssignedIdentities: { [identityPath('ben')]: known['ben'] } })
    expect(assigned()).toEqual(clientIds('ben'))
    await patch('SystemAssigned')
    expect(await shown()).toMatchObject({ type: 'SystemAssigned' })
    expect(assigned()).toEqual([])
    await patch('None')
    expect(await shown()).toBeUndefined()
    expect(plane.wire.identities.has(vmPath('vm1'))).toBe(false)
  })

  it('are exactly those that a PUT names, and stay where it names none', async () => {
    const put = async (ids?: Loose): Promise<Loose> =>
      await plane.send('PUT', vmPath('vm1'), {
        ...vmRequest('vm1'),
        ...(ids !== undefined && { identity: { type: 'UserAssigned', userAssignedIdentities: ids } }),
      })
    await put({ [identityPath('ana')]: {}, [identityPath('ben')]: {} })
    expect((await put()).body.identity.type).toBe('UserAssigned')
    expect(assigned()).toEqual(clientIds('ana', 'ben'))
    expect((await put({ [identityPath('ben')]: {} })).body.identity.userAssignedIdentities).toEqual({
      [identityPath('ben')]: known['ben'],
    })
    // As az sends back what it read.
    expect((await put({ [identityPath('ben')]: known['ben'] })).status).toBe(200)
    expect(assigned()).toEqual(clientIds('ben'))
  })

  it.each([
    ['another type', 'Everything', undefined, 'InvalidIdentityType'],
    ['no identity for a type that has some', 'UserAssigned', { [identityPath('ben')]: null }, 'MissingIdentityIds'],
    ['identities for a type without', 'SystemAssigned', { [identityPath('ana')]: {} }, 'InvalidIdentityIds'],
    ['an identity that does not exist', 'UserAssigned', { [identityPath('nobody')]: {} }, 'FailedIdentityOperation'],
    ['a resource of another type', 'UserAssigned', { [vmPath('vm1')]: {} }, 'FailedIdentityOperation'],
  ])('are not changed by a request with %s', async (_why, type, ids, code) => {
    const before = await shown()
    const reply = await patch(type, ids as never)
    expect([reply.status, reply.body.error.code]).toEqual([400, code])
    expect(await shown()).toEqual(before)
    expect(assigned()).toEqual(clientIds('ben'))
  })

  it('are assigned by those alone who may assign them', async () => {
    const operator = randomUUID()
    const grant = async (scope: string, role: string): Promise<void> => {
      const roleDefinitionId = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`
      const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
      const properties = { roleDefinitionId, principalId: operator, principalType: 'ServicePrincipal' }
      expect((await plane.send('PUT', path, { properties })).status).toBe(201)
    }
    // Virtual Machine Contributor, which has no right at identities.
    await grant(group, '9980e02c-c2be-4d73-94e8-173b1dc7cf3c')
    const ask = async (name: string): Promise<Loose> =>
      await plane.send(
        'PATCH',
        vmPath('vm1'),
        { identity: { type: 'UserAssigned', userAssignedIdentities: { [identityPath(name)]: {} } } },
        { as: operator },
      )
    const refused = await ask('cat')
    expect([refused.status, refused.body.error.code]).toEqual([403, 'LinkedAuthorizationFailed'])
    expect(refused.body.error.message).toContain('Microsoft.ManagedIdentity/userAssignedIdentities/assign/action')
    expect(assigned()).toEqual(clientIds('ben'))
    // An already assigned one is not new.
    expect((await ask('ben')).status).toBe(200)
  })

  it('stay on the VM when they are deleted, and one recreated under the name is another', async () => {
    await patch('UserAssigned', { [identityPath('cat')]: {} })
    const old = known['cat']!
    expect((await plane.send('DELETE', identityPath('cat'))).status).toBe(200)
    expect((await shown()).userAssignedIdentities[identityPath('cat')]).toEqual(old)
    expect((await plane.send('PATCH', vmPath('vm1'), { tags: { a: 'b' } })).status).toBe(200)
    await makeIdentity('cat')
    expect(known['cat']!.clientId).not.toBe(old.clientId)
    expect(assigned()).toContain(old.clientId)
    expect((await plane.send('PATCH', vmPath('vm1'), { tags: { a: 'c' } })).status).toBe(200)
    expect(assigned()).not.toContain(known['cat']!.clientId)
    await patch('UserAssigned', { [identityPath('cat')]: {} })
    expect(assigned()).toEqual(clientIds('ben', 'cat'))
  })
})
