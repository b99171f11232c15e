import { randomBytes } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { invalid } from '../../../arm/refusals.ts'
import type { Fields, Problem } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db, Json, Resource } from '../../../store/resources.ts'
import type { DiskCopies } from './disk-copies.ts'
import { refuseRestore } from './disk-members.ts'
import { requireWhole } from './disk-placement.ts'
import { diskBody } from './stored/disk-body.ts'
import type { StoredDisk, StoredDiskInternal } from './stored/stored-disk.ts'
import type { Size } from '../size/sizes.ts'
import { diskIdOf, diskType, type DataDisk, type DiskChange } from '../vm/model/vm-model.ts'
import { readDiskSize } from './disk-size.ts'
import { mostOfVm } from '../size/sizes.ts'

export type DiskInternal = StoredDiskInternal

/** The data disks requested for a VM, without those to be detached. */
export function readDataDisks(storage: Fields, existing: DataDisk[]): DataDisk[] {
  if (!storage.has('dataDisks')) return existing
  return storage.list('dataDisks', mostOfVm).flatMap((disk, index): DataDisk[] => {
    if (disk.flag('toBeDetached') === true) return []
    const managed = disk.object('managedDisk')
    const lun = disk.integer('lun', 0, 63) ?? index
    const createOption = disk.oneOf('createOption', ['Attach', 'Empty', 'Copy', 'Restore']) ?? 'Attach'
    const wanted = disk.text('name')
    const { id, source } = identityOf(disk, { createOption, before: existing.find((each) => each.lun === lun) })
    // Those that an earlier release made stay as they are.
    if (createOption === 'Restore' && id === undefined) refuseRestore(disk)
    const sizeGiB = readDiskSize(disk)
    return [
      {
        lun,
        name: wanted ?? id?.split('/').at(-1) ?? '',
        ...(id !== undefined && { id }),
        createOption,
        ...(source !== undefined && { source }),
        deleteOption: disk.oneOf('deleteOption', ['Delete', 'Detach']) ?? 'Detach',
        caching: disk.oneOf('caching', ['None', 'ReadOnly', 'ReadWrite']) ?? 'None',
        storageAccountType: managed.text('storageAccountType') ?? 'Premium_LRS',
        ...(sizeGiB !== undefined && { sizeGiB }),
      },
    ]
  })
}

/** A repeated request means the disk that the first one created, not another one in its place. */
function identityOf(
  disk: Fields,
  { createOption, before }: { createOption: DataDisk['createOption']; before: DataDisk | undefined },
): { id: string | undefined; source: string | undefined } {
  const [wanted, asked] = [disk.text('name'), disk.object('sourceResource').text('id')]
  const isSame = (text: string | undefined, is = ''): boolean => text === undefined || keyOf(text) === keyOf(is)
  const made = createOption === 'Attach' ? undefined : before
  const same = made !== undefined && isSame(wanted, made.name) && isSame(asked, made.source) ? made : undefined
  const id = disk.object('managedDisk').text('id') ?? same?.id
  if (!/Copy|Restore/.test(createOption) && !isSame(asked, before?.source))
    refuseIdle(disk, 'sourceResource', `createOption ${createOption}`)
  if (id !== undefined && !isSame(wanted, id.split('/').at(-1)))
    refuseIdle(disk, 'name', 'the disk that managedDisk.id names')
  return { id, source: asked ?? same?.source }
}

const refuseIdle = (disk: Fields, name: string, beside: string): void =>
  disk.unsupported(disk.at(name), `'${name}' has no effect with ${beside}, so it is not accepted.`, {
    expected: `no ${name}`,
    found: name,
    remedy: `Omit ${name}.`,
  })

const target = 'properties.storageProfile.dataDisks'

