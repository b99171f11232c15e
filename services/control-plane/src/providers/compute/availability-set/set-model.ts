import type { Plane } from '../../../types/plane.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Db, Resource } from '../../../store/resources.ts'
import { vmType, type Vm, type VmInternal } from '../vm/model/vm-model.ts'

export const availabilitySetType = 'Microsoft.Compute/availabilitySets'

/** The VMs of a set: each names it, so the set itself has no list. They are in its group. */
export async function membersOf(plane: Plane, set: Resource<unknown>, db?: Db): Promise<Vm[]> {
  const vms = await plane.resources.list<VmInternal>({ type: vmType, groupId: set.id }, db)
  return vms.filter(({ internal }) => keyOf(internal.model.availabilitySet?.id ?? '') === set.key)
}
