import { isDeepStrictEqual } from 'node:util'
import type { AskedBy } from '@strongroom/contract'
import { type Operation } from '@strongroom/platform'
import { begin } from '../../arm/operations.ts'
import { notAllowed } from '../../arm/refusals.ts'
import { onBehalfOf } from '../../arm/on-behalf-of.ts'
import { refuse, type Problem } from '../../arm/fields.ts'
import { checkPreconditions } from '../../arm/preconditions.ts'
import type { ArmRequest } from '../../arm/request.ts'
import type { DiskCopies } from '../../providers/compute/disk/disk-copies.ts'
import { applyDataDisks } from '../../providers/compute/disk/data-disks.ts'
import type { Size } from '../../providers/compute/size/sizes.ts'
import { changedProperties, updateProblems } from '../../providers/compute/vm/vm-change.ts'
import {
  assertNotConverting,
  conversionOf,
  conversionRefusals,
  convertVm,
} from '../../providers/compute/vm/conversion/vm-conversion.ts'
import { applyIdentities } from '../../providers/compute/vm/model/vm-identity.ts'
import { stateOf, type Vm, type VmInternal, type VmModel } from '../../providers/compute/vm/model/vm-model.ts'
import { refreshBody, unfinished, beingDeleted, changeStanding } from '../../providers/compute/vm/model/vm-record.ts'
import type { VmRequest } from '../../providers/compute/vm/model/requested-vm.ts'
import { passwordChangeProblems } from '../../providers/compute/vm/account/password-change.ts'
import type { Plane } from '../../types/plane.ts'
import type { Db } from '../../store/resources.ts'
import { changedMeanwhile } from '../../types/conflicts.ts'
import { applyNics, assertDeallocated } from '../vm/vm-network.ts'
import { assertCanRestart, restartsIn, submitResize } from '../vm/vm-resize.ts'
import { repeatCreation } from './creation.ts'
import { toModel } from './model.ts'
import type { ResolvedVm } from './resolve.ts'
import type { VmWritten } from './written.ts'

interface WantedChange {
  existing: Vm
  wanted: VmRequest
  copies: DiskCopies
  resolved: ResolvedVm
  problems: Problem[]
}

/** A change without problems. */
interface Change {
  existing: Vm
  model: VmModel
  size: Size
  copies: DiskCopies
  /** Names of changed properties. */
  changed: string[]
  /** Whether the VM runs, and is restarted in its new size. */
  restarts: boolean
  identity: VmInternal['identity']
}

/** Changes a VM, or finds nothing to change. @throws ServiceError with the problems; if it cannot change now */
export async function updateVm(plane: Plane, request: ArmRequest, o: WantedChange): Promise<VmWritten> {
  const { existing, wanted } = o
  const before = existing.internal.model
  const conversion = conversionOf(before, wanted.vmSize)
  const immutable = [
    ...updateProblems(before, wanted),
    ...(await passwordChangeProblems(plane.passwords, existing, wanted.osProfile.adminPassword)),
    ...(conversion === undefined ? [] : await conversionRefusals(plane, existing, conversion)),
  ]
  if (immutable.length > 0) throw refuse(immutable)
  if (o.problems.length > 0) throw refuse(o.problems)
  const { model, size } = toModel(wanted, {
    osDiskName: before.osDisk.name,
    sizeGiB: before.osDisk.sizeGiB,
    provider: before.attestationProvider,
    set: before.diskEncryptionSet,
    availabilitySet: before.availabilitySet,
    scaleSet: before.scaleSet,
    identities: o.resolved.identities,
    password: before.osProfile.password,
  })
  if (stateOf(existing) === 'Deleting') throw beingDeleted(existing.id)
  const changed = changedProperties(before, model)
  const running = await unfinished(plane, existing.key)
  const asker = onBehalfOf(request)
  if (changed.length === 0) return await repeat(plane, asker, existing, running)
  if (conversion !== undefined) {
    const to = { to: size, tags: model.tags, changed, running }
    return { ...(await convertVm(plane, asker, existing, to)), created: false }
  }
  const restarts = await assertCanChange(plane, asker, existing, changed, running)
  const identity = await applyIdentities(plane, existing, model)
  const change = { existing, model, size, copies: o.copies, changed, restarts, identity }
  return await plane.resources.transaction(async (tx) => await commit(plane, tx, request, change))
}