/** Slots and number; the disks themselves are checked in the transaction that attaches them. */
export function dataDiskProblems(disks: DataDisk[], size: Size | undefined): Problem[] {
  const problem = (message: string, found: string, expected: string): Problem =>
    invalid(target, message, { expected, found })
  const luns = disks.map(({ lun }) => lun)
  const twice = luns.find((lun, index) => luns.indexOf(lun) !== index)
  const ids = disks.flatMap(({ id }) => (id === undefined ? [] : [keyOf(id)]))
  const doubled = ids.find((id, index) => ids.indexOf(id) !== index)
  const sourceless = disks.find(
    ({ id, createOption, source }) => id === undefined && source === undefined && createOption === 'Copy',
  )
  const nameless = disks.find((disk) => disk.createOption === 'Attach' && disk.id === undefined)
  return [
    ...(twice === undefined
      ? []
      : [
          problem(`A disk with LUN ${twice} is specified more than once.`, String(twice), 'a unique LUN for each disk'),
        ]),
    ...(doubled === undefined ? [] : [problem('A disk is specified more than once.', doubled, 'each disk once')]),
    ...(nameless === undefined
      ? []
      : [
          problem("Required parameter 'dataDisk.managedDisk.id' is missing (null).", nameless.name, 'the id of a disk'),
        ]),
    ...(sourceless === undefined
      ? []
      : [
          problem(
            "Required parameter 'dataDisk.sourceResource.id' is missing (null).",
            sourceless.createOption,
            'the id of a disk or snapshot',
          ),
        ]),
    ...(size === undefined || disks.length <= size.maxDataDisks
      ? []
      : [
          {
            code: 'OperationNotAllowed' as const,
            status: 409 as const,
            message: `The maximum number of data disks allowed to be attached to a VM of this size is ${size.maxDataDisks}.`,
            target,
            expected: `at most ${size.maxDataDisks}`,
            found: String(disks.length),
          },
        ]),
  ]
}

/** Creates the new disks and attaches added ones; removed ones stay the VM's until the host has released them. */
export async function applyDataDisks(
  plane: Plane,
  tx: Db,
  o: { vmId: string; vmName: string; location: string; before: DataDisk[]; after: DataDisk[]; copies: DiskCopies },
): Promise<{ disks: DataDisk[]; change: DiskChange }> {
  const disks: DataDisk[] = []
  const made: string[] = []
  for (const disk of o.after) {
    const taken = await takeDisk(plane, tx, o, disk)
    disks.push(taken)
    if (disk.id === undefined) made.push(taken.id)
  }
  const [had, has] = [o.before, disks].map((list) => new Set(list.map(({ id }) => keyOf(id ?? ''))))
  const taken = disks.flatMap(({ id }) => (id === undefined || had!.has(keyOf(id)) ? [] : [id]))
  return { disks, change: { taken, made, detached: o.before.filter(({ id }) => !has!.has(keyOf(id ?? ''))) } }
}

async function takeDisk(
  plane: Plane,
  tx: Db,
  o: { vmId: string; vmName: string; location: string; copies: DiskCopies },
  disk: DataDisk,
): Promise<DataDisk & { id: string }> {
  if (disk.id !== undefined) {
    const found = await plane.resources.lock<DiskInternal>(tx, disk.id)
    if (found?.type !== diskType.toLowerCase()) throw notFound(disk.id)
    const holder = found.internal.managedBy
    if (holder !== '' && keyOf(holder) !== keyOf(o.vmId)) throw inUse(found, holder)
    if (found.location !== o.location) throw notFound(disk.id)
    if (found.body.properties['osType'] !== undefined) throw inUse(found, holder)
    if (holder === '') requireWhole(found)
    if (holder === '') requireSize(found, disk.sizeGiB)
    await setHolder(plane, tx, found.id, o.vmId)
    return { ...disk, id: found.id, name: found.name, sizeGiB: Number(found.body.properties['diskSizeGB']) }
  }
  const name = disk.name === '' ? `${o.vmName}_disk${disk.lun}_${randomBytes(16).toString('hex')}` : disk.name
  const id = diskIdOf(o.vmId, name)
  if ((await plane.resources.find(id, tx)) !== undefined) throw exists(name)
  const copy = o.copies.get(disk.lun)
  if (copy !== undefined) {
    const creationData = { createOption: disk.createOption, sourceResourceId: disk.source }
    const body = diskBody(plane, {
      kept: copy,
      sku: disk.storageAccountType,
      tags: undefined,
      creationData,
      more: { diskState: 'Attached' },
    })
    await plane.resources.insert(tx, { id, location: o.location, body, internal: { managedBy: o.vmId, kept: copy } })
    return { ...disk, id, name, sizeGiB: copy.sizeGiB }
  }
  const sizeGiB = disk.sizeGiB ?? 4
  const uniqueId = plane.newId()
  await plane.resources.insert(tx, {
    id,
    location: o.location,
    body: emptyDisk({
      sizeGiB,
      sku: disk.storageAccountType,
      state: 'Attached',
      at: plane.clock.now(),
      id: uniqueId,
    }),
    internal: { managedBy: o.vmId, kept: emptyStored(uniqueId, sizeGiB) },
  })
  return { ...disk, id, name, sizeGiB }
}

