import type { AskedBy } from '@strongroom/contract'
import { ServiceError, type Operation } from '@strongroom/platform'
import { underWay, begin } from '../arm/operations.ts'
import { notAllowed } from '../arm/refusals.ts'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'
import { checkBoot, holdSet } from './vm/vm-set.ts'
import type { Plane } from '../types/plane.ts'
import type { Db } from '../store/resources.ts'
import { findSize } from '../providers/compute/size/sizes.ts'
import { assertNotConverting } from '../providers/compute/vm/conversion/vm-conversion.ts'
import { assertNotGeneralized } from '../providers/compute/vm/vm-generalize.ts'
import { stateOf, type DiskChange, type Vm } from '../providers/compute/vm/model/vm-model.ts'
import { setState, unfinished, beingDeleted, changeStanding } from '../providers/compute/vm/model/vm-record.ts'
import { repeatCreation } from './vm-write/creation.ts'

/** What a stop makes pointless; not a creation, because cancelling that would remove the VM. */
const booting = new Set(['vm.start', 'vm.restart', 'vm.resize'])

/** Requests that retry a VM's failed creation. */
const finishing = new Set(['vm.start', 'vm.update'])

/** Submits an action on a VM that the host has; if the same action is in progress, returns its operation. */
async function submit(plane: Plane, asker: AskedBy, vm: Vm, kind: string, params: object = {}): Promise<Operation> {
  if (stateOf(vm) === 'Deleting') throw beingDeleted(vm.id)
  if (booting.has(kind)) assertNotGeneralized(vm, kind === 'vm.start' ? 'start' : 'restart')
  const under = await unfinished(plane, vm.key)
  if (under?.kind === kind) return under
  assertNotConverting(vm, under)
  if (finishing.has(kind) && (under?.kind === 'vm.create' || !vm.internal.provisioned))
    return await finishCreation(plane, asker, vm, under)
  if (!vm.internal.provisioned && under?.kind !== 'vm.create') throw notProvisioned(vm)
  if (booting.has(kind)) await checkBoot(plane, asker, vm.internal)
  const stops = kind === 'vm.powerOff' || kind === 'vm.deallocate'
  if (stops && under !== undefined && booting.has(under.kind)) await plane.runner.cancel(under.id)
  return await plane.resources.transaction(async (tx) => {
    if (booting.has(kind)) await allocate(plane, tx, vm)
    return await begin(
      plane.runner,
      tx,
      kind,
      { resource: vm, asker },
      { id: vm.id, vmId: vm.internal.vmId, asker, ...params },
    )
  })
}

/** A creation ends with a start: one in progress is followed, one that failed without a disk is retried. */
async function finishCreation(plane: Plane, asker: AskedBy, vm: Vm, under: Operation | undefined): Promise<Operation> {
  if (under?.kind === 'vm.create') return under
  const { operation } = await repeatCreation(plane, asker, vm)
  if (operation === undefined) throw notProvisioned(vm)
  return operation
}

/** A deallocated VM reserves its cores again before it starts. @throws ServiceError OperationNotAllowed over quota */
async function allocate(plane: Plane, tx: Db, vm: Vm): Promise<void> {
  const size = findSize(vm.internal.model.vmSize)
  if (size === undefined) throw new TypeError(`the size of ${vm.id} no longer exists`)
  await holdSet(plane, tx, vm.internal.model)
  await plane.quotas.reserve(tx, { owner: vm.key, region: vm.location, size })
  await changeStanding(plane, tx, vm, (current) => {
    assertNotGeneralized(current, 'start')
    current.internal.deallocated = false
  })
}

function notProvisioned(vm: Vm): ServiceError {
  return notAllowed(`The virtual machine '${vm.name}' has no disk: its creation failed.`, {
    found: `provisioningState ${stateOf(vm)}`,
    remedy: 'Start it, which repeats its creation, or delete it.',
  })
}

export const startVm = async (plane: Plane, asker: AskedBy, vm: Vm): Promise<Operation> =>
  await submit(plane, asker, vm, 'vm.start')
export const restartVm = async (plane: Plane, asker: AskedBy, vm: Vm): Promise<Operation> =>
  await submit(plane, asker, vm, 'vm.restart')
/** Sends the host the VM's data disks again; a failed creation is retried. */
export const reapplyVm = async (plane: Plane, asker: AskedBy, vm: Vm): Promise<Operation> =>
  await submit(plane, asker, vm, 'vm.update', { taken: [], made: [], detached: [] } satisfies DiskChange)
export const deallocateVm = async (plane: Plane, asker: AskedBy, vm: Vm): Promise<Operation> =>
  await submit(plane, asker, vm, 'vm.deallocate')
export const powerOffVm = async (plane: Plane, asker: AskedBy, vm: Vm, graceful: boolean): Promise<Operation> =>
  await submit(plane, asker, vm, 'vm.powerOff', { graceful })

/** Deletes a VM, first cancelling work in progress, so that a hung boot does not block it. */
export async function deleteVm(plane: Plane, asker: OnBehalfOf, vm: Vm, within?: string): Promise<Operation> {
  const under = await underWay(plane.runner, vm.key)
  const deleting = under.find((operation) => operation.kind === 'vm.delete')
  if (deleting !== undefined) return deleting
  for (const operation of under) await plane.runner.cancel(operation.id)
  const params = { id: vm.id, vmId: vm.internal.vmId, ...(asker && { asker }), ...(within !== undefined && { within }) }
  return await plane.resources.transaction(async (tx) => {
    await setState(plane, params, 'Deleting', tx)
    return await begin(plane.runner, tx, 'vm.delete', { resource: vm, asker }, params)
  })
}
