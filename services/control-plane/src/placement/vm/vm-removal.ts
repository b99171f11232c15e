import type { SagaDefinition, ServiceError, StepContext } from '@strongroom/platform'
import { keyOf } from '../../arm/ids/resource-id.ts'
import type { Plane } from '../../types/plane.ts'
import { releaseDisk } from '../../providers/compute/disk/data-disks.ts'
import { destroyDisk } from '../../providers/compute/disk/disk-placement.ts'
import { removeRunCommands } from '../../providers/compute/vm/run-command/run-command.ts'
import { removeIdentities } from '../../providers/compute/vm/model/vm-identity.ts'
import { diskIdOf, type Vm, type VmInternal } from '../../providers/compute/vm/model/vm-model.ts'
import { setState, type VmParams } from '../../providers/compute/vm/model/vm-record.ts'
import { detachInterface } from '../../providers/network/interfaces.ts'
import { refusedAlong, requireAlong, type Along, type AlongRequest } from '../../types/along.ts'
import { dataDisksAlong, interfacesAlong, osDiskAlong } from './vm-along.ts'
import { destroyKeys } from './vm-sagas.ts'

type Context = StepContext<VmParams & { within?: string }>

/**
 * Deletes a VM and what goes with it. What was locked, or taken from the caller's rights, after the request was accepted
 * is detached and stays, and a step of the operation says so.
 */
export function deleteSaga(plane: Plane): SagaDefinition<VmParams & { within?: string }> {
  return {
    kind: 'vm.delete',
    steps: [
      { name: 'destroy disk and guest state', do: async (c) => await destroyDisks(plane, c) },
      { name: 'destroy platform key', do: async (c) => await destroyKeys(plane, c.params) },
      { name: 'remove identity', do: async (c) => await removeIdentity(plane, c.params) },
      { name: 'remove records', do: async (c) => await removeRecords(plane, c) },
    ],
    onFinished: async (c) => {
      if (c.status !== 'Succeeded') await setState(plane, c.params, 'Failed')
    },
  }
}

const requestOf = ({ params: { asker, id, within } }: Context): AlongRequest => ({ asker, path: id, within })

async function find(plane: Plane, { id, vmId }: VmParams): Promise<Vm | undefined> {
  const vm = await plane.resources.find<VmInternal>(id)
  return vm?.internal.vmId === vmId ? vm : undefined
}

/** The host's part of the VM, then each data disk that goes with it: its content and its row. Idempotent. */
async function destroyDisks(plane: Plane, c: Context): Promise<void> {
  const vm = await find(plane, c.params)
  // The OS disk does not exist without its VM: locked meanwhile, it keeps the VM.
  if (vm !== undefined) await requireAlong(plane, requestOf(c), [osDiskAlong(vm)])
  await plane.host.remove(c.params.vmId)
  for (const disk of vm === undefined ? [] : dataDisksAlong(vm)) {
    if (disk.does !== 'delete' || !(await goes(plane, c, [disk])).has(keyOf(disk.id))) continue
    await destroyDisk(plane, disk.id)
    await plane.resources.transaction(async (tx) => await plane.resources.remove(tx, disk.id))
  }
}

/** Ids, in lower case, of those that are deleted; the operation names the others. */
async function goes(plane: Plane, c: Context, along: readonly Along[]): Promise<Set<string>> {
  const deleted = along.filter(({ does }) => does === 'delete')
  const refused = await refusedAlong(plane, requestOf(c), deleted)
  if (refused.size > 0) await noteKept(plane, c.operationId, deleted, refused)
  return new Set(deleted.map(({ id }) => keyOf(id)).filter((key) => !refused.has(key)))
}

async function noteKept(
  plane: Plane,
  operationId: string,
  along: readonly Along[],
  refused: ReadonlyMap<string, ServiceError>,
): Promise<void> {
  const { steps } = await plane.notes.read(operationId)
  const kept = along.flatMap(({ id }) => {
    const error = refused.get(keyOf(id))
    return error === undefined ? [] : [{ name: `keep ${id}`, state: 'Done' as const, message: error.message }]
  })
  const isNew = ({ name }: { name: string }): boolean => !steps.some((step) => step.name === name)
  await plane.notes.writeSteps(operationId, [...steps, ...kept.filter(isNew)])
}

async function removeIdentity(plane: Plane, params: VmParams): Promise<void> {
  const vm = await find(plane, params)
  if (vm !== undefined) await removeIdentities(plane, vm)
}

async function removeRecords(plane: Plane, c: Context): Promise<void> {
  const { id, vmId } = c.params
  const before = await find(plane, c.params)
  if (before === undefined) return
  const gone = await goes(plane, c, await interfacesAlong(plane, before))
  await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, id, { evenDeleting: true })
    const vm = await plane.resources.find<VmInternal>(id, tx)
    if (vm === undefined || vm.internal.vmId !== vmId) return
    const { model } = vm.internal
    for (const nic of model.nics)
      await detachInterface(plane, tx, { nicId: nic.id, vmId: vm.id, goes: (each) => gone.has(keyOf(each)) })
    await plane.resources.remove(tx, diskIdOf(vm.id, model.osDisk.name))
    for (const disk of model.dataDisks ?? []) if (disk.id !== undefined) await releaseDisk(plane, tx, disk.id)
    await removeRunCommands(plane, tx, vm)
    await plane.quotas.release(tx, vm.key)
    await plane.resources.remove(tx, vm.id)
  })
}
