import type { SagaDefinition } from '@strongroom/platform'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Plane } from '../../../types/plane.ts'
import { releaseDisk, type DiskInternal } from './data-disks.ts'
import { destroyDisk, placeDataDisks } from './disk-placement.ts'
import { stateOf, type DiskChange, type VmInternal } from '../vm/model/vm-model.ts'
import { changeVm, refreshBody, setState, type VmParams } from '../vm/model/vm-record.ts'

/**
 * Attaches the data disks of a VM's changed model at the host; only then are detached ones free for others. If the host
 * fails, the old model is restored.
 */
export function updateSaga(plane: Plane): SagaDefinition<VmParams & DiskChange> {
  return {
    kind: 'vm.update',
    steps: [
      {
        name: 'accept request',
        do: async () => {},
        // One place that undoes everything, because a step that fails half way is not undone itself.
        undo: async (c) => await takeBack(plane, c),
      },
      { name: 'attach data disks to the VM', do: async (c) => await placeDataDisks(plane, c) },
      { name: 'release detached disks', do: async (c) => await letGo(plane, c.params, c.params.detached) },
    ],
    onFinished: async ({ params }) => {
      const vm = await plane.resources.find<VmInternal>(params.id)
      if (vm !== undefined && stateOf(vm) === 'Updating') await setState(plane, params, 'Succeeded')
    },
  }
}

/** Releases disks that are no longer in the VM's model. */
async function letGo(plane: Plane, params: VmParams, disks: { id?: string }[]): Promise<void> {
  await plane.resources.transaction(async (tx) => {
    const vm = await plane.resources.find<VmInternal>(params.id, tx)
    if (vm === undefined || vm.internal.vmId !== params.vmId) return
    const has = new Set((vm.internal.model.dataDisks ?? []).map(({ id }) => keyOf(id ?? '')))
    for (const { id } of disks) {
      if (id === undefined || has.has(keyOf(id))) continue
      const disk = await plane.resources.find<DiskInternal>(id, tx)
      if (disk !== undefined && keyOf(disk.internal.managedBy) === keyOf(params.id)) await releaseDisk(plane, tx, id)
    }
  })
}

async function takeBack(plane: Plane, c: { params: VmParams & DiskChange; signal: AbortSignal }): Promise<void> {
  const { taken, made, detached } = c.params
  const gone = new Set(taken.map(keyOf))
  await changeVm(plane, c.params, (vm) => {
    const stay = (vm.internal.model.dataDisks ?? []).filter(({ id }) => !gone.has(keyOf(id ?? '')))
    const luns = new Set(stay.map(({ lun }) => lun))
    const ids = new Set(stay.map(({ id }) => keyOf(id ?? '')))
    const back = detached.filter(({ lun, id }) => !luns.has(lun) && !ids.has(keyOf(id ?? '')))
    vm.internal.model.dataDisks = [...stay, ...back].toSorted((a, b) => a.lun - b.lun)
    refreshBody(vm)
  })
  await placeDataDisks(plane, c)
  await letGo(plane, c.params, [...taken.map((id) => ({ id })), ...detached])
  for (const id of made) {
    await destroyDisk(plane, id)
    await plane.resources.transaction(async (tx) => {
      const disk = await plane.resources.find<DiskInternal>(id, tx)
      if (disk?.internal.managedBy === '') await plane.resources.remove(tx, id)
    })
  }
}
