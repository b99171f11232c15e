import { keyOf } from '../../../arm/resource-id.ts'
import type { Plane } from '../../../plane.ts'
import type { Db, Json, Resource } from '../../../store/resources.ts'
import { vmType, type Vm, type VmInternal } from '../vm/vm-model.ts'

export const scaleSetType = 'Microsoft.Compute/virtualMachineScaleSets'

export interface ScaleSetInternal {
  /** A set that is made later under the same name is another. */
  uniqueId: string
  /** What instances are made after, as it was sent, with what is shown to nobody; absent where VMs are only put into the set. */
  profile?: Json
  /** Size of instances; there where the profile is. */
  vmSize?: string
  /** How many VMs the set is to have. */
  capacity: number
}

export type ScaleSet = Resource<ScaleSetInternal>

/** The VMs of a set: each names it, so that the set itself keeps no list. They are in its group. */
export async function instancesOf(plane: Plane, set: Resource<unknown>, db?: Db): Promise<Vm[]> {
  const vms = await plane.resources.list<VmInternal>({ type: vmType, groupId: set.id }, db)
  return vms.filter(({ internal }) => keyOf(internal.model.scaleSet?.id ?? '') === set.key)
}
