import { Fields } from '../arm/fields.ts'
import { asyncHeaders, monitorReply, readOperation, unknownOperation } from '../arm/operations.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import { route, type Route } from '../arm/router.ts'
import { groupPath, type Plane } from '../types/plane.ts'
import type { Json } from '../store/resources.ts'
import { vmType, type DataDisk, type Vm } from '../providers/compute/vm/model/vm-model.ts'
import { vmOfAction } from '../providers/compute/vm/model/vm-record.ts'
import { writeVm } from './vm-write/write-vm.ts'
import { mostOfVm } from '../providers/compute/size/sizes.ts'

const one = `${groupPath}/providers/${vmType}/{name}`
const results = 'attachDetachResults'

export const attachDetachRoutes = (plane: Plane): Route[] => [
  route.get(`${one}/${results}/{operation}`, `${vmType}/read`, async (request) => await result(plane, request)),
]

/**
 * `az vm disk attach|detach --disk-ids`: data disks by id, without the rest of the VM. Equivalent to a PATCH of the VM
 * with all its disks, with the same checks and operation; the result is the VM's storage profile.
 */
export async function attachDetach(plane: Plane, request: ArmRequest, { id }: Vm): Promise<ArmReply> {
  const patch: ArmRequest = { ...request, method: 'PATCH', path: id }
  const { vm, operation } = await writeVm(plane, patch, (existing) => ({
    properties: { storageProfile: { dataDisks: readChange(request.body, existing) } },
  }))
  if (operation === undefined) return ok(storageProfile(vm))
  const { subscriptionId } = plane
  const headers = asyncHeaders(request, { subscriptionId, location: vm.location, operationId: operation.id })
  const version = request.query['api-version'] ?? ''
  const location = `${request.origin}${vm.id}/${results}/${operation.id}?api-version=${version}`
  return { status: 202, headers: { ...headers, location } }
}

/** The answer to the action's Location: 202 until the host has the disks. */
async function result(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const vm = await vmOfAction(plane, request)
  const operation = await readOperation(plane.runner, param(request, 'operation'))
  if (operation.resourceId !== vm.key) throw unknownOperation(operation.id)
  const reply = await monitorReply(request, operation)
  return operation.status === 'Succeeded' ? ok(storageProfile(vm)) : reply
}

const storageProfile = (vm: Vm): unknown => vm.body.properties['storageProfile']

/** All data disks that the VM is to have, as in a PATCH. @throws ServiceError with every problem */
function readChange(body: unknown, vm: Vm | undefined): Json[] {
  const fields = new Fields(body)
  const had = vm?.internal.model.dataDisks ?? []
  const invalid = (target: string, message: string, expected: string, found: string, remedy: string): void =>
    fields.invalid(target, message, { expected, found: found.slice(0, 300), remedy })
  const idOf = (disk: Fields): string | undefined => {
    const id = disk.text('diskId')
    if (id === undefined)
      invalid(
        disk.at('diskId'),
        "Required parameter 'diskId' is missing (null).",
        'the id of a disk',
        'null',
        'Name the disk.',
      )
    return id
  }
  const leaving = new Set<string>()
  for (const disk of fields.list('dataDisksToDetach', mostOfVm)) {
    const id = idOf(disk)
    disk.oneOf('detachOption', ['ForceDetach'])
    if (id === undefined) continue
    if (!had.some((each) => each.id !== undefined && keyOf(each.id) === keyOf(id)))
      invalid(
        disk.at('diskId'),
        `Disk ${id.slice(0, 300)} is not attached to the virtual machine.`,
        'a data disk of the VM',
        id,
        'See storageProfile.dataDisks of the VM.',
      )
    leaving.add(keyOf(id))
  }
  const staying = had.filter(({ id }) => !leaving.has(keyOf(id ?? '')))
  const asked = fields.list('dataDisksToAttach', mostOfVm)
  const given = asked.map((disk) => disk.integer('lun', 0, 63))
  const taken = new Set([...staying.map(({ lun }) => lun), ...given])
  const coming = asked.flatMap((disk, index): Json[] => {
    const id = idOf(disk)
    if (disk.flag('writeAcceleratorEnabled') === true)
      invalid(
        disk.at('writeAcceleratorEnabled'),
        'Write accelerators are not offered.',
        'false',
        'true',
        'Leave writeAcceleratorEnabled out.',
      )
    const held = staying.find((each) => id !== undefined && keyOf(each.id ?? '') === keyOf(id))
    if (held !== undefined && (given[index] ?? held.lun) !== held.lun)
      invalid(
        disk.at('lun'),
        `Disk ${held.name} is already attached, with LUN ${held.lun}.`,
        String(held.lun),
        String(given[index]),
        'Detach it first.',
      )
    if (held !== undefined) return []
    const lun = given[index] ?? firstFree(taken)
    taken.add(lun)
    const option = (name: string): Json => (disk.text(name) === undefined ? {} : { [name]: disk.text(name) })
    const diskEncryptionSet = disk.has('diskEncryptionSet') ? { diskEncryptionSet: disk.raw('diskEncryptionSet') } : {}
    const shared = { lun, createOption: 'Attach', managedDisk: { id, ...diskEncryptionSet } }
    return [{ ...shared, ...option('caching'), ...option('deleteOption') }]
  })
  if (asked.length === 0 && leaving.size === 0 && fields.problems.length === 0)
    invalid(
      'dataDisksToAttach',
      'The request does not name a disk.',
      'dataDisksToAttach or dataDisksToDetach',
      'neither',
      'Name the disks.',
    )
  fields.assertSound()
  return [...staying.map(asRequest), ...coming]
}

function firstFree(taken: ReadonlySet<number | undefined>): number {
  let lun = 0
  while (taken.has(lun)) lun += 1
  return lun
}

const asRequest = ({ id, storageAccountType, sizeGiB, source, ...disk }: DataDisk): Json => ({
  ...disk,
  ...(source !== undefined && { sourceResource: { id: source } }),
  managedDisk: { id, storageAccountType },
  ...(sizeGiB !== undefined && { diskSizeGB: sizeGiB }),
})
