import type { AskedBy } from '@strongroom/contract'
import { ServiceError, type Operation } from '@strongroom/platform'
import type { ArmRequest } from '../../../arm/request.ts'
import type { Plane } from '../../../plane.ts'
import type { Db } from '../../../store/resources.ts'
import { stateOf, vmBody, type Vm, type VmInternal } from './vm-model.ts'

export interface VmParams {
  /** ARM id. */
  id: string
  /** The host's id of the VM: an operation of a VM that is gone never touches one made later under its name. */
  vmId: string
  /** Who asked for the operation; absent where an earlier version recorded it. */
  asker?: AskedBy
}

/** The VM that an action's path names. */
export async function vmOfAction(plane: Plane, request: ArmRequest): Promise<Vm> {
  return await plane.resources.get<VmInternal>(request.path.split('/').slice(0, 9).join('/'))
}

/** @throws ServiceError where the VM of an operation is gone */
export async function load(plane: Plane, params: VmParams): Promise<Vm> {
  const vm = await plane.resources.find<VmInternal>(params.id)
  if (vm !== undefined && vm.internal.vmId === params.vmId) return vm
  throw new ServiceError({
    code: 'ResourceNotFound',
    status: 404,
    message: `The virtual machine ${params.id} is gone.`,
  })
}

/** Changes a VM's row, where it still is the same VM. */
export async function changeVm(plane: Plane, params: VmParams, change: (vm: Vm) => void, tx?: Db): Promise<void> {
  const work = async (db: Db): Promise<void> => {
    await plane.resources.change<VmInternal>(db, params.id, (vm) => {
      if (vm.internal.vmId === params.vmId) change(vm)
    })
  }
  await (tx === undefined ? plane.resources.transaction(work) : work(tx))
}

export async function setState(plane: Plane, params: VmParams, state: string, tx?: Db): Promise<void> {
  await changeVm(plane, params, (vm) => void (vm.body.properties['provisioningState'] = state), tx)
}

/** The operation of a resource that has not ended. */
export async function unfinished(plane: Plane, key: string): Promise<Operation | undefined> {
  return (await plane.runner.listFor(key)).find(
    (operation) => operation.status === 'Running' || operation.status === 'Undoing',
  )
}

/** Shows a changed model in the VM's body. */
export function refreshBody(vm: Vm): void {
  vm.body = vmBody(vm.id, vm.internal, stateOf(vm), vm.createdAt)
}
