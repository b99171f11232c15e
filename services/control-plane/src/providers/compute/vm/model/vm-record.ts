import type { AskedBy } from '@strongroom/contract'
import { ServiceError, type Operation } from '@strongroom/platform'
import { underWay } from '../../../../arm/operations.ts'
import type { ArmRequest } from '../../../../arm/request.ts'
import type { Plane } from '../../../../types/plane.ts'
import type { Db } from '../../../../store/resources.ts'
import { stateOf, vmBody, type Vm, type VmInternal } from './vm-model.ts'
import { notAllowed } from '../../../../arm/refusals.ts'
import { changedMeanwhile } from '../../../../types/conflicts.ts'

export interface VmParams {
  /** ARM id. */
  id: string
  /** The VM's id at the host: an operation on a deleted VM never touches a later one of its name. */
  vmId: string
  /** The operation's caller; absent if an earlier version recorded it. */
  asker?: AskedBy
}

/** The VM in an action's path. */
export async function vmOfAction(plane: Plane, request: ArmRequest): Promise<Vm> {
  return await plane.resources.get<VmInternal>(request.path.split('/').slice(0, 9).join('/'))
}

/** @throws ServiceError if the VM of an operation is gone */
export async function load(plane: Plane, params: VmParams): Promise<Vm> {
  const vm = await plane.resources.find<VmInternal>(params.id)
  if (vm !== undefined && vm.internal.vmId === params.vmId) return vm
  throw new ServiceError({
    code: 'ResourceNotFound',
    status: 404,
    message: `The virtual machine ${params.id} no longer exists.`,
  })
}

/** Changes a VM's row if it is still the same VM. */
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

/** A resource's unfinished operation. */
export async function unfinished(plane: Plane, key: string): Promise<Operation | undefined> {
  return (await underWay(plane.runner, key))[0]
}

/** Shows a changed model in the VM's body. */
export function refreshBody(vm: Vm): void {
  vm.body = vmBody(vm.id, vm.internal, stateOf(vm), vm.createdAt)
}

export function invalidName(name: string): ServiceError {
  return new ServiceError({
    code: 'InvalidResourceName',
    message:
      `The resource name '${name.slice(0, 90)}' is invalid: a VM's name has 1 to 64 letters, digits, '_', '.' and ` +
      "'-', and does not end with '.' or '-'.",
    target: 'name',
    found: name.slice(0, 90),
    remedy: 'Use another name.',
  })
}

export const diskExists = (name: string): ServiceError =>
  new ServiceError({
    code: 'ConflictingUserInput',
    message: `Disk ${name} already exists in the resource group.`,
    target: 'properties.storageProfile.osDisk.name',
    remedy: 'Omit the name.',
  })

export const beingDeleted = (id: string): ServiceError =>
  notAllowed(`The virtual machine ${id} is being deleted.`, { remedy: 'Wait until it is gone.' })

/**
 * Changes a VM that a request has found, within the transaction that reserves and attaches things for it: if it is
 * deleted or being deleted, they would belong to nobody.
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
