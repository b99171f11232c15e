import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import {
  group,
  makeNetwork,
  openTestPlane,
  subscriptionId,
  trustedVmRequest,
  vmPath,
  type Loose,
  type TestPlane,
  type TestReply,
} from '../../../testing/test-plane.ts'

const location = 'westeurope'
const compute = `${group}/providers/Microsoft.Compute`
const snapshot = `${compute}/snapshots/snap`
const osSnapshot = `${compute}/snapshots/os`
const data = `${compute}/disks/data`
const contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
const robot = '0f2a9f3e-0000-4000-8000-00000000abcd'

const withDisks = (name: string, dataDisks: Loose[]): Loose => {
  const body = trustedVmRequest(name)
  body.properties.storageProfile.dataDisks = dataDisks
  return body
}
const refusal = ({ status, body }: TestReply): unknown[] => [
  status,
  body?.error?.code,
  body?.error?.details?.[0]?.target ?? body?.error?.target,
]
const disksAtHost = async (plane: TestPlane): Promise<{ id: string; source: Loose }[]> =>
  (await plane.store.db.selectFrom('simulated_disk').selectAll().execute()).map(
    (row) => JSON.parse(String(row['spec'])) as { id: string; source: Loose },
  )

/** A resource manager with a VM that is off, and a snapshot of each of its disks. */
async function open(store: Parameters<typeof openTestPlane>[0]): Promise<TestPlane> {
  const plane = await openTestPlane(store, undefined, { compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
  await plane.run(
    'PUT',
    vmPath('vm1'),
    withDisks('vm1', [{ lun: 0, createOption: 'Empty', diskSizeGB: 8, name: 'data' }]),
  )
  await plane.run('POST', `${vmPath('vm1')}/deallocate`)
  const { storageProfile } = (await plane.send('GET', vmPath('vm1'))).body.properties
  for (const [id, sourceResourceId] of [
    [snapshot, data],
    [osSnapshot, storageProfile.osDisk.managedDisk.id],
  ]) {
    const body = { location, properties: { creationData: { createOption: 'Copy', sourceResourceId } } }
    expect((await plane.run('PUT', id, body)).operation.status).toBe('Succeeded')
  }
  await makeNetwork(plane, 'vm2')
  return plane
}

describeStores('data disks that are made of others with their VM', (store) => {
  it('hold what their disk or snapshot does, are the VM’s, and are the same ones to the same request', async () => {
    const plane = await open(await store())
    try {
      const before = await disksAtHost(plane)
      const body = withDisks('vm2', [
        {
          lun: 0,
          createOption: 'copy',
          sourceResource: { id: data },
          diskSizeGB: 8,
          managedDisk: { storageAccountType: null },
        },
        { lun: 3, createOption: 'copy', sourceResource: { id: snapshot }, deleteOption: 'Delete' },
      ])
      const { reply, operation } = await plane.run('PUT', vmPath('vm2'), body)
      expect([reply.status, operation.status], JSON.stringify(operation.error)).toEqual([201, 'Succeeded'])
      const shown = (await plane.send('GET', vmPath('vm2'))).body
      expect(shown.properties.storageProfile.dataDisks).toMatchObject([
        { lun: 0, createOption: 'Copy', sourceResource: { id: data }, diskSizeGB: 8 },
        { lun: 3, createOption: 'Copy', sourceResource: { id: snapshot }, diskSizeGB: 8 },
      ])
      const ids = shown.properties.storageProfile.dataDisks.map((disk: Loose) => disk['managedDisk'].id as string)
      const made = (await disksAtHost(plane)).filter(({ id }) => !before.some((each) => each.id === id))
      expect(made.map(({ source }) => source['from'])).toEqual(['disk', 'disk'])
      for (const [index, id] of ids.entries())
        expect((await plane.send('GET', id)).body).toMatchObject({
          managedBy: vmPath('vm2'),
          properties: {
            provisioningState: 'Succeeded',
            diskState: 'Attached',
            creationData: { sourceResourceId: [data, snapshot][index] },
          },
        })

      for (const again of [body, shown]) {
        const { status, headers } = await plane.send('PUT', vmPath('vm2'), again)
        expect([status, headers['azure-asyncoperation']]).toEqual([200, undefined])
      }
      expect((await plane.send('PATCH', vmPath('vm2'), { tags: { a: 'b' } })).status).toBe(200)
      expect(await disksAtHost(plane)).toHaveLength(before.length + 2)
      const detach = { dataDisksToDetach: [{ diskId: ids[0] }] }
      expect((await plane.send('POST', `${vmPath('vm2')}/attachDetachDataDisks`, detach)).status).toBe(202)
      const left = async (): Promise<unknown> =>
        (await plane.send('GET', vmPath('vm2'))).body.properties.storageProfile.dataDisks
      await expect.poll(left).toMatchObject([{ lun: 3, createOption: 'Copy', sourceResource: { id: snapshot } }])

      // One more, while the VM runs.
      const patch = {
        properties: {
          storageProfile: {
            dataDisks: [
              shown.properties.storageProfile.dataDisks[1],
              { lun: 5, createOption: 'Copy', name: 'late', sourceResource: { id: snapshot } },
            ],
          },
        },
      }
      expect((await plane.run('PATCH', vmPath('vm2'), patch)).operation.status).toBe('Succeeded')
      expect((await plane.send('GET', `${compute}/disks/late`)).body.properties).toMatchObject({
        diskState: 'Attached',
        provisioningState: 'Succeeded',
      })
      await plane.run('DELETE', vmPath('vm2'))
      expect([(await plane.send('GET', ids[1]!)).status, (await plane.send('GET', ids[0]!)).status]).toEqual([404, 200])
    } finally {
      await plane.service.close()
    }
  })

  it('are refused of what they cannot be made of, and nothing is made', async () => {
    const plane = await open(await store())
    try {
      const before = (await disksAtHost(plane)).length
      const place = 'properties.storageProfile.dataDisks'
      for (const [disk, target] of [
        [{ createOption: 'Copy', sourceResource: { id: osSnapshot } }, `${place}.sourceResource.id`],
        [{ createOption: 'Copy', sourceResource: { id: vmPath('vm1') } }, `${place}.sourceResource.id`],
        [{ createOption: 'Copy', sourceResource: { id: snapshot }, diskSizeGB: 9 }, `${place}.diskSizeGB`],
        [{ createOption: 'Copy' }, place],
      ] as [Loose, string][]) {
        const refused = await plane.send('PUT', vmPath('vm2'), withDisks('vm2', [{ lun: 0, ...disk }]))
        expect(refusal(refused), JSON.stringify(disk)).toEqual([400, 'InvalidParameter', target])
      }
      const none = { lun: 0, createOption: 'Copy', sourceResource: { id: `${compute}/snapshots/none` } }
      expect(refusal(await plane.send('PUT', vmPath('vm2'), withDisks('vm2', [none])))[0]).toBe(404)
      expect((await plane.send('GET', vmPath('vm2'))).status).toBe(404)
      expect(await disksAtHost(plane)).toHaveLength(before)

      // Restore points are not offered: neither they nor disks of them, which are refused with what to use instead.
      const point = `${compute}/restorePointCollections/c/restorePoints/p/diskRestorePoints/d`
      const creationData = { createOption: 'Restore', sourceResourceId: point }
      const restored = { lun: 0, createOption: 'Restore', sourceResource: { id: point } }
      for (const [reply, at] of [
        [await plane.send('PUT', vmPath('vm2'), withDisks('vm2', [restored])), `${place}[0].createOption`],
        [
          await plane.send('PUT', `${compute}/disks/restored`, { location, properties: { creationData } }),
          'properties.creationData.createOption',
        ],
      ] as const) {
        expect(refusal(reply)).toEqual([400, 'NotSupported', at])
        expect(JSON.stringify(reply.body)).toContain('az snapshot create')
      }
    } finally {
      await plane.service.close()
    }
  })

  it('are no whole disks where the host cannot make them: gone after a change, Failed once their new VM is deleted', async () => {
    const plane = await open(await store())
    try {
      await plane.run('PUT', vmPath('vm2'), withDisks('vm2', []))
      // The host's record of every disk is unreadable.
      await plane.store.db.updateTable('simulated_disk').set({ status: '?' }).execute()
      const late = { lun: 0, createOption: 'Copy', name: 'late', sourceResource: { id: snapshot } }
      const failed = await plane.run('PUT', vmPath('vm2'), withDisks('vm2', [late]))
      expect(failed.operation.status).toBe('Failed')
      expect((await plane.send('GET', `${compute}/disks/late`)).status).toBe(404)
      const shown = (await plane.send('GET', vmPath('vm2'))).body.properties
      expect([shown.provisioningState, shown.storageProfile.dataDisks]).toEqual(['Succeeded', []])

      await makeNetwork(plane, 'vm3')
      expect((await plane.run('PUT', vmPath('vm3'), withDisks('vm3', [late]))).operation.status).toBe('Failed')
      expect((await plane.run('DELETE', vmPath('vm3'))).operation.status).toBe('Succeeded')
      const left = (await plane.send('GET', `${compute}/disks/late`)).body.properties
      expect([left.provisioningState, left.diskState]).toEqual(['Failed', 'Unattached'])
      const attach = [{ lun: 0, createOption: 'Attach', managedDisk: { id: `${compute}/disks/late` } }]
      expect(refusal(await plane.send('PUT', vmPath('vm2'), withDisks('vm2', attach))).slice(0, 2)).toEqual([
        409,
        'OperationNotAllowed',
      ])
      expect((await plane.run('DELETE', `${compute}/disks/late`)).operation.status).toBe('Succeeded')
    } finally {
      await plane.service.close()
    }
  })

  it('are not made for somebody who may make VMs and not read what they would hold (attack W28)', async () => {
    const plane = await open(await store())
    try {
      const other = `/subscriptions/${subscriptionId}/resourceGroups/other`
      await plane.send('PUT', other, { location })
      const give = async (scope: string): Promise<void> => {
        const roleDefinitionId = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${contributor}`
        const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${crypto.randomUUID()}`
        expect((await plane.send('PUT', path, { properties: { principalId: robot, roleDefinitionId } })).status).toBe(
          201,
        )
      }
      await give(other)
      await give(`${group}/providers/Microsoft.Network/networkInterfaces/vm2VMNic`)
      const vm = `${other}/providers/Microsoft.Compute/virtualMachines/vm2`
      const body = withDisks('vm2', [{ lun: 0, createOption: 'Copy', sourceResource: { id: snapshot } }])
      expect(refusal(await plane.send('PUT', vm, body, { as: robot })).slice(0, 2)).toEqual([
        403,
        'LinkedAuthorizationFailed',
      ])
      expect((await plane.send('GET', vm)).status).toBe(404)
      const copy = { location, properties: { creationData: { createOption: 'Copy', sourceResourceId: data } } }
      for (const type of ['snapshots', 'disks']) {
        const path = `${other}/providers/Microsoft.Compute/${type}/copy`
        const refused = await plane.send('PUT', path, copy, { as: robot })
        expect(refusal(refused).slice(0, 2), type).toEqual([403, 'LinkedAuthorizationFailed'])
        expect((await plane.send('GET', path)).status).toBe(404)
      }
      expect((await plane.send('POST', `${data}/beginGetAccess`, {}, { as: robot })).status).toBe(403)
      await give(snapshot)
      expect((await plane.follow(await plane.send('PUT', vm, body, { as: robot }))).status).toBe('Succeeded')
    } finally {
      await plane.service.close()
    }
  })
})
