import type { DiskPermission } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { notAllowed } from '../../../../arm/refusals.ts'
import { onBehalfOf } from '../../../../arm/on-behalf-of.ts'
import { Fields } from '../../../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../../arm/request.ts'
import type { Plane } from '../../../../types/plane.ts'
import type { Answers } from '../../../../types/resource-type.ts'
import type { VmInternal } from '../../vm/model/vm-model.ts'
import { guestBehind } from './address.ts'
import {
  diskSecurityTypes,
  hasContent,
  type StoredDisk,
  type StoredDiskInternal,
  type StoredDiskResource,
} from './stored-disk.ts'
import { requireOff } from './source.ts'
import { begin, accepted } from '../../../../arm/operations.ts'
import { guestPart, markStored } from './write-stored.ts'

/** Azure's limits for durationInSeconds are wider; its portal allows sixty days. */
const longest = 60 * 24 * 3600

/** Of resources with a disk's content: an address that is the only credential, for a limited time. */
export const accessActions: Answers<StoredDiskInternal> = { beginGetAccess: beginAccess, endGetAccess: end }

async function beginAccess(plane: Plane, request: ArmRequest, disk: StoredDiskResource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const given = fields.oneOf('access', ['Read', 'Write', 'None'])
  const seconds = fields.integer('durationInSeconds', 1, longest)
  const withGuestState = fields.flag('getSecureVMGuestStateSAS') ?? false
  const format = fields.oneOf('fileFormat', ['VHD', 'VHDX'])
  if (given === undefined && !fields.has('access')) fields.missing('access', 'access', { expected: 'Read or Write' })
  if (given === 'None')
    fields.invalid('access', 'Access None does not return an address.', { expected: 'Read or Write', found: 'None' })
  if (seconds === undefined && !fields.has('durationInSeconds'))
    fields.missing('durationInSeconds', 'durationInSeconds', { expected: `1 to ${longest}` })
  if (format === 'VHDX')
    fields.invalid('fileFormat', 'Disks are read and written as VHD.', { expected: 'VHD', found: 'VHDX' })
  fields.assertSound()
  const permission: DiskPermission = given === 'Write' ? 'Write' : 'Read'
  const id = await hostId(plane, disk, permission)
  const access = await plane.host.grantDisk(id, { permission, seconds: seconds ?? 0, withGuestState })
  await setDiskState(plane, disk, permission === 'Write' ? 'ActiveUpload' : 'ActiveSAS')
  return ok(access)
}

/** The host's id of the disk's bytes. @throws ServiceError OperationNotAllowed */
async function hostId(plane: Plane, disk: StoredDiskResource, permission: DiskPermission): Promise<string> {
  const { kept, managedBy } = disk.internal
  const state = disk.body.properties['diskState']
  const uploading = kept?.source.from === 'upload' && (state === 'ReadyToUpload' || state === 'ActiveUpload')
  if (permission === 'Write' && !uploading)
    throw refusedAccess(disk, 'a disk created with createOption Upload or UploadPreparedSecure', String(state))
  if (permission === 'Read' && uploading)
    throw refusedAccess(disk, 'a disk whose upload has ended: az disk revoke-access', String(state))
  if (hasContent(kept)) {
    if (disk.body.properties['provisioningState'] !== 'Succeeded')
      throw refusedAccess(disk, 'provisioningState Succeeded', String(disk.body.properties['provisioningState']))
    return kept.id
  }
  if (managedBy === '' || disk.body.properties['osType'] === undefined)
    throw refusedAccess(disk, 'a disk with content', 'an empty data disk')
  const vm = await plane.resources.get<VmInternal>(managedBy)
  await requireOff(plane, vm, 'given out')
  return vm.internal.vmId
}

async function end(plane: Plane, request: ArmRequest, disk: StoredDiskResource): Promise<ArmReply> {
  const { kept, managedBy } = disk.internal
  if (kept === undefined) {
    if (managedBy !== '') {
      const vm = await plane.resources.find<VmInternal>(managedBy)
      if (vm !== undefined) await plane.host.revokeDisk(vm.internal.vmId)
      await setDiskState(plane, disk, 'Attached')
    }
    return { status: 200 }
  }
  if (disk.body.properties['diskState'] !== 'ActiveUpload') {
    await plane.host.revokeDisk(kept.id)
    await setDiskState(
      plane,
      disk,
      kept.source.from === 'upload' && disk.body.properties['diskState'] === 'ReadyToUpload'
        ? 'ReadyToUpload'
        : managedBy === ''
          ? 'Unattached'
          : 'Attached',
    )
    return { status: 200 }
  }
  const guest = await guestOfUpload(plane, request, kept)
  const operation = await plane.resources.transaction(async (tx) => {
    await markStored(plane, tx, disk, 'Updating', ({ body, internal }) => {
      if (guest === undefined || internal.kept === undefined) return
      internal.kept.guest = guestPart(guest)
      internal.kept.guestOfSource = guest
      body.properties['securityProfile'] = { securityType: diskSecurityTypes[guest.encryption] }
    })
    const params = { id: disk.id, keptId: kept.id, asker: onBehalfOf(request) }
    return await begin(plane.runner, tx, 'disk.finishUpload', { resource: disk, asker: request.caller }, params)
  })
  return accepted(plane, request, disk, operation)
}

/** Which VM an uploaded guest state opens for; whoever ends the upload must have the right to its source's content. */
async function guestOfUpload(
  plane: Plane,
  request: ArmRequest,
  kept: StoredDisk,
): Promise<Awaited<ReturnType<typeof guestBehind>>> {
  if (kept.source.from !== 'upload' || !kept.source.withGuestState) return undefined
  const status = await plane.host.findDisk(kept.id)
  const fields = new Fields({})
  const guest = await guestBehind(plane, request, fields, { path: 'securityData', id: status?.guestStateOf })
  fields.assertSound()
  return guest
}

async function setDiskState(plane: Plane, disk: StoredDiskResource, state: string): Promise<void> {
  await plane.resources.update(disk.id, ({ body }) => {
    body.properties['diskState'] = state
  })
}

const refusedAccess = (disk: StoredDiskResource, expected: string, found: string): ServiceError =>
  notAllowed(`Access to ${disk.name} cannot be granted in its current state.`, { target: disk.id, expected, found })