/** Properties that can change while a VM runs. */
const takenWhileRunning = [
  'tags',
  'identity',
  'storageProfile.dataDisks',
  'securityProfile.firmwareUpdates',
  'userData',
  'diagnosticsProfile',
  'osProfile.allowExtensionOperations',
  'scheduledEventsProfile',
]
const interfaces = 'networkProfile.networkInterfaces'

/** Whether the VM must be restarted. @throws ServiceError if it must be off, or is being converted */
async function assertCanChange(
  plane: Plane,
  asker: AskedBy,
  existing: Vm,
  changed: string[],
  running: Operation | undefined,
): Promise<boolean> {
  assertNotConverting(existing, running)
  const needsStop = changed.filter(
    (property) => !takenWhileRunning.includes(property) && !property.startsWith('networkProfile'),
  )
  if (changed.includes(interfaces)) assertDeallocated(existing, running)
  const restarts = await restartsIn(plane, existing, { changed, needsStop, running })
  if (restarts) await assertCanRestart(plane, asker, existing)
  else if (needsStop.length > 0) await assertOff(plane, existing, needsStop, running)
  return restarts
}

async function commit(plane: Plane, tx: Db, request: ArmRequest, o: Change): Promise<VmWritten> {
  const { existing, model, size, changed, restarts, identity } = o
  const before = existing.internal.model
  if (model.vmSize !== before.vmSize && !existing.internal.deallocated)
    await plane.quotas.reserve(tx, { owner: existing.key, region: model.location, size })
  const { disks, change } = await applyDataDisks(plane, tx, {
    vmId: existing.id,
    vmName: existing.name,
    location: model.location,
    before: before.dataDisks ?? [],
    after: model.dataDisks ?? [],
    copies: o.copies,
  })
  if (disks.length > 0) model.dataDisks = disks
  if (changed.includes(interfaces))
    await applyNics(plane, tx, { vmId: existing.id, before: before.nics, after: model.nics })
  const changesDisks = changed.includes('storageProfile.dataDisks')
  const vm = await changeStanding(plane, tx, existing, (current) => {
    checkPreconditions(request, current)
    // Another request's concurrent changes would be lost: a disk it attached would stay with the host, an interface it
    // moved would be sought in the old place.
    if (!isDeepStrictEqual(current.internal.model, before)) throw changedMeanwhile(existing.id)
    current.internal.model = model
    if (changesDisks) current.internal.hadDataDisks = true
    if ((changesDisks || restarts) && stateOf(current) === 'Succeeded')
      current.body.properties['provisioningState'] = 'Updating'
    if (size.tee !== undefined) current.internal.tee = size.tee
    if (identity === undefined) delete current.internal.identity
    else current.internal.identity = identity
    refreshBody(current)
  })
  // Within the transaction, so that no launch uses a setting that the VM's owner has withdrawn.
  if (changed.includes('securityProfile.firmwareUpdates'))
    await plane.vaults.allowFirmware(onBehalfOf(request), vm.internal.vmId, model.firmwareUpdates ?? 'Listed')
  if (restarts) return { vm, created: false, operation: await submitResize(plane, tx, onBehalfOf(request), vm) }
  if (!changesDisks) return { vm, created: false }
  const operation = await begin(
    plane.runner,
    tx,
    'vm.update',
    { resource: existing, asker: request.caller },
    {
      id: existing.id,
      vmId: existing.internal.vmId,
      ...change,
    },
  )
  return { vm, created: false, operation }
}

/** A repeated request: a failed VM creation is retried, any other VM is unchanged. */
async function repeat(plane: Plane, asker: AskedBy, vm: Vm, running: Operation | undefined): Promise<VmWritten> {
  if (running !== undefined) return { vm, created: false, operation: running }
  return stateOf(vm) === 'Failed' ? await repeatCreation(plane, asker, vm) : { vm, created: false }
}

async function assertOff(plane: Plane, vm: Vm, properties: string[], running: Operation | undefined): Promise<void> {
  const state = (await plane.host.find(vm.internal.vmId))?.power.state
  if (running === undefined && (state === undefined || state === 'Stopped' || state === 'Failed')) return
  throw notAllowed(
    `'${properties.join("', '")}' of VM '${vm.name}' can change only while the VM is stopped: its launch measurement covers them.`,
    {
      target: properties[0] ?? '',
      expected: 'a stopped or deallocated VM',
      found: running === undefined ? String(state) : `${running.kind} in progress`,
      remedy: 'Deallocate the VM, make the change, then start it again.',
    },
  )
}
