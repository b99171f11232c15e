import { randomBytes } from 'node:crypto'
import type { AskedBy } from '@strongroom/contract'
import type { Operation } from '@strongroom/platform'
import { begin } from '../../arm/operations.ts'
import { onBehalfOf } from '../../arm/on-behalf-of.ts'
import { refuse, type Problem } from '../../arm/fields.ts'
import { checkPreconditions } from '../../arm/preconditions.ts'
import type { ArmRequest } from '../../arm/request.ts'
import { holdAvailabilitySet } from '../../providers/compute/availability-set/membership.ts'
import { holdScaleSet } from '../../providers/compute/scale-set/membership.ts'
import type { DiskCopies } from '../../providers/compute/disk/disk-copies.ts'
import { applyDataDisks } from '../../providers/compute/disk/data-disks.ts'
import type { ResolvedImage } from '../../providers/compute/image/resolved/resolved-image.ts'
import { findSize, type Size } from '../../providers/compute/size/sizes.ts'
import { backupSizeGiB } from '../../providers/compute/vm/model/vm-restore.ts'
import {
  diskIdOf,
  diskType,
  osDiskBody,
  vmBody,
  type Vm,
  type VmInternal,
} from '../../providers/compute/vm/model/vm-model.ts'
import { diskExists, changeStanding } from '../../providers/compute/vm/model/vm-record.ts'
import type { Plane } from '../../types/plane.ts'
import type { Db } from '../../store/resources.ts'
import { changedMeanwhile } from '../../types/conflicts.ts'
import { applyNics } from '../vm/vm-network.ts'
import { checkBoot, holdSet } from '../vm/vm-set.ts'
import { toModel } from './model.ts'
import type { ReadVm } from './read.ts'
import type { ResolvedVm } from './resolve.ts'
import type { VmWritten } from './written.ts'

/** Space beyond the image for the guest's writes; the disk is sparse. */
const spareGiB = 2

/** Creates a VM from a request that all checks passed. @throws ServiceError with the problems; over quota, or raced */
export async function createVm(
  plane: Plane,
  request: ArmRequest,
  read: ReadVm & { copies: DiskCopies },
  resolved: ResolvedVm,
  problems: Problem[],
): Promise<VmWritten> {
  if (problems.length > 0) throw refuse(problems)
  const { named } = resolved
  if (named === undefined) throw new TypeError('a request without an image is a problem')
  const { internal, size } = await draft(plane, read, resolved, named)
  await checkBoot(plane, onBehalfOf(request), internal)
  const written = await plane.resources.transaction(
    async (tx) =>
      await commit(plane, tx, {
        request,
        name: read.name,
        asker: onBehalfOf(request),
        internal,
        size,
        copies: read.copies,
      }),
  )
  if (named.notice !== undefined) await recordSubstitution(plane, request)
  return written
}

async function draft(
  plane: Plane,
  { name, wanted }: ReadVm,
  { provider, set, availabilitySet, scaleSet, identities }: ResolvedVm,
  { image, notice, gallery }: ResolvedImage,
): Promise<{ internal: VmInternal; size: Size }> {
  const vmId = plane.newId().toUpperCase()
  const { adminPassword } = wanted.osProfile
  const spare = image.source === 'capture' ? 0 : spareGiB
  const { restore } = wanted
  const { model, size } = toModel(wanted, {
    password: adminPassword === undefined ? undefined : await plane.passwords.keep(adminPassword, vmId),
    osDiskName: wanted.osDisk.name ?? `${name}_OsDisk_1_${randomBytes(16).toString('hex')}`,
    sizeGiB: restore ? backupSizeGiB(restore) : (wanted.osDisk.sizeGiB ?? Math.ceil(image.sizeBytes / 2 ** 30) + spare),
    provider,
    set,
    availabilitySet,
    scaleSet,
    identities,
  })
  const internal: VmInternal = {
    vmId,
    ...(size.tee !== undefined && { tee: size.tee }),
    imageId: image.id,
    imageVersion: image.version,
    model,
    provisioned: false,
    deallocated: false,
    ...(notice !== undefined && { notice }),
    ...(gallery?.osState === 'Specialized' && { specialised: true }),
    // Its account and keys are in the backup, as in a specialised image.
    ...(restore !== undefined && { specialised: true, restore: restore.signed }),
  }
  return { internal, size }
}

/** Everything the VM occupies, its rows and its operation, or nothing. */
async function commit(
  plane: Plane,
  tx: Db,
  o: { request: ArmRequest; name: string; asker: AskedBy; internal: VmInternal; size: Size; copies: DiskCopies },
): Promise<VmWritten> {
  const { internal, size } = o
  const id = o.request.path
  const { model } = internal
  const now = plane.clock.now().toISOString()
  await plane.resources.lockGroup(tx, id)
  const raced = await plane.resources.find(id, tx)
  if (raced !== undefined) {
    checkPreconditions(o.request, raced)
    throw changedMeanwhile(id)
  }
  await holdSet(plane, tx, model)
  await holdAvailabilitySet(plane, tx, model)
  await holdScaleSet(plane, tx, model)
  await plane.quotas.reserve(tx, { owner: id.toLowerCase(), region: model.location, size })
  await applyNics(plane, tx, { vmId: id, before: [], after: model.nics })
  if (model.dataDisks !== undefined) {
    const { name: vmName, copies } = o
    const change = { vmId: id, vmName, location: model.location, before: [], after: model.dataDisks, copies }
    model.dataDisks = (await applyDataDisks(plane, tx, change)).disks
  }
  const diskId = diskIdOf(id, model.osDisk.name)
  if ((await plane.resources.find(diskId, tx)) !== undefined) throw diskExists(model.osDisk.name)
  await plane.resources.insert(tx, {
    id: diskId,
    location: model.location,
    body: osDiskBody(internal, now),
    internal: { managedBy: id, type: diskType },
  })
  const body = vmBody(id, internal, 'Creating', now)
  const vm = await plane.resources.insert(tx, { id, location: model.location, body, internal })
  return { vm, created: true, operation: await submitCreation(plane, o.asker, vm, tx) }
}

/** Records in the activity log that another image than the named one is used; the VM has a notice too. */
async function recordSubstitution(plane: Plane, request: ArmRequest): Promise<void> {
  const { caller, correlationId } = request
  const action = 'Microsoft.Compute/virtualMachines/imageSubstitution/event'
  await plane.activity.write({ caller: caller.objectId, action, resourceId: request.path, status: 200, correlationId })
}

export async function repeatCreation(plane: Plane, asker: AskedBy, vm: Vm): Promise<VmWritten> {
  const size = findSize(vm.internal.model.vmSize)
  if (size === undefined) throw new TypeError(`the size of ${vm.id} no longer exists`)
  await checkBoot(plane, asker, vm.internal)
  return await plane.resources.transaction(async (tx) => {
    await holdSet(plane, tx, vm.internal.model)
    await plane.quotas.reserve(tx, { owner: vm.key, region: vm.location, size })
    const changed = await changeStanding(plane, tx, vm, (current) => {
      current.body.properties['provisioningState'] = 'Creating'
      current.internal.deallocated = false
    })
    return { vm: changed, created: false, operation: await submitCreation(plane, asker, vm, tx) }
  })
}

async function submitCreation(plane: Plane, asker: AskedBy, vm: Vm, tx: Db): Promise<Operation> {
  return await begin(
    plane.runner,
    tx,
    'vm.create',
    { resource: vm, asker },
    { id: vm.id, vmId: vm.internal.vmId, asker },
  )
}
