import { type Operation } from '@strongroom/platform'
import { notAllowed } from '../../../arm/refusals.ts'
import { Fields } from '../../../arm/fields.ts'
import { asyncHeaders } from '../../../arm/operations.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import type { Plane } from '../../../plane.ts'
import { isOfType, type Resource } from '../../../store/resources.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { vmType, type Vm, type VmInternal } from '../vm/vm-model.ts'
import { insertPoint, repeatPoint } from './point-insertion.ts'
import {
  collectionType,
  disksWithin,
  pointType,
  type Collection,
  type CollectionInternal,
  type PointInternal,
  type RestorePoint,
} from './point-model.ts'
import { readPoint, takenDisks } from './point-request.ts'
import { removePoints } from './removal-saga.ts'
import { takeSources } from './sources.ts'
import { computeName } from '../../../types/name-form.ts'

/** A VM's settings and the content of its disks at one moment. */
export const restorePoints: ResourceType<PointInternal> = {
  spelling: pointType,
  name: computeName,
  view,
  create,
  change,
  remove: removePoints,
}

async function view(plane: Plane, point: RestorePoint, request: ArmRequest): Promise<Record<string, unknown>> {
  const shown = resourceView({ ...point, location: '' }, pointType)
  if (request.query['$expand']?.toLowerCase() !== 'instanceview') return shown
  const diskRestorePoints = (await disksWithin(plane, point)).map(({ id, body }) => {
    const state = String(body.properties['provisioningState'])
    const done = state === 'Succeeded'
    return {
      id,
      replicationStatus: {
        status: { code: `ReplicationState/${state.toLowerCase()}`, level: 'Info', displayStatus: state },
        completionPercent: done ? 100 : 0,
      },
    }
  })
  const state = String(point.body.properties['provisioningState'])
  const statuses = [
    {
      code: `ProvisioningState/${state.toLowerCase()}`,
      level: state === 'Failed' ? 'Error' : 'Info',
      displayStatus: state,
      time: point.updatedAt,
    },
  ]
  return { ...shown, properties: { ...point.body.properties, instanceView: { diskRestorePoints, statuses } } }
}

async function create(plane: Plane, request: ArmRequest, collection: Resource<unknown>): Promise<ArmReply> {
  if (!isOfType<CollectionInternal>(collection, collectionType))
    throw new TypeError('a restore point lies in a collection')
  const fields = new Fields(request.body)
  const { excluded } = readPoint(fields)
  fields.assertSound()
  const { vmResourceId } = collection.internal
  await plane.access.requireLinked(request.caller, request.path, [{ id: vmResourceId, action: `${vmType}/read` }])
  const vm = await vmOf(plane, collection)
  refuseConfidential(vm)
  const taken = takenDisks(fields, vm, excluded)
  fields.assertSound()
  const sources = await takeSources(plane, request, vm, taken)
  const { point, operation } = await insertPoint(plane, request, { collection, vm, sources, excluded })
  return reply(plane, request, point, 201, operation)
}

/** @throws ServiceError if the VM is gone, or another has its name */
async function vmOf(plane: Plane, { id, internal }: Collection): Promise<Vm> {
  const vm = await plane.resources.find(internal.vmResourceId)
  if (isOfType<VmInternal>(vm, vmType) && vm.internal.vmId === internal.vmId) return vm
  throw notAllowed(
    `The source virtual machine '${internal.vmResourceId}' of the restore point collection was deleted.`,
    {
      target: id,
      expected: 'the virtual machine that the collection was created for',
      found: vm === undefined ? 'none' : 'another one with the same name',
      remedy: 'Create a collection for the new virtual machine: az restore-point collection create.',
    },
  )
}

/** In Azure's words: confidential VMs are refused in every region. */
function refuseConfidential(vm: Vm): void {
  if (vm.internal.model.securityType !== 'ConfidentialVM') return
  throw notAllowed(
    "This region does not support creation of Restore Points of a Virtual Machine with 'ConfidentialVM' security type.",
    {
      target: vm.id,
      expected: 'TrustedLaunch or Standard',
      found: 'ConfidentialVM',
      remedy: 'Copy its disks with their guest state: az snapshot create --source DISK.',
    },
  )
}

/** A restore point never changes; a repeated request retries failed copies. */
async function change(plane: Plane, request: ArmRequest, point: RestorePoint): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const { excluded } = readPoint(fields)
  const given = fields.object('properties').has('excludeDisks')
  const set = (ids: string[]): string => ids.map((id) => id.toLowerCase()).toSorted().join(', ') // prettier-ignore
  if (given && set(excluded) !== set(point.internal.excluded))
    fields.unchangeable('restorePoint.excludeDisks', {
      target: 'properties.excludeDisks',
      expected: set(point.internal.excluded).slice(0, 400) || 'none',
      found: set(excluded).slice(0, 400) || 'none',
      remedy: 'Create another restore point.',
    })
  fields.assertSound()
  if (request.method === 'PATCH') return ok(await view(plane, point, request))
  if (point.body.properties['provisioningState'] !== 'Failed') return reply(plane, request, point, 201)
  const repeated = await repeatPoint(plane, request, point)
  return reply(plane, request, repeated.point, 201, repeated.operation)
}

/** Clients accept only 201 for a restore point. */
function reply(
  plane: Plane,
  request: ArmRequest,
  point: RestorePoint,
  status: number,
  operation?: Pick<Operation, 'id'>,
): ArmReply {
  const where = { subscriptionId: plane.subscriptionId, location: point.location, operationId: operation?.id ?? '' }
  return {
    status,
    body: resourceView({ ...point, location: '' }, pointType),
    ...(operation !== undefined && { headers: asyncHeaders(request, where) }),
  }
}
