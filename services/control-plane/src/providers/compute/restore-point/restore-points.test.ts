import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import {
  group,
  makeNetwork,
  openTestPlane,
  subscriptionId,
  trustedVmRequest,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

const location = 'westeurope'
const compute = `${group}/providers/Microsoft.Compute`
const collection = (name: string): string => `${compute}/restorePointCollections/${name}`
const point = (name: string, of = 'rpc'): string => `${collection(of)}/restorePoints/${name}`
const ofVm = (name: string): Loose => ({ location, properties: { source: { id: vmPath(name) } } })

/** A resource manager with a TrustedLaunch VM that is off, two data disks, and a collection for it. */
async function open(store: Parameters<typeof openTestPlane>[0]): Promise<TestPlane> {
  const plane = await openTestPlane(store, undefined, { compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
  const body = trustedVmRequest('vm1')
  body.properties.storageProfile.dataDisks = [0, 1].map((lun) => ({ lun, createOption: 'Empty', diskSizeGB: 4, name: `data${lun}` })) // prettier-ignore
  expect((await plane.run('PUT', vmPath('vm1'), body)).operation.status).toBe('Succeeded')
  expect((await plane.send('PUT', collection('rpc'), ofVm('vm1'))).status).toBe(201)
  return plane
}

async function taken(plane: TestPlane, path: string, properties: object = {}): Promise<Loose> {
  const { reply, operation } = await plane.run('PUT', path, { properties })
  expect([reply.status, operation.status], JSON.stringify(operation.error)).toEqual([201, 'Succeeded'])
  return (await plane.send('GET', `${path}?$expand=instanceView`)).body
}

const refusal = ({ status, body }: TestReply): unknown[] => [status, body?.error?.code]
const isGone = async (plane: TestPlane, path: string): Promise<boolean> =>
  (await plane.send('GET', path)).status === 404
const keptDisks = async (plane: TestPlane): Promise<number> =>
  (await plane.store.db.selectFrom('simulated_disk').selectAll().execute()).length

describeStores('restore points', (store) => {
  it('hold what a VM was and a copy of each of its disks, from which disks are made', async () => {
    const plane = await open(await store())
    try {
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      const made = await taken(plane, point('one'), { consistencyMode: 'CrashConsistent' })
      const { sourceMetadata, instanceView, consistencyMode } = made['properties']
      expect([made['type'], made['location'], consistencyMode]).toEqual([
        'Microsoft.Compute/restorePointCollections/restorePoints',
        undefined,
        'CrashConsistent',
      ])
      expect(sourceMetadata).toMatchObject({
        hardwareProfile: { vmSize: 'Standard_D2as_v5' },
        securityProfile: { securityType: 'TrustedLaunch' },
        osProfile: { adminUsername: 'azureuser' },
        storageProfile: { osDisk: { osType: 'Linux' }, dataDisks: [{ lun: 0 }, { lun: 1 }] },
      })
      const ids = [sourceMetadata.storageProfile.osDisk, ...sourceMetadata.storageProfile.dataDisks].map(
        (disk: Loose) => disk['diskRestorePoint'].id as string,
      )
      expect(instanceView.diskRestorePoints.map(({ id }: { id: string }) => id).toSorted()).toEqual(ids.toSorted())
      expect(instanceView.diskRestorePoints[0].replicationStatus.status.code).toBe('ReplicationState/succeeded')
      for (const [index, id] of ids.entries()) {
        const { body } = await plane.send('GET', id)
        expect(body.properties.sourceResourceId, id).toMatch(/\/disks\//)
        const disk = `${compute}/disks/restored${index}`
        const creationData = { createOption: 'Restore', sourceResourceId: id }
        expect((await plane.run('PUT', disk, { location, properties: { creationData } })).operation.status).toBe(
          'Succeeded',
        )
        const restored = (await plane.send('GET', disk)).body.properties
        expect([restored.creationData, restored.osType, restored.diskSizeGB > 0]).toEqual([creationData, index === 0 ? 'Linux' : undefined, true]) // prettier-ignore
      }
      const list = (await plane.send('GET', `${point('one')}/diskRestorePoints`)).body.value
      expect(list).toHaveLength(3)
      const shown = (await plane.send('GET', `${collection('rpc')}?$expand=restorePoints`)).body.properties
      expect(shown.restorePoints.map(({ id }: { id: string }) => id)).toEqual([point('one')])
      expect((await plane.send('GET', collection('rpc'))).body.properties.restorePoints).toBeUndefined()
    } finally {
      await plane.service.close()
    }
  })

  it('leave out disks that are excluded, and outlive the VM and its disks', async () => {
    const plane = await open(await store())
    try {
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      const excludeDisks = [{ id: `${compute}/disks/DATA0` }]
      const { properties } = await taken(plane, point('one'), { excludeDisks })
      expect(properties.excludeDisks).toEqual(excludeDisks)
      expect(properties.sourceMetadata.storageProfile.dataDisks).toMatchObject([{ lun: 1 }])
      await plane.run('DELETE', vmPath('vm1'))
      const [{ id }] = properties.sourceMetadata.storageProfile.dataDisks.map((disk: Loose) => disk['diskRestorePoint'])
      const creationData = { createOption: 'Restore', sourceResourceId: id }
      const { operation } = await plane.run('PUT', `${compute}/disks/back`, { location, properties: { creationData } })
      expect(operation.status).toBe('Succeeded')
      expect(refusal(await plane.send('PUT', point('two'), {}))).toEqual([409, 'OperationNotAllowed'])
      // A VM created under the same name is another one.
      await makeNetwork(plane, 'vm1')
      await plane.run('PUT', vmPath('vm1'), trustedVmRequest('vm1'))
      const other = await plane.send('PUT', point('two'), {})
      expect([...refusal(other), other.body.error.innererror.found]).toEqual([409, 'OperationNotAllowed', 'another one with the same name']) // prettier-ignore
    } finally {
      await plane.service.close()
    }
  })

  it('are refused for a running VM, and for a confidential one in Azure’s words', async () => {
    const plane = await open(await store())
    try {
      expect(refusal(await plane.send('PUT', point('one'), {}))).toEqual([409, 'OperationNotAllowed'])
      await makeNetwork(plane, 'cvm')
      await plane.run('PUT', vmPath('cvm'), vmRequest('cvm'))
      expect((await plane.send('PUT', collection('secret'), ofVm('cvm'))).status).toBe(201)
      for (const power of [undefined, 'deallocate']) {
        if (power !== undefined) await plane.run('POST', `${vmPath('cvm')}/${power}`)
        const refused = await plane.send('PUT', point('one', 'secret'), {})
        expect([refused.status, refused.body.error.code, refused.body.error.message]).toEqual([
          409,
          'OperationNotAllowed',
          "This region does not support creation of Restore Points of a Virtual Machine with 'ConfidentialVM' security type.",
        ])
      }
      expect((await plane.send('GET', `${collection('secret')}/restorePoints`)).body.value).toEqual([])
    } finally {
      await plane.service.close()
    }
  })

  it('refuse other modes, other VMs’ disks, nothing at all, and sources that are not VMs of the region', async () => {
    const plane = await open(await store())
    try {
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      const all = (await plane.send('GET', `${compute}/disks`)).body.value.map(({ id }: { id: string }) => ({ id }))
      for (const [properties, code] of [
        [{ consistencyMode: 'ApplicationConsistent' }, 'InvalidParameter'],
        [{ consistencyMode: 'None' }, 'BadRequest'],
        [{ excludeDisks: [{ id: `${compute}/disks/none` }] }, 'InvalidParameter'],
        [{ excludeDisks: [{}] }, 'InvalidParameter'],
        [{ excludeDisks: 'all' }, 'InvalidRequestContent'],
        [{ excludeDisks: all }, 'InvalidParameter'],
        [{ sourceRestorePoint: { id: point('one') } }, 'NotSupported'],
        [{ sourceMetadata: { storageProfile: { osDisk: { diskRestorePoint: { encryption: { type: 'EncryptionAtRestWithCustomerKey' } } } } } }, 'NotSupported'], // prettier-ignore
      ] as const)
        expect(refusal(await plane.send('PUT', point('x'), { properties })), JSON.stringify(properties)).toEqual([400, code]) // prettier-ignore
      for (const [body, status, code] of [
        [ofVm('none'), 400, 'InvalidResourceReference'],
        [{ location }, 400, 'InvalidParameter'],
        [{ location, properties: { source: { id: collection('rpc') } } }, 400, 'NotSupported'],
        [{ location, properties: { source: { id: `${compute}/disks/data0` } } }, 400, 'InvalidResourceReference'],
        [{ ...ofVm('vm1'), location: 'northeurope' }, 400, 'InvalidParameter'],
      ] as const)
        expect(refusal(await plane.send('PUT', collection('bad'), body)), JSON.stringify(body)).toEqual([status, code])
      expect(refusal(await plane.send('PUT', collection('a'.repeat(81)), ofVm('vm1')))).toEqual([400, 'InvalidResourceName']) // prettier-ignore
      expect(refusal(await plane.send('PUT', point('x', 'none'), {}))).toEqual([404, 'ResourceNotFound'])
      // A collection keeps its VM; tags change.
      const moved = await plane.send('PUT', collection('rpc'), ofVm('vm2'))
      expect(refusal(moved)).toEqual([409, 'PropertyChangeNotAllowed'])
      expect((await plane.send('PATCH', collection('rpc'), { tags: { a: 'b' } })).body.tags).toEqual({ a: 'b' })
      // Only a restore point's disks are restored, and only this way.
      await taken(plane, point('one'))
      const id = (await plane.send('GET', `${point('one')}/diskRestorePoints`)).body.value[0].id as string
      for (const [createOption, sourceResourceId] of [
        ['Restore', `${compute}/disks/data0`],
        ['Copy', id],
        ['Restore', point('one')],
      ]) {
        const creationData = { createOption, sourceResourceId }
        const refused = await plane.send('PUT', `${compute}/disks/x`, { location, properties: { creationData } })
        expect(refusal(refused), createOption).toEqual([400, 'InvalidParameter'])
      }
      expect(refusal(await plane.send('PUT', point('one'), { properties: { excludeDisks: [all[0]] } }))).toEqual([409, 'PropertyChangeNotAllowed']) // prettier-ignore
      expect((await plane.send('PUT', point('one'), {})).status).toBe(201)
    } finally {
      await plane.service.close()
    }
  })

  it('go with their copies: one by one, with their collection, and with their group', async () => {
    const plane = await open(await store())
    try {
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      const before = await keptDisks(plane)
      for (const name of ['one', 'two', 'three']) await taken(plane, point(name))
      expect(await keptDisks(plane)).toBe(before + 9)
      const lock = `${point('two')}/providers/Microsoft.Authorization/locks/keep`
      await plane.send('PUT', lock, { properties: { level: 'CanNotDelete' } })
      for (const path of [point('two'), collection('rpc')])
        expect(refusal(await plane.send('DELETE', path))).toEqual([409, 'ScopeLocked'])
      await plane.send('DELETE', lock)
      const { operation } = await plane.run('DELETE', point('one'))
      expect([operation.status, await isGone(plane, point('one')), await keptDisks(plane)]).toEqual(['Succeeded', true, before + 6]) // prettier-ignore
      expect((await plane.run('DELETE', collection('rpc'))).operation.status).toBe('Succeeded')
      expect([await isGone(plane, point('two')), await keptDisks(plane)]).toEqual([true, before])
      expect((await plane.send('DELETE', collection('rpc'))).status).toBe(204)
      await plane.send('PUT', collection('rpc'), ofVm('vm1'))
      await taken(plane, point('four'))
      expect((await plane.run('DELETE', group)).operation.status).toBe('Succeeded')
      expect([await isGone(plane, group), await keptDisks(plane)]).toEqual([true, 0])
    } finally {
      await plane.service.close()
    }
  })

  it('are made one at a time of a VM, and 500 at most, whatever the collection', async () => {
    const plane = await open(await store())
    try {
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      await plane.send('PUT', collection('other'), ofVm('vm1'))
      await taken(plane, point('p'))
      const key = point('p').toLowerCase()
      const row = await plane.store.db
        .selectFrom('resource')
        .selectAll()
        .where('key', '=', key)
        .executeTakeFirstOrThrow()
      const setState = async (state: string): Promise<void> => {
        const body = String(row['body']).replace('"provisioningState":"Succeeded"', `"provisioningState":"${state}"`)
        await plane.store.db.updateTable('resource').set({ body }).where('key', '=', key).execute()
      }
      await setState('Creating')
      const second = await plane.send('PUT', point('q', 'other'), {})
      expect([...refusal(second), second.body.error.innererror.found]).toEqual([409, 'Conflict', point('p')])
      await setState('Succeeded')
      await taken(plane, point('q', 'other'))
      const more = Array.from({ length: 498 }, (_, n) => ({
        ...row,
        key: `${key}${n}`,
        id: point(`p${n}`),
        name: `p${n}`,
      }))
      for (let at = 0; at < more.length; at += 50)
        await plane.store.db.insertInto('resource').values(more.slice(at, at + 50)).execute() // prettier-ignore
      const full = await plane.send('PUT', point('r', 'other'), {})
      expect([...refusal(full), full.body.error.message]).toEqual([409, 'OperationNotAllowed', expect.stringContaining('cannot exceed 500')]) // prettier-ignore
    } finally {
      await plane.service.close()
    }
  })

  it('are shown as failed where a copy fails, are tried again by the same request, and can be deleted', async () => {
    // This plane's wire has no disks: every copy fails at the host.
    const plane = await openTestPlane(await store())
    try {
      await makeNetwork(plane, 'vm1')
      await plane.run('PUT', vmPath('vm1'), trustedVmRequest('vm1'))
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      await plane.send('PUT', collection('rpc'), ofVm('vm1'))
      for (const _ of [1, 2]) {
        const { reply, operation } = await plane.run('PUT', point('one'), {})
        expect([reply.status, reply.body.properties.provisioningState, operation.status]).toEqual([201, 'Creating', 'Failed']) // prettier-ignore
        const { body } = await plane.send('GET', `${point('one')}?$expand=instanceView`)
        expect([body.properties.provisioningState, body.properties.instanceView.statuses[0].code]).toEqual(['Failed', 'ProvisioningState/failed']) // prettier-ignore
        const { id } = body.properties.instanceView.diskRestorePoints[0]
        const creationData = { createOption: 'Restore', sourceResourceId: id }
        const disk = await plane.send('PUT', `${compute}/disks/x`, { location, properties: { creationData } })
        expect(refusal(disk)).toEqual([409, 'OperationNotAllowed'])
      }
      expect((await plane.run('DELETE', point('one'))).operation.status).toBe('Succeeded')
      expect((await plane.send('GET', `${group}/resources`)).body.value.map(({ name }: { name: string }) => name)).not.toContain('one') // prettier-ignore
    } finally {
      await plane.service.close()
    }
  })

  it('leave nothing where their collection goes while they are made', async () => {
    const plane = await open(await store())
    try {
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      const before = await keptDisks(plane)
      const making = await plane.send('PUT', point('one'), {})
      expect((await plane.run('DELETE', collection('rpc'))).operation.status).toBe('Succeeded')
      await plane.follow(making)
      expect([await isGone(plane, collection('rpc')), await isGone(plane, point('one')), await keptDisks(plane)]).toEqual([true, true, before]) // prettier-ignore
    } finally {
      await plane.service.close()
    }
  })

  it('are made and read by nobody who may not read the disks (attack W28)', async () => {
    const plane = await open(await store())
    try {
      await plane.run('POST', `${vmPath('vm1')}/deallocate`)
      await taken(plane, point('one'))
      const id = (await plane.send('GET', `${point('one')}/diskRestorePoints`)).body.value[0].id as string
      const outsider = '0f2a9f3e-0000-4000-8000-00000000dddd'
      const role = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/0f2a9f3e-0000-4000-8000-00000000cccc`
      const actions = ['Microsoft.Compute/restorePointCollections/write', 'Microsoft.Compute/restorePointCollections/*/write', 'Microsoft.Compute/restorePointCollections/*/read', 'Microsoft.Compute/virtualMachines/read', 'Microsoft.Compute/disks/read', 'Microsoft.Compute/disks/write'] // prettier-ignore
      const properties = { roleName: 'no content', type: 'CustomRole', assignableScopes: [group], permissions: [{ actions }] } // prettier-ignore
      expect((await plane.send('PUT', role, { properties })).status).toBeLessThan(300)
      const assignment = `${group}/providers/Microsoft.Authorization/roleAssignments/0f2a9f3e-0000-4000-8000-00000000eeee`
      await plane.send('PUT', assignment, { properties: { roleDefinitionId: role, principalId: outsider, principalType: 'ServicePrincipal' } }) // prettier-ignore
      const as = { as: outsider }
      expect(refusal(await plane.send('PUT', point('mine'), {}, as))).toEqual([403, 'LinkedAuthorizationFailed'])
      const creationData = { createOption: 'Restore', sourceResourceId: id }
      const disk = await plane.send('PUT', `${compute}/disks/mine`, { location, properties: { creationData } }, as)
      expect(refusal(disk)).toEqual([403, 'LinkedAuthorizationFailed'])
      const access = await plane.send('POST', `${id}/beginGetAccess`, { access: 'Read', durationInSeconds: 60 }, as)
      expect(refusal(access)).toEqual([403, 'AuthorizationFailed'])
      expect((await plane.send('GET', id, undefined, as)).status).toBe(200)
    } finally {
      await plane.service.close()
    }
  })
})
