import type { Plane } from '../../../plane.ts'
import type { Db } from '../../../store/resources.ts'
import { stateOf, type Vm, type VmInternal } from './vm-model.ts'
import { changedMeanwhile } from '../../../types/conflicts.ts'
import { beingDeleted } from './vm-write-errors.ts'

/**
 * Changes a VM that a request has found, within the transaction that reserves and takes things for it: where it is gone by
 * then, or going, they would be taken for nobody.
 * @throws ServiceError Conflict, OperationNotAllowed
 */
export async function changeStanding(plane: Plane, tx: Db, vm: Vm, change: (current: Vm) => void): Promise<Vm> {
  const changed = await plane.resources.change<VmInternal>(tx, vm.id, (current) => {
    if (current.internal.vmId !== vm.internal.vmId) throw changedMeanwhile(vm.id)
    if (stateOf(current) === 'Deleting') throw beingDeleted(vm.id)
    change(current)
  })
  if (changed === undefined) throw changedMeanwhile(vm.id)
  return changed
}
