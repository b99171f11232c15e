import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { interrupted } from '../../../testing/interrupted.ts'
import { group, makeNetwork, openTestPlane, vmPath, vmRequest, type TestReply } from '../../../testing/test-plane.ts'

const disk = (name: string): string => `${group}/providers/Microsoft.Compute/disks/${name}`

describeStores('meanwhile', (open) => {
  it.each(['never attached before', 'with content'])(
    'a disk that a VM takes between two steps of its deletion is not deleted: one %s',
    async (kind) => {
      const store = await open()
      const wrapped = interrupted(store)
      const plane = await openTestPlane(store, undefined, { compute: 'simulated', store: wrapped.store })
      const attach = async (...names: string[]): Promise<TestReply> => {
        const dataDisks = names.map((name, lun) => ({ lun, createOption: 'Attach', managedDisk: { id: disk(name) } }))
        const reply = await plane.send('PATCH', vmPath('vm1'), { properties: { storageProfile: { dataDisks } } })
        if (reply.headers['azure-asyncoperation'] !== undefined) await plane.follow(reply)
        return reply
      }
      try {
        await makeNetwork(plane, 'vm1')
        await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
        let taken = 0
        for (const at of [1, 2, 3, 4]) {
          const name = `d${at}`
          const properties = { creationData: { createOption: 'Empty' }, diskSizeGB: 4 }
          await plane.send('PUT', disk(name), { location: 'westeurope', properties })
          if (kind === 'with content') await attach(name)
          await attach()
          const work = async (): Promise<void> => void (taken += (await attach(name)).status === 200 ? 1 : 0)
          const reply = await wrapped.during({ n: at, work }, async () => await plane.send('DELETE', disk(name)))
          if (reply.headers['azure-asyncoperation'] !== undefined) await plane.follow(reply)
          const held = (await plane.send('GET', vmPath('vm1'))).body.properties.storageProfile.dataDisks
            .length as number
          expect([held, (await plane.send('GET', disk(name))).status], `${at}`).toEqual(
            held === 1 ? [1, 200] : [0, 404],
          )
          if (held === 0) continue
          const left = (await plane.send('GET', disk(name))).body.properties
          expect([reply.status, left.provisioningState, left.diskState], `${at}`).toEqual([
            409,
            'Succeeded',
            'Attached',
          ])
          const host = await store.db.selectFrom('simulated_disk').select('status').execute()
          expect(host.filter(({ status }) => String(status).includes('attachedTo'))).toHaveLength(1)
        }
        expect(taken).toBeGreaterThan(0)
      } finally {
        await plane.service.close()
      }
    },
  )

  it.each(['an attach', 'a start'])(
    'a VM that is deleted between two steps of %s keeps nothing taken',
    async (kind) => {
      const store = await open()
      const wrapped = interrupted(store)
      const plane = await openTestPlane(store, undefined, { compute: 'simulated', store: wrapped.store })
      try {
        let refusals = 0
        for (const at of [1, 2, 3, 4]) {
          await makeNetwork(plane, 'vm1')
          await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))
          await plane.run('POST', `${vmPath('vm1')}/deallocate`)
          const properties = { creationData: { createOption: 'Empty' }, diskSizeGB: 4 }
          await plane.send('PUT', disk('d'), { location: 'westeurope', properties })
          const work = async (): Promise<void> => void (await plane.run('DELETE', vmPath('vm1')))
          const dataDisks = [{ lun: 0, createOption: 'Attach', managedDisk: { id: disk('d') } }]
          const reply = await wrapped.during({ n: at, work }, async () =>
            kind === 'a start'
              ? await plane.send('POST', `${vmPath('vm1')}/start`)
              : await plane.send('PATCH', vmPath('vm1'), { properties: { storageProfile: { dataDisks } } }),
          )
          if (reply.headers['azure-asyncoperation'] !== undefined) await plane.follow(reply)
          if (reply.status >= 400) refusals += 1
          if ((await plane.send('GET', vmPath('vm1'))).status === 200) await plane.run('DELETE', vmPath('vm1'))
          expect((await plane.send('GET', disk('d'))).body.properties.diskState, `${at}`).toBe('Unattached')
          expect(await store.db.selectFrom('quota_reservation').selectAll().execute(), `${at}`).toEqual([])
        }
        expect(refusals).toBeGreaterThan(0)
      } finally {
        await plane.service.close()
      }
    },
  )
})
