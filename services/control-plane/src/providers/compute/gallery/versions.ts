import { Fields } from '../../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import { accepted } from '../../../arm/operations.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Resource, ResourceBody } from '../../../store/resources.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { readSourceUri, withoutSignature } from '../disk/stored/address.ts'
import {
  encryptionOf,
  managedImageType,
  setType,
  snapshotType,
  versionEncryptionTypes,
  versionType,
  type StoredDisk,
  type StoredDiskInternal,
} from '../disk/stored/stored-disk.ts'
import { resolveSource, type CopySource } from '../disk/stored/source.ts'
import { storedHooks } from '../disk/stored/sagas.ts'
import { insertStored, storedFrom, storedOf, repeatStored } from '../disk/stored/write-stored.ts'
import { requireLocation } from '../../../arm/regions.ts'
import { diskType, vmType } from '../vm/model/vm-model.ts'
import { definitionOf } from './definitions.ts'
import { notShared } from './galleries.ts'
import { versionMembers } from './gallery-members.ts'
import { publishingView, readPublishing, type PublishingProfile } from './publishing.ts'
import { regionProblems, sourceProblems } from './version-rules.ts'
import { mostOfVm } from '../size/sizes.ts'

export interface VersionInternal extends StoredDiskInternal {
  publishing: PublishingProfile
}

export type Version = Resource<VersionInternal>

/** What clients see; replication only on request. */
function view(version: Version, expand = ''): Record<string, unknown> {
  const shown = resourceView(version, versionType)
  if (!expand.toLowerCase().includes('replicationstatus')) return shown
  const { publishing } = version.internal
  const done = version.body.properties['provisioningState'] === 'Succeeded'
  const failed = version.body.properties['provisioningState'] === 'Failed'
  const state = done ? 'Completed' : failed ? 'Failed' : 'Replicating'
  return {
    ...shown,
    properties: {
      ...version.body.properties,
      replicationStatus: {
        aggregatedState: done ? 'Completed' : failed ? 'Failed' : 'InProgress',
        summary: publishing.regions.map(({ name }) => ({ region: name, state, details: '', progress: done ? 100 : 0 })),
      },
    },
  }
}

/** Image versions: a disk, stored at the host, that VMs are created from. */
export const versions: ResourceType<VersionInternal> = {
  ...storedHooks,
  spelling: versionType,
  members: versionMembers,
  refersTo: [setType],
  view: (_plane, version, request, listed) => view(version, listed ? '' : request.query['$expand']),
  create,
  change,
}

export async function versionsOf(plane: Plane, definition: Resource): Promise<Version[]> {
  const all = await plane.resources.list<VersionInternal>({ type: versionType, groupId: definition.id })
  return all.filter(({ key }) => key.startsWith(`${definition.key}/versions/`))
}

/** By number, the highest first. */
export const highestFirst = (a: { name: string }, b: { name: string }): number =>
  b.name.localeCompare(a.name, 'en', { numeric: true })

function requireName(fields: Fields, name: string): void {
  const numbers = /^\d{1,10}\.\d{1,10}\.\d{1,10}$/.test(name) ? name.split('.').map(Number) : []
  if (numbers.length === 3 && numbers.every((number) => number <= 2_147_483_647)) return
  fields.invalid('galleryImageVersion.name', `The image version's name '${name.slice(0, 60)}' is invalid.`, {
    expected: 'MAJOR.MINOR.PATCH, each a whole number up to 2147483647',
    found: name.slice(0, 60),
  })
}

async function create(plane: Plane, request: ArmRequest, definition: Resource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const location = requireLocation(fields, fields.text('location') ?? definition.location)
  const tags = fields.textMap('tags')
  requireName(fields, request.params['name'] ?? '')
  if (location !== definition.location)
    fields.invalid('location', 'An image version must be in its image definition’s region.', {
      expected: definition.location,
      found: location,
    })
  const publishing = readPublishing(fields, properties.object('publishingProfile'), location)
  const { kept, source, shown, sourceId } = await readSource(plane, request, fields, properties, location)
  if (kept !== undefined) {
    sourceProblems(fields, { definition: definitionOf(definition), source, kept, sourceId })
    regionProblems(fields, { regions: publishing.regions, home: location, kept })
  }
  const keepsReplicas = properties.object('safetyProfile').flag('allowDeletionOfReplicatedLocations') ?? false
  fields.assertSound()
  if (kept === undefined) throw new TypeError('a version without a source is a problem')
  kept.osState = definitionOf(definition).osState
  if (kept.osState === 'Generalized') delete kept.osProfile
  const body: ResourceBody = {
    ...(tags !== undefined && { tags }),
    properties: {
      publishingProfile: publishingView(publishing, versionEncryption(kept), plane.clock.now().toISOString()),
      storageProfile: {
        ...shown,
        osDiskImage: { sizeInGB: kept.sizeGiB, hostCaching: 'ReadWrite', source: { ...shown['source'] } },
        dataDiskImages: [],
      },
      safetyProfile: {
        reportedForPolicyViolation: false,
        allowDeletionOfReplicatedLocations: keepsReplicas,
      },
      provisioningState: 'Creating',
    },
  }
  const { resource, operation } = await insertStored(plane, request, { location, body, kept, more: { publishing } })
  return { ...accepted(plane, request, resource, operation, view(resource)), status: 201 }
}

