import { noSuch } from '../../../arm/refusals.ts'
import { Fields } from '../../../arm/fields.ts'
import { requireLocation } from '../../../arm/regions.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import type { Plane } from '../../../plane.ts'
import { isOfType, type Resource } from '../../../store/resources.ts'
import { makeResource } from '../../../types/creation.ts'
import { computeName } from '../../../types/name-form.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { retag } from '../../../types/retag.ts'
import { vmType, type VmInternal } from '../vm/vm-model.ts'
import { collectionType, pointsOf, pointType, type Collection, type CollectionInternal } from './point-model.ts'
import { createPointSaga } from './create-saga.ts'
import { removePoints, removePointsSaga } from './removal-saga.ts'

const sourceTarget = 'properties.source.id'

/** Restore points of one VM. They outlive the VM, and are deleted with their collection. */
export const restorePointCollections: ResourceType<CollectionInternal> = {
  spelling: collectionType,
  name: computeName,
  refersTo: [vmType],
  view,
  create,
  change,
  remove: removePoints,
  define: (plane) => {
    plane.runner.define(createPointSaga(plane))
    plane.runner.define(removePointsSaga(plane))
  },
}

/** `$expand=restorePoints` of one collection; lists show none, as in Azure. */
async function view(
  plane: Plane,
  collection: Collection,
  request: ArmRequest,
  listed: boolean,
): Promise<Record<string, unknown>> {
  const shown = resourceView(collection, collectionType)
  if (listed || request.query['$expand']?.toLowerCase() !== 'restorepoints') return shown
  const restorePoints = (await pointsOf(plane, collection)).map((point) => resourceView(point, pointType))
  return { ...shown, properties: { ...collection.body.properties, restorePoints } }
}

async function create(plane: Plane, request: ArmRequest, group: Resource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? group.location)
  const tags = fields.textMap('tags')
  const vmId = readSource(fields)
  fields.assertSound()
  await plane.access.requireLinked(request.caller, request.path, [{ id: vmId, action: `${vmType}/read` }])
  const vm = await plane.resources.find(vmId)
  if (!isOfType<VmInternal>(vm, vmType)) {
    fields.problem(
      noSuch('virtual machine', vmId, {
        target: sourceTarget,
        type: vmType,
        remedy: 'Name the VM that the collection is for.',
      }),
    )
  } else if (vm.location !== location) {
    fields.invalid(
      'location',
      `The restore point collection must be in the region of its source virtual machine '${vm.id}'.`,
      { expected: vm.location, found: location, remedy: `Create the collection in ${vm.location}.` },
    )
  }
  fields.assertSound()
  if (!isOfType<VmInternal>(vm, vmType)) throw new TypeError('a collection without a VM is a problem')
  const row = {
    id: request.path,
    location,
    body: {
      ...(tags !== undefined && { tags }),
      properties: {
        source: { id: vm.id, location: vm.location },
        restorePointCollectionId: plane.newId(),
        provisioningState: 'Succeeded',
      },
    },
    internal: { vmResourceId: vm.id, vmId: vm.internal.vmId },
  }
  const made = await makeResource(
    plane,
    request,
    'restore point collection',
    async (tx) => await plane.resources.insert<CollectionInternal>(tx, row),
  )
  return { status: 201, body: resourceView(made, collectionType) }
}

/** The VM's id. Another collection, whose points Azure copies between regions, is not a source here. */
function readSource(fields: Fields): string {
  const source = fields.object('properties').object('source')
  const id = source.text('id') ?? ''
  if (id === '')
    fields.missing('source.id', sourceTarget, {
      expected: `the id of a resource of type ${vmType}`,
      found: 'null',
      remedy: 'Name the VM that the collection is for: --source-id.',
    })
  else if (/\/restorePointCollections\//i.test(id))
    fields.unsupported(
      sourceTarget,
      'Restore points are not copied between regions: an installation is in one place.',
      { expected: `the id of a resource of type ${vmType}`, found: id.slice(0, 300), remedy: 'Name the VM.' },
    )
  return id
}

/** Tags only: a collection belongs to one VM for its lifetime. */
async function change(plane: Plane, request: ArmRequest, existing: Collection): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const wanted = fields.object('properties').object('source').text('id')
  const { vmResourceId } = existing.internal
  if (wanted !== undefined && wanted.toLowerCase() !== vmResourceId.toLowerCase())
    fields.unchangeable('restorePointCollection.source.id', {
      target: sourceTarget,
      expected: vmResourceId,
      found: wanted.slice(0, 300),
      remedy: 'Create another collection.',
    })
  fields.assertSound()
  return ok(resourceView(await retag(plane, request, existing), collectionType))
}
