import { ServiceError } from '@strongroom/platform'
import { notAllowed } from '../../../arm/refusals.ts'
import { faqRule } from '../../../arm/faq-rule.ts'
import type { Fields } from '../../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import { accepted } from '../../../arm/operations.ts'
import type { Plane } from '../../../types/plane.ts'
import { readPut } from '../../../types/creation.ts'
import { members, only } from '../../../types/members.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { retag } from '../../../types/retag.ts'
import { diskType, vmType } from '../vm/model/vm-model.ts'
import { readSourceUri, withoutSignature } from '../disk/stored/address.ts'
import {
  managedImageType,
  setType,
  snapshotType,
  type StoredDisk,
  type StoredDiskInternal,
  type StoredDiskResource,
} from '../disk/stored/stored-disk.ts'
import { resolveSource } from '../disk/stored/source.ts'
import { storedHooks } from '../disk/stored/sagas.ts'
import { insertStored, storedFrom, storedOf } from '../disk/stored/write-stored.ts'
import { mostOfVm } from '../size/sizes.ts'

const view = (image: StoredDiskResource): Record<string, unknown> => resourceView(image, managedImageType)

/**
 * Managed images: generalised disks outside any gallery. Not from a confidential VM, because a managed image has no
 * place for its guest state; only from disks without guest state. Gallery versions are created from them.
 */
export const managedImages: ResourceType<StoredDiskInternal> = {
  ...storedHooks,
  spelling: managedImageType,
  members: members(
    {},
    {
      sourceVirtualMachine: { id: 'fixed' },
      hyperVGeneration: only('V2'),
      storageProfile: {
        osDisk: {
          osType: 'fixed',
          osState: 'fixed',
          managedDisk: { id: 'fixed' },
          snapshot: { id: 'fixed' },
          blobUri: 'fixed',
          caching: 'fixed',
        },
        dataDisks: 'fixed',
        zoneResilient: 'fixed',
      },
    },
  ),
  refersTo: [setType],
  movable: true,
  create: async (plane, request, group) => await create(plane, request, group.location),
  change: async (plane, request, image) => ok(view(await retag(plane, request, image))),
}

const sourcesOf = (vmId: string | undefined, disk: Fields): string[] => [
  vmId === undefined ? '' : 'properties.sourceVirtualMachine',
  ...['managedDisk', 'snapshot', 'blobUri'].map((name) => (disk.has(name) ? disk.at(name) : '')),
]

async function create(plane: Plane, request: ArmRequest, groupLocation: string): Promise<ArmReply> {
  const { fields, properties, location, tags } = readPut(request, groupLocation)
  const vmId = properties.object('sourceVirtualMachine').text('id')
  const disk = properties.object('storageProfile').object('osDisk')
  const osState = disk.oneOf('osState', ['Generalized', 'Specialized']) ?? 'Generalized'
  if (disk.oneOf('osType', ['Linux', 'Windows']) === 'Windows')
    fields.unsupported(disk.at('osType'), 'Windows guests are not offered.', {})
  if (properties.object('storageProfile').list('dataDisks', mostOfVm).length > 0)
    fields.unsupported('properties.storageProfile.dataDisks', 'Images cannot contain data disks.', {
      remedy: 'Create snapshots of the data disks.',
    })
  requireOneSource(fields, sourcesOf(vmId, disk))
  let kept: StoredDisk | undefined
  const managed = vmId ?? disk.object('managedDisk').text('id') ?? disk.object('snapshot').text('id')
  const blobUri = disk.text('blobUri')
  if (managed !== undefined) {
    const target = vmId === undefined ? disk.at('managedDisk.id') : 'properties.sourceVirtualMachine.id'
    const types = vmId === undefined ? [diskType, snapshotType] : [vmType]
    const source = await resolveSource(plane, request, { id: managed, target, location, types })
    if (source.guest !== undefined || source.stateless === true) throw secured(source.id, 'ConfidentialVM')
    if (source.trustedLaunch === true) throw secured(source.id, 'TrustedLaunch')
    if (vmId !== undefined && source.osState !== 'Generalized') throw notGeneralized(source.id)
    kept = storedOf(plane, source)
  } else if (blobUri !== undefined) {
    const uri = await readSourceUri(plane, request, fields, { path: disk.at('blobUri'), uri: blobUri })
    kept = storedFrom(plane, { from: 'uri', uri }, { sizeGiB: 1 })
  } else {
    fields.invalid(disk.at('managedDisk'), 'The image has no source.', {
      expected: 'sourceVirtualMachine, or an osDisk with managedDisk, snapshot or blobUri',
      found: 'none',
    })
  }
  const caching = disk.oneOf('caching', ['None', 'ReadOnly', 'ReadWrite']) ?? 'ReadWrite'
  const zoneResilient = properties.object('storageProfile').flag('zoneResilient') ?? false
  fields.assertSound()
  if (kept === undefined) throw new TypeError('an image without a source is a problem')
  kept.osType = 'Linux'
  kept.osState = osState
  const body = {
    ...(tags !== undefined && { tags }),
    properties: {
      ...(vmId !== undefined && { sourceVirtualMachine: { id: vmId } }),
      storageProfile: {
        osDisk: {
          osType: 'Linux',
          osState,
          caching,
          ...(managed !== undefined && vmId === undefined && { managedDisk: { id: managed } }),
          ...(blobUri !== undefined && { blobUri: withoutSignature(blobUri) }),
        },
        dataDisks: [],
        zoneResilient,
      },
      hyperVGeneration: 'V2',
      provisioningState: 'Creating',
    },
  }
  const { resource, operation } = await insertStored(plane, request, { location, body, kept })
  return { ...accepted(plane, request, resource, operation, view(resource)), status: 201 }
}

/** @param named the sources in a request; '' for none */
function requireOneSource(fields: Fields, named: readonly string[]): void {
  const given = named.filter((name) => name !== '')
  if (given.length > 1)
    fields.invalid(given[1]!, 'An image has one source.', {
      expected: 'one of sourceVirtualMachine, managedDisk, snapshot and blobUri',
      found: given.join(', '),
    })
}

const secured = (id: string, type: string): ServiceError =>
  notAllowed(`Creation of managed images are not supported for virtual machine with ${type} security type.`, {
    target: 'properties.sourceVirtualMachine.id',
    expected: 'a source without security data',
    found: id,
    remedy: `Capture it into a gallery: az sig image-version create, in an image definition with the feature SecurityType=${type}.`,
    details: [faqRule('S13')],
  })

const notGeneralized = (id: string): ServiceError =>
  notAllowed(`The source virtual machine '${id}' is not generalized, so no managed image can be created from it.`, {
    target: 'properties.sourceVirtualMachine.id',
    expected: 'a generalized VM',
    found: 'a specialized VM',
    remedy: 'Deprovision the guest, deallocate the VM, then az vm generalize.',
  })