const versionEncryption = (kept: StoredDisk): string | undefined => {
  const encryption = encryptionOf(kept)
  return encryption && versionEncryptionTypes[encryption]
}

interface ReadSource {
  kept?: StoredDisk
  source?: CopySource
  sourceId: string
  shown: Record<string, Record<string, unknown>>
}

async function readSource(
  plane: Plane,
  request: ArmRequest,
  fields: Fields,
  properties: Fields,
  location: string,
): Promise<ReadSource> {
  const storage = properties.object('storageProfile')
  const whole = storage.object('source')
  const osDisk = storage.object('osDiskImage').object('source')
  if (whole.has('communityGalleryImageId') || osDisk.has('communityGalleryImageId')) throw notShared()
  if (storage.list('dataDiskImages', mostOfVm).length > 0)
    fields.unsupported(storage.at('dataDiskImages'), 'Image versions cannot contain data disks.', {
      remedy: 'Create snapshots of the data disks.',
    })
  const vmId = whole.text('virtualMachineId')
  const id = vmId ?? whole.text('id') ?? osDisk.text('id')
  const uri = osDisk.text('uri')
  const given = [vmId, whole.text('id'), osDisk.text('id'), uri].filter((each) => each !== undefined)
  if (given.length !== 1) {
    fields.invalid(storage.at('source'), 'An image version has exactly one source.', {
      expected: 'source.virtualMachineId, source.id, osDiskImage.source.id or osDiskImage.source.uri',
      found: String(given.length),
    })
    return { sourceId: '', shown: {} }
  }
  if (id === undefined) {
    const path = osDisk.at('uri')
    const address = await readSourceUri(plane, request, fields, { path, uri })
    const kept = storedFrom(plane, { from: 'uri', uri: address }, { sizeGiB: 1, osType: 'Linux' })
    const bare = withoutSignature(address)
    return { kept, sourceId: bare, shown: { source: { uri: bare } } }
  }
  const target = vmId === undefined ? whole.at('id') : whole.at('virtualMachineId')
  const types = vmId === undefined ? [vmType, diskType, snapshotType, managedImageType, versionType] : [vmType]
  const source = await resolveSource(plane, request, { id, target, location, types })
  const shown = source.type === vmType.toLowerCase() ? { virtualMachineId: source.id } : { id: source.id }
  return { kept: storedOf(plane, source), source, sourceId: source.id, shown: { source: shown } }
}

/** Publishing and tags change; a version's source does not. */
async function change(plane: Plane, request: ArmRequest, version: Version): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const tags = fields.textMap('tags')
  const { kept, publishing } = version.internal
  const next = readPublishing(fields, properties.object('publishingProfile'), version.location, publishing)
  if (kept !== undefined) regionProblems(fields, { regions: next.regions, home: version.location, kept })
  const stored = (version.body.properties['storageProfile'] as { source?: Record<string, string> }).source ?? {}
  const source = properties.object('storageProfile').object('source')
  const given = source.text('virtualMachineId') ?? source.text('id')
  const held = stored['virtualMachineId'] ?? stored['id'] ?? stored['uri'] ?? ''
  if (given !== undefined && given.toLowerCase() !== held.toLowerCase())
    fields.unchangeable('galleryImageVersion.properties.storageProfile.source', {
      target: 'properties.storageProfile.source',
      expected: held,
      found: given.slice(0, 300),
      remedy: 'Create another version.',
    })
  fields.assertSound()
  const shownBefore = version.body.properties['publishingProfile'] as { publishedDate: string }
  const encryption = kept === undefined ? undefined : versionEncryption(kept)
  const changed = await plane.resources.update<VersionInternal>(version.id, ({ body, internal }) => {
    if (tags !== undefined) body.tags = tags
    internal.publishing = next
    body.properties['publishingProfile'] = publishingView(next, encryption, shownBefore.publishedDate)
  })
  const failed = version.body.properties['provisioningState'] === 'Failed'
  if (kept !== undefined && request.method === 'PUT' && failed) {
    const operation = await repeatStored(plane, request, version, kept)
    return accepted(plane, request, version, operation, view(changed ?? version))
  }
  return ok(view(changed ?? version))
}
