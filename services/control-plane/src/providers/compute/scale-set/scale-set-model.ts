import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db, Json, Resource } from '../../../store/resources.ts'
import { vmType, type Vm, type VmInternal } from '../vm/model/vm-model.ts'

export const scaleSetType = 'Microsoft.Compute/virtualMachineScaleSets'

export interface ScaleSetInternal {
  /** Distinguishes it from a later set of the same name. */
  uniqueId: string
  /** The model of instances, as sent, including secret parts; absent if VMs are only added to the set. */
  profile?: Json
  /** Size of instances; present with the profile. */
  vmSize?: string
  /** How many VMs the set is to have. */
  capacity: number
}

export type ScaleSet = Resource<ScaleSetInternal>

/** The VMs of a set: each names it, so the set itself has no list. They are in its group. */
export async function instancesOf(plane: Plane, set: Resource<unknown>, db?: Db): Promise<Vm[]> {
  const vms = await plane.resources.list<VmInternal>({ type: vmType, groupId: set.id }, db)
  return vms.filter(({ internal }) => keyOf(internal.model.scaleSet?.id ?? '') === set.key)
}
