import { ServiceError } from '@strongroom/platform'
import { notAllowed } from '../../../arm/refusals.ts'
import { Fields } from '../../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Resource } from '../../../store/resources.ts'
import { makeResource, readPut } from '../../../types/creation.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { emptyDisk, type DiskInternal } from './data-disks.ts'
import { accessActions } from './stored/disk-access.ts'
import { createFilledDisk } from './disk-creation.ts'
import { setType } from './stored/stored-disk.ts'
import { finishUploadSaga, keepSaga, removeStoredSaga, storedHooks } from './stored/sagas.ts'
import { diskMembers, refuseCustomerKey, refuseOtherSources } from './disk-members.ts'
import { metersOfDisk } from './disk-meters.ts'
import { readDiskSize } from './disk-size.ts'
import { diskSkus } from './disk-skus.ts'
import { diskType } from '../vm/model/vm-model.ts'
import { computeName } from '../../../types/name-form.ts'

type Disk = Resource<DiskInternal>

const view = (disk: Disk): Record<string, unknown> => ({
  ...resourceView(disk, diskType),
  ...(disk.internal.managedBy !== '' && { managedBy: disk.internal.managedBy }),
})

/** Disks: OS disks live and die with their VMs; empty data disks can be created separately. */
export const disks: ResourceType<DiskInternal> = {
  ...storedHooks,
  spelling: diskType,
  members: diskMembers,
  name: computeName,
  refersTo: [setType],
  movable: true,
  stays: ({ name, internal: { managedBy } }) =>
    managedBy === ''
      ? undefined
      : {
          message: `The disk '${name}' belongs to '${managedBy}'.`,
          expected: 'a disk that no virtual machine uses',
          found: managedBy,
          remedy: 'Detach it first; an OS disk stays with its virtual machine.',
        },
  view: (_plane, disk) => view(disk),
  create: async (plane, request, group) => await create(plane, request, group.location),
  change,
  actions: accessActions,
  assertUnused: async (_plane, _tx, disk) => {
    if (disk.internal.managedBy !== '') throw attached(disk)
  },
  meters: metersOfDisk,
  define: (plane) => {
    for (const saga of [keepSaga, finishUploadSaga, removeStoredSaga]) plane.runner.define(saga(plane))
    // Of an earlier release: what they copied is now failed snapshots (store/restore-point-migration.ts).
    for (const kind of ['restorePoint.create', 'restorePoint.remove']) plane.runner.define({ kind, steps: [] })
  },
}

async function create(plane: Plane, request: ArmRequest, groupLocation: string): Promise<ArmReply> {
  const how = new Fields(request.body).object('properties').object('creationData').text('createOption')
  if (how !== undefined && how.toLowerCase() !== 'empty')
    return await createFilledDisk(plane, request, groupLocation, view)
  const { fields, properties, location, tags } = readPut(request, groupLocation)
  const creation = properties.object('creationData')
  const sku = fields.object('sku').oneOf('name', diskSkus) ?? 'Premium_LRS'
  const sizeGiB = readDiskSize(properties)
  const option = creation.text('createOption') ?? ''
  if (option.toLowerCase() !== 'empty')
    fields.invalid(creation.at('createOption'), 'Only empty disks can be created without a source.', {
      expected: 'Empty',
      found: option.slice(0, 80),
    })
  if (sizeGiB === undefined && !properties.has('diskSizeGB'))
    fields.missing('disk.diskSizeGB', properties.at('diskSizeGB'), { expected: '1 to 32767' })
  if (properties.has('securityProfile')) {
    const problem = { expected: 'no securityProfile', found: 'one', rule: 'S7' } as const
    fields.invalid(properties.at('securityProfile'), 'Confidential encryption covers the OS disk only.', problem)
  }
  refuseCustomerKey(properties)
  refuseOtherSources(creation)
  if (properties.has('osType'))
    fields.unsupported(properties.at('osType'), 'An empty disk has no operating system.', {
      expected: 'no osType',
      found: 'one',
      remedy: 'Omit osType.',
    })
  fields.assertSound()
  const body = emptyDisk({ sizeGiB: sizeGiB ?? 1, sku, state: 'Unattached', at: plane.clock.now(), id: plane.newId() })
  const internal: DiskInternal = { managedBy: '' }
  const row = { location, body: { ...body, ...(tags !== undefined && { tags }) }, internal }
  const made = await makeResource(
    plane,
    request,
    'disk',
    async (tx) => await plane.resources.insert(tx, { id: request.path, ...row }),
  )
  // Clients accept 200 and 202 for a disk, never 201.
  return ok(view(made))
}

/** Tags, and a larger size; everything else about a disk is fixed. */
async function change(plane: Plane, request: ArmRequest, disk: Disk): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const tags = fields.textMap('tags')
  const sizeGiB = readDiskSize(fields.object('properties'))
  const held = Number(disk.body.properties['diskSizeGB'])
  if (sizeGiB !== undefined && sizeGiB < held)
    fields.problem({
      code: 'BadRequest',
      message: `The new size ${sizeGiB} GB of disk ${disk.name} is smaller than its current size: disks can only grow.`,
      target: 'properties.diskSizeGB',
      expected: `at least ${held}`,
      found: String(sizeGiB),
    })
  const fixed = disk.body.properties['osType'] !== undefined
  if (sizeGiB !== undefined && sizeGiB !== held && fixed)
    fields.problem({
      code: 'OperationNotAllowed',
      status: 409,
      message: 'The size of an OS disk is fixed.',
      target: 'properties.diskSizeGB',
      expected: String(held),
      found: String(sizeGiB),
    })
  fields.assertSound()
  const changed = await plane.resources.update<DiskInternal>(disk.id, (current) => {
    if (tags !== undefined) current.body.tags = tags
    if (sizeGiB === undefined) return
    // The host grows it when it is next attached, or its VM started.
    current.body.properties['diskSizeGB'] = sizeGiB
    if (current.internal.kept !== undefined) current.internal.kept.sizeGiB = sizeGiB
    current.body.properties['diskSizeBytes'] = sizeGiB * 2 ** 30
  })
  return ok(view(changed ?? disk))
}

const attached = (disk: Disk): ServiceError =>
  notAllowed(`Disk ${disk.name} is attached to VM ${disk.internal.managedBy}.`, {
    found: disk.internal.managedBy,
    remedy:
      disk.body.properties['osType'] === undefined
        ? 'Detach it first: az vm disk detach.'
        : 'Delete the virtual machine: its disk goes with it.',
  })
