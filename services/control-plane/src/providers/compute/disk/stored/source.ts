import type { GuestIdentity, StoredDiskSource } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { notAllowed } from '../../../../arm/refusals.ts'
import type { ArmRequest } from '../../../../arm/request.ts'
import { parseResourceId } from '../../../../arm/ids/resource-id.ts'
import type { Plane } from '../../../../types/plane.ts'
import { isOfType, type Resource } from '../../../../store/resources.ts'
import { attestationUri } from '../../vm/model/vm-attestation.ts'
import { diskType, vmType, type Vm, type VmInternal, type VmModel } from '../../vm/model/vm-model.ts'
import {
  guestIdentity,
  hasContent,
  managedImageType,
  snapshotType,
  versionType,
  type StoredDisk,
  type StoredDiskInternal,
  type OsState,
} from './stored-disk.ts'

/** A source that disks are copied from. */
export interface CopySource {
  id: string
  /** Lower case. */
  type: string
  location: string
  host: StoredDiskSource
  sizeGiB: number
  osType?: 'Linux'
  osState?: OsState
  osProfile?: VmModel['osProfile']
  /** If it comes with guest state. */
  guest?: GuestIdentity
  /** From a VM with NonPersistedTPM, which has no guest state. */
  stateless?: boolean
  /** From a TrustedLaunch VM. Its vTPM is not copied; VMs created from the disk have their own. */
  trustedLaunch?: boolean
}

/** Rights needed to copy a source: for everything that a copy shows. */
const copyActions: Record<string, string> = {
  // A VM's disk is read through the VM: it requires the right to write it, like stopping it.
  [vmType.toLowerCase()]: `${vmType}/write`,
  [diskType.toLowerCase()]: `${diskType}/beginGetAccess/action`,
  [snapshotType.toLowerCase()]: `${snapshotType}/beginGetAccess/action`,
  [managedImageType.toLowerCase()]: `${managedImageType}/read`,
  [versionType.toLowerCase()]: `${versionType}/read`,
}

/**
 * The source that a request names for a copy. The caller needs a role there too: reading a disk's content is more than
 * reading its properties.
 * @throws ServiceError LinkedAuthorizationFailed, InvalidParameter, OperationNotAllowed
 */
export async function resolveSource(
  plane: Plane,
  request: ArmRequest,
  o: { id: string; target: string; location: string; types: string[] },
): Promise<CopySource> {
  const type = parseResourceId(o.id)?.type
  const wanted = o.types.some((each) => each.toLowerCase() === type?.toLowerCase())
  const action = copyActions[type?.toLowerCase() ?? '']
  if (!wanted || action === undefined) throw unknownSource(o, type)
  await plane.access.requireLinked(request.caller, request.path, [{ id: o.id, action }])
  const found = await plane.resources.find(o.id)
  if (found === undefined) throw unknownSource(o, undefined)
  if (found.location !== o.location) throw otherRegion(o, found)
  return await sourceOf(plane, found, o.target)
}

async function sourceOf(plane: Plane, found: Resource, target: string): Promise<CopySource> {
  const common = { id: found.id, type: found.type, location: found.location }
  if (isOfType<VmInternal>(found, vmType)) return { ...common, ...(await vmSource(plane, found)) }
  const { kept, managedBy = '' } = found.internal as Partial<StoredDiskInternal>
  if (kept === undefined && found.body.properties['osType'] !== undefined && managedBy !== '') {
    const vm = await plane.resources.get<VmInternal>(managedBy)
    return { ...common, ...(await vmSource(plane, vm)) }
  }
  const sizeGiB = Number(found.body.properties['diskSizeGB'] ?? kept?.sizeGiB ?? 1)
  if (!hasContent(kept)) return { ...common, host: { from: 'empty', sizeGiB }, sizeGiB }
  const { provisioningState, diskState } = found.body.properties
  if (provisioningState !== 'Succeeded') throw notReady(found, target, 'provisioningState', 'Wait until it is ready.')
  if (diskState === 'ReadyToUpload' || diskState === 'ActiveUpload')
    throw notReady(found, target, 'diskState', 'Upload it and end the upload: az disk revoke-access.')
  return { ...common, host: { from: 'disk', id: kept.id }, ...ofStored(kept), sizeGiB }
}

function ofStored(
  kept: StoredDisk,
): Pick<CopySource, 'osType' | 'osState' | 'osProfile' | 'guest' | 'stateless' | 'trustedLaunch'> {
  const guest = guestIdentity(kept)
  return {
    ...(kept.osType !== undefined && { osType: kept.osType }),
    ...(kept.osState !== undefined && { osState: kept.osState }),
    ...(kept.osProfile !== undefined && { osProfile: kept.osProfile }),
    ...(guest !== undefined && { guest }),
    ...(kept.stateless === true && { stateless: true }),
    ...(kept.trustedLaunch === true && { trustedLaunch: true }),
  }
}

