import { Fields } from '../../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import { accepted } from '../../../arm/operations.ts'
import type { Plane } from '../../../types/plane.ts'
import { meterOf } from '../../../types/meter.ts'
import { readPut } from '../../../types/creation.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { refuseCustomerKey, refuseOtherSources, snapshotMembers } from '../disk/disk-members.ts'
import { gibOf } from '../disk/disk-meters.ts'
import { diskType } from '../vm/model/vm-model.ts'
import { accessActions } from '../disk/stored/disk-access.ts'
import { copiedFrom, readSourceUri, guestBehind, idOfAddress, withoutSignature } from '../disk/stored/address.ts'
import { diskBody } from '../disk/stored/disk-body.ts'
import {
  setType,
  snapshotType,
  type StoredDisk,
  type StoredDiskInternal,
  type StoredDiskResource,
} from '../disk/stored/stored-disk.ts'
import { checkDiskSecurity } from '../disk/stored/security-profile.ts'
import { resolveSource } from '../disk/stored/source.ts'
import { storedHooks } from '../disk/stored/sagas.ts'
import { insertStored, storedFrom, storedOf, repeatStored } from '../disk/stored/write-stored.ts'
import { computeName } from '../../../types/name-form.ts'

const skus = ['Standard_LRS', 'Standard_ZRS', 'Premium_LRS'] as const

const view = (snapshot: StoredDiskResource): Record<string, unknown> => resourceView(snapshot, snapshotType)

/** Snapshots: disks at one moment, with their guest state if they have one. */
export const snapshots: ResourceType<StoredDiskInternal> = {
  ...storedHooks,
  spelling: snapshotType,
  members: snapshotMembers,
  name: computeName,
  refersTo: [setType],
  movable: true,
  stays: ({ name, body }) =>
    body.properties['incremental'] !== true
      ? undefined
      : {
          message: `The snapshot '${name}' is incremental.`,
          expected: 'a full snapshot',
          found: 'incremental: true',
          remedy: 'Create a full snapshot: az snapshot create --incremental false.',
        },
  create: async (plane, request, group) => await create(plane, request, group.location),
  change,
  actions: accessActions,
  meters: (row) => [meterOf(row, 'snapshot', gibOf(row))],
}

async function create(plane: Plane, request: ArmRequest, groupLocation: string): Promise<ArmReply> {
  const { fields, properties, location, tags } = readPut(request, groupLocation)
  const creation = properties.object('creationData')
  const sku = fields.object('sku').oneOf('name', skus) ?? 'Standard_LRS'
  const incremental = properties.flag('incremental') ?? false
  const option = creation.oneOf('createOption', ['Copy', 'CopyStart', 'Import', 'ImportSecure'])
  refuseCustomerKey(properties)
  refuseOtherSources(creation, option ?? 'Copy')
  const sourceId = copiedFrom(creation)
  let kept: StoredDisk | undefined
  if (option === 'CopyStart')
    fields.unsupported(creation.at('createOption'), 'Snapshots are not copied between regions.', {
      expected: 'Copy',
      found: option,
    })
  else if (option === 'Import' || option === 'ImportSecure') kept = await imported(plane, request, fields, creation)
  else if (sourceId !== undefined) {
    const target = creation.at('sourceResourceId')
    const types = [diskType, snapshotType]
    kept = storedOf(plane, await resolveSource(plane, request, { id: sourceId, target, location, types }))
  } else
    fields.missing('creationData.sourceResourceId', creation.at('sourceResourceId'), {
      expected: 'the id of a disk or snapshot',
    })
  checkDiskSecurity(fields, properties, kept, option ?? 'Copy')
  fields.assertSound()
  if (kept === undefined) throw new TypeError('a snapshot without a source is a problem')
  const source = sourceId === undefined ? undefined : await plane.resources.find(sourceId)
  const body = diskBody(plane, {
    kept,
    sku,
    tags,
    creationData: {
      createOption: option ?? 'Copy',
      ...(source !== undefined && {
        sourceResourceId: source.id,
        sourceUniqueId: source.body.properties['uniqueId'],
      }),
      ...(kept.source.from === 'uri' && { sourceUri: withoutSignature(kept.source.uri) }),
    },
    more: {
      incremental,
      // Every snapshot is complete on the host: an incremental one is only labelled so, and costs nothing to merge.
      ...(incremental && { incrementalSnapshotFamilyId: source?.body.properties['uniqueId'], completionPercent: 100 }),
    },
  })
  const { resource, operation } = await insertStored(plane, request, { location, body, kept })
  return accepted(plane, request, resource, operation, view(resource))
}

async function imported(
  plane: Plane,
  request: ArmRequest,
  fields: Fields,
  creation: Fields,
): Promise<StoredDisk | undefined> {
  const path = creation.at('sourceUri')
  const uri = await readSourceUri(plane, request, fields, { path, uri: creation.text('sourceUri') })
  const guestStateUri = creation.text('securityDataUri')
  if (guestStateUri === undefined) return storedFrom(plane, { from: 'uri', uri }, { sizeGiB: 1, osType: 'Linux' })
  const at = { path: creation.at('securityDataUri'), id: idOfAddress(guestStateUri) }
  const guest = await guestBehind(plane, request, fields, at)
  if (guest === undefined) return undefined
  return storedFrom(plane, { from: 'uri', uri, guestStateUri }, { sizeGiB: 1, osType: 'Linux', guestOfSource: guest })
}

/** Tags and SKU; a failed copy is retried. */
async function change(plane: Plane, request: ArmRequest, snapshot: StoredDiskResource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const tags = fields.textMap('tags')
  const sku = fields.object('sku').oneOf('name', skus)
  const given = copiedFrom(fields.object('properties').object('creationData'))
  const source = (snapshot.body.properties['creationData'] as { sourceResourceId?: string }).sourceResourceId
  if (given !== undefined && source !== undefined && given.toLowerCase() !== source.toLowerCase())
    fields.unchangeable('creationData.sourceResourceId', {
      target: 'properties.creationData.sourceResourceId',
      expected: source,
      found: given.slice(0, 300),
      remedy: 'Create another snapshot.',
    })
  fields.assertSound()
  const { kept } = snapshot.internal
  const changed = await plane.resources.update<StoredDiskInternal>(snapshot.id, ({ body }) => {
    if (tags !== undefined) body.tags = tags
    if (sku !== undefined) body.sku = { name: sku, tier: sku.split('_')[0] ?? '' }
  })
  if (kept !== undefined && request.method === 'PUT' && snapshot.body.properties['provisioningState'] === 'Failed') {
    const operation = await repeatStored(plane, request, snapshot, kept)
    return accepted(plane, request, snapshot, operation, view(changed ?? snapshot))
  }
  return ok(view(changed ?? snapshot))
}
