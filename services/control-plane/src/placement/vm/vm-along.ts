import { keyOf } from '../../arm/ids/resource-id.ts'
import { diskIdOf, diskType, type Vm, type VmModel } from '../../providers/compute/vm/model/vm-model.ts'
import { alongWithVm } from '../../providers/network/interfaces.ts'
import type { Plane } from '../../types/plane.ts'
import type { Along } from '../../types/along.ts'

/** The OS disk goes with its VM, as it came with it: the right to the VM covers both. */
export const osDiskAlong = (vm: Vm): Along => ({ id: diskIdOf(vm.id, vm.internal.model.osDisk.name), does: 'delete' })

/** Data disks of a VM that go with it, by their `deleteOption`, and those that are detached. */
export const dataDisksAlong = (vm: Vm): Along[] =>
  (vm.internal.model.dataDisks ?? []).flatMap(({ id, deleteOption }): Along[] => {
    if (id === undefined) return []
    return [deleteOption === 'Delete' ? { id, does: 'delete', action: `${diskType}/delete` } : { id, does: 'change' }]
  })

/** Interfaces of a VM with their addresses, likewise. */
export async function interfacesAlong(plane: Plane, vm: Vm): Promise<Along[]> {
  const all = vm.internal.model.nics.map(
    async ({ id, deleteOption }) => await alongWithVm(plane, id, deleteOption === 'Delete'),
  )
  return (await Promise.all(all)).flat()
}

/** Everything that the deletion of a VM deletes or detaches. */
export const alongVm = async (plane: Plane, vm: Vm): Promise<Along[]> => [
  osDiskAlong(vm),
  ...dataDisksAlong(vm),
  ...(await interfacesAlong(plane, vm)),
]

type Attached = Pick<VmModel, 'nics' | 'dataDisks'>

/** Disks and interfaces that a change of a VM attaches or detaches: both write the other resource. */
export function attachedAlong(before: Attached | undefined, after: Attached): Along[] {
  const idsOf = (model: Attached | undefined): string[] => [
    ...(model?.nics ?? []).map(({ id }) => id),
    ...(model?.dataDisks ?? []).flatMap(({ id }) => id ?? []),
  ]
  const [had, has] = [idsOf(before), idsOf(after)]
  const missingIn = (ids: string[]): ((id: string) => boolean) => {
    const keys = new Set(ids.map(keyOf))
    return (id) => !keys.has(keyOf(id))
  }
  return [...had.filter(missingIn(has)), ...has.filter(missingIn(had))].map((id) => ({ id, does: 'change' }))
}