/** An empty disk is stored at the host once a VM attaches it. */
const emptyStored = (uniqueId: string, sizeGiB: number): StoredDisk => ({
  id: uniqueId.toUpperCase(),
  source: { from: 'empty', sizeGiB },
  sizeGiB,
})

/** The body of an empty disk. */
export function emptyDisk(o: { sizeGiB: number; sku: string; state: string; at: Date; id: string }): {
  sku: Json
  properties: Json
} {
  return {
    sku: { name: o.sku, tier: o.sku.split('_')[0] ?? '' },
    properties: {
      creationData: { createOption: 'Empty' },
      diskSizeGB: o.sizeGiB,
      diskSizeBytes: o.sizeGiB * 2 ** 30,
      diskState: o.state,
      encryption: { type: 'EncryptionAtRestWithPlatformKey' },
      timeCreated: o.at.toISOString(),
      provisioningState: 'Succeeded',
      uniqueId: o.id,
    },
  }
}

const setHolder = async (plane: Plane, tx: Db, id: string, vmId: string): Promise<void> => {
  await plane.resources.change<DiskInternal>(tx, id, (disk) => {
    disk.internal.managedBy = vmId
    const { uniqueId, diskSizeGB } = disk.body.properties
    if (vmId !== '') disk.internal.kept ??= emptyStored(String(uniqueId), Number(diskSizeGB))
    disk.body.properties['diskState'] = vmId === '' ? 'Unattached' : 'Attached'
    // A copy that failed while attached is not retried later.
    if (vmId === '' && disk.body.properties['provisioningState'] === 'Creating')
      disk.body.properties['provisioningState'] = 'Failed'
  })
}

export const releaseDisk = async (plane: Plane, tx: Db, id: string): Promise<void> => await setHolder(plane, tx, id, '')

/** Attaching a disk does not change its size. */
function requireSize(disk: Resource<DiskInternal>, sizeGiB: number | undefined): void {
  const { diskSizeGB } = disk.body.properties
  if (sizeGiB === undefined || sizeGiB === Number(diskSizeGB)) return
  throw new ServiceError({
    code: 'InvalidParameter',
    message: `Disk '${disk.name}' has another size than diskSizeGB.`,
    target: `${target}.diskSizeGB`,
    expected: String(diskSizeGB),
    found: String(sizeGiB),
    remedy: 'Omit diskSizeGB, or resize the disk first: az disk update --size-gb.',
  })
}

const notFound = (id: string): ServiceError =>
  new ServiceError({
    code: 'ResourceNotFound',
    status: 404,
    message: `The disk '${id}' was not found in the region of the virtual machine.`,
    target,
    found: id,
    remedy: 'Create the disk first: az disk create.',
  })

const inUse = (disk: Resource<DiskInternal>, holder: string): ServiceError =>
  new ServiceError({
    code: 'AttachDiskWhileBeingDetached',
    message: `Disk '${disk.name}' cannot be attached as the disk is already owned by VM '${holder}'.`,
    target,
    found: holder,
    remedy: 'Detach it there first, or use another disk.',
  })

const exists = (name: string): ServiceError =>
  new ServiceError({
    code: 'ConflictingUserInput',
    message: `Disk ${name} already exists in the resource group.`,
    target,
    remedy: "Attach it with createOption 'Attach', or use another name.",
  })