async function vmSource(plane: Plane, vm: Vm): Promise<Omit<CopySource, 'id' | 'type' | 'location'>> {
  const { model, vmId, generalized } = vm.internal
  await requireOff(plane, vm, 'copied')
  const guest = guestOfVm(vm)
  return {
    host: { from: 'instance', vmId },
    sizeGiB: model.osDisk.sizeGiB,
    osType: 'Linux',
    osState: generalized === true ? 'Generalized' : 'Specialized',
    ...(generalized !== true && { osProfile: model.osProfile }),
    ...(guest !== undefined && { guest }),
    ...(model.encryption === 'NonPersistedTPM' && { stateless: true }),
    ...(model.securityType === 'TrustedLaunch' && { trustedLaunch: true }),
  }
}

/** The identity that a VM's guest state opens for. */
function guestOfVm(vm: Vm): GuestIdentity | undefined {
  const { model, vmId, tee, keyId } = vm.internal
  if (model.encryption === undefined || model.encryption === 'NonPersistedTPM' || tee === undefined) return undefined
  if (keyId === undefined) throw notProvisioned(vm)
  if (model.diskEncryptionSet !== undefined) throw underCustomerKey(vm, model.diskEncryptionSet.id)
  return {
    vmId,
    tee,
    encryption: model.encryption,
    secureBoot: model.secureBoot,
    guestStateKey: keyId,
    attestationProvider: attestationUri(model),
  }
}

/** The VM or stored disk whose guest state has this id in its clear part. */
export async function ownerOfGuestState(
  plane: Plane,
  id: string,
): Promise<{ id: string; guest: GuestIdentity } | undefined> {
  for (const vm of await plane.resources.list<VmInternal>({ type: vmType }))
    if (vm.internal.vmId === id && vm.internal.keyId !== undefined) {
      const guest = guestOfVm(vm)
      return guest && { id: vm.id, guest }
    }
  for (const type of [diskType, snapshotType, managedImageType, versionType]) {
    for (const each of await plane.resources.list<StoredDiskInternal>({ type })) {
      const guest = each.internal.kept === undefined ? undefined : guestIdentity(each.internal.kept)
      if (guest?.vmId === id) return { id: each.id, guest }
    }
  }
  return undefined
}

/** @throws ServiceError OperationNotAllowed */
export async function requireOff(plane: Plane, vm: Vm, verb: string): Promise<void> {
  if (!vm.internal.provisioned) throw notProvisioned(vm)
  const state = (await plane.host.find(vm.internal.vmId))?.power.state
  if (state === 'Stopped' || state === 'Failed') return
  throw notAllowed(
    `The virtual machine '${vm.name}' is running: its disk and guest state can only be ${verb} while it is stopped.`,
    {
      target: vm.id,
      expected: 'a stopped or deallocated VM',
      found: state ?? 'no instance',
      remedy: `Deallocate it first: az vm deallocate --ids ${vm.id}`,
    },
  )
}

/** A copy would have to follow its set's rotations; under the platform's key only, it would be easier to open than its source. */
const underCustomerKey = (vm: Vm, set: string): ServiceError =>
  new ServiceError({
    code: 'NotSupported',
    status: 409,
    message: `The virtual machine '${vm.name}' uses a customer's key: its disk and guest state are not copied.`,
    target: vm.id,
    expected: 'a VM with a platform key',
    found: set,
    remedy: 'Use a VM without a disk-encryption set as the source.',
  })

const notProvisioned = (vm: Vm): ServiceError =>
  notAllowed(`The virtual machine '${vm.name}' has no disk: its creation failed.`, {
    target: vm.id,
    remedy: 'Repeat the PUT that creates it.',
  })

const notReady = (
  found: Resource,
  target: string,
  state: 'provisioningState' | 'diskState',
  remedy: string,
): ServiceError =>
  notAllowed(`The resource '${found.id}' is not ready to be copied.`, {
    target,
    expected: state === 'provisioningState' ? 'provisioningState Succeeded' : 'diskState Unattached',
    found: `${state} ${String(found.body.properties[state])}`,
    remedy,
  })

function unknownSource(o: { id: string; target: string; types: string[] }, type: string | undefined): ServiceError {
  return new ServiceError({
    code: type === undefined ? 'NotFound' : 'InvalidParameter',
    message: `The entity '${o.id.slice(0, 300)}' was not found, or cannot be copied.`,
    target: o.target,
    expected: o.types.join(', '),
    found: type ?? 'no such resource',
    remedy: 'Use the full id of an existing resource.',
  })
}

const otherRegion = (o: { target: string; location: string }, found: Resource): ServiceError =>
  new ServiceError({
    code: 'InvalidParameter',
    message: `The source '${found.id}' is in another region.`,
    target: o.target,
    expected: o.location,
    found: found.location,
    remedy: 'Copy it in its own region.',
  })
