import type { GuestIdentity } from '@strongroom/contract'
import type { Fields } from '../../../arm/fields.ts'
import { checkDiskSecurity } from './stored/security-profile.ts'
import type { ArmReply, ArmRequest } from '../../../arm/request.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Json } from '../../../store/resources.ts'
import { imageLinks } from '../image/image-links.ts'
import { readImageReference, resolveImage } from '../image/images.ts'
import { readPut } from '../../../types/creation.ts'
import { diskType } from '../vm/model/vm-model.ts'
import { diskSkus } from './disk-skus.ts'
import { copiedFrom, guestBehind, idOfAddress, readSourceUri, withoutSignature } from './stored/address.ts'
import { diskBody } from './stored/disk-body.ts'
import { refuseCustomerKey, refuseOtherSources, refuseRestore } from './disk-members.ts'
import { readDiskSize } from './disk-size.ts'
import {
  managedImageType,
  snapshotType,
  versionType,
  type StoredDisk,
  type StoredDiskResource,
} from './stored/stored-disk.ts'
import { resolveSource } from './stored/source.ts'
import { accepted } from '../../../arm/operations.ts'
import { insertStored, storedFrom, storedOf } from './stored/write-stored.ts'

const options = [
  'Copy',
  'FromImage',
  'Import',
  'ImportSecure',
  'Upload',
  'UploadPreparedSecure',
  'Empty',
  'Restore',
] as const

/** PUT of a disk with content: a copy, an image, an import or an upload. */
export async function createFilledDisk(
  plane: Plane,
  request: ArmRequest,
  groupLocation: string,
  view: (disk: StoredDiskResource) => Record<string, unknown>,
): Promise<ArmReply> {
  const { fields, properties, location, tags } = readPut(request, groupLocation)
  const creation = properties.object('creationData')
  const sku = fields.object('sku').oneOf('name', diskSkus) ?? 'Premium_LRS'
  refuseCustomerKey(properties)
  refuseOtherSources(creation)
  const { kept, creationData } = await readCreation(plane, request, { fields, properties, creation, location })
  const sizeGiB = readDiskSize(properties)
  if (kept !== undefined && sizeGiB !== undefined && sizeGiB !== kept.sizeGiB && kept.source.from !== 'uri')
    fields.invalid(properties.at('diskSizeGB'), 'A disk created from another has the same size.', {
      expected: String(kept.sizeGiB),
      found: String(sizeGiB),
      remedy: 'Leave diskSizeGB out.',
    })
  checkDiskSecurity(fields, properties, kept, creation.text('createOption') ?? '')
  fields.assertSound()
  if (kept === undefined) throw new TypeError('a disk without a source is a problem')
  const body = diskBody(plane, { kept, sku, tags, creationData })
  const { resource, operation } = await insertStored(plane, request, { location, body, kept })
  return accepted(plane, request, resource, operation, view(resource))
}

interface Creation {
  fields: Fields
  properties: Fields
  creation: Fields
  location: string
}

async function readCreation(
  plane: Plane,
  request: ArmRequest,
  c: Creation,
): Promise<{ kept?: StoredDisk; creationData: Json }> {
  const { fields, creation } = c
  const option = creation.oneOf('createOption', options)
  const osType = readOsType(c)
  switch (option) {
    case 'Copy': {
      const id = copiedFrom(creation) ?? missing(fields, creation.at('sourceResourceId'))
      if (id === '') return { creationData: {} }
      const target = creation.at('sourceResourceId')
      const types = [diskType, snapshotType]
      const source = await resolveSource(plane, request, { id, target, location: c.location, types })
      return { kept: storedOf(plane, source), creationData: { createOption: option, sourceResourceId: source.id } }
    }
    case 'FromImage':
      return await fromImage(plane, request, c)
    case 'Import':
      return await importPlain(plane, request, c, osType)
    case 'ImportSecure': {
      const uri = await readSourceUri(plane, request, fields, {
        path: creation.at('sourceUri'),
        uri: creation.text('sourceUri'),
      })
      const path = creation.at('securityDataUri')
      const guestStateUri = creation.text('securityDataUri') ?? missing(fields, path)
      const id = idOfAddress(guestStateUri)
      const guest = guestStateUri === '' ? undefined : await guestBehind(plane, request, fields, { path, id })
      return {
        ...secure(plane, { from: 'uri', uri, guestStateUri }, guest),
        creationData: {
          createOption: option,
          sourceUri: withoutSignature(uri),
          ...accountOf(creation),
          securityDataUri: withoutSignature(guestStateUri),
        },
      }
    }
    case 'Upload':
    case 'UploadPreparedSecure': {
      const bytes = creation.integer('uploadSizeBytes', 1, 32_767 * 2 ** 30 + 512) ?? 0
      if (bytes % 512 !== 0 || bytes < 20 * 2 ** 20)
        fields.invalid(creation.at('uploadSizeBytes'), 'The size of the upload is not that of a fixed VHD.', {
          expected: 'whole sectors of 512 bytes, the VHD footer included; at least 20 MiB',
          found: String(bytes),
          remedy: 'Give the length of the VHD file.',
        })
      const withGuestState = option === 'UploadPreparedSecure'
      const sizeGiB = Math.max(1, Math.ceil((bytes - 512) / 2 ** 30))
      return {
        kept: storedFrom(
          plane,
          { from: 'upload', bytes, withGuestState },
          { sizeGiB, ...(withGuestState ? { osType: 'Linux' } : osType) },
        ),
        creationData: { createOption: option, uploadSizeBytes: bytes },
      }
    }
    case 'Restore':
      refuseRestore(creation)
      return { creationData: {} }
    case 'Empty':
    case undefined:
      if (creation.has('createOption') && option === undefined) return { creationData: {} }
      fields.invalid(creation.at('createOption'), 'The disk cannot be created this way.', {
        expected: 'Empty, Copy, FromImage, Import, ImportSecure, Upload or UploadPreparedSecure',
        found: option ?? 'null',
      })
      return { creationData: {} }
  }
}

/** The storage account of the blob, as the client names it: shown again, since the address alone is read. */
function accountOf(creation: Fields): { storageAccountId?: string } {
  const storageAccountId = creation.text('storageAccountId')
  return storageAccountId === undefined ? {} : { storageAccountId }
}

async function importPlain(
  plane: Plane,
  request: ArmRequest,
  { fields, creation }: Creation,
  osType: ReturnType<typeof readOsType>,
): Promise<{ kept: StoredDisk; creationData: Json }> {
  if (creation.has('securityDataUri'))
    creation.unsupported(creation.at('securityDataUri'), 'A disk with guest state is imported by ImportSecure.', {
      expected: 'no securityDataUri',
      found: 'one',
      remedy: 'Use createOption ImportSecure.',
    })
  const uri = await readSourceUri(plane, request, fields, {
    path: creation.at('sourceUri'),
    uri: creation.text('sourceUri'),
  })
  return {
    kept: storedFrom(plane, { from: 'uri', uri }, { sizeGiB: 1, ...osType }),
    creationData: { createOption: 'Import', sourceUri: withoutSignature(uri), ...accountOf(creation) },
  }
}

function secure(plane: Plane, source: StoredDisk['source'], guest: GuestIdentity | undefined): { kept?: StoredDisk } {
  return guest === undefined
    ? {}
    : { kept: storedFrom(plane, source, { sizeGiB: 1, osType: 'Linux', guestOfSource: guest }) }
}

function readOsType(c: Creation): { osType?: 'Linux' } {
  const osType = c.properties.oneOf('osType', ['Linux', 'Windows'])
  if (osType === 'Windows')
    c.fields.unsupported(c.properties.at('osType'), 'Windows guests are not offered.', {
      expected: 'Linux',
      remedy: 'Use a Linux disk.',
    })
  return osType === 'Linux' ? { osType } : {}
}

async function fromImage(
  plane: Plane,
  request: ArmRequest,
  c: Creation,
): Promise<{ kept?: StoredDisk; creationData: Json }> {
  const { creation, fields, location } = c
  const gallery = creation.object('galleryImageReference').text('id')
  const reference = creation.object('imageReference')
  const target = gallery === undefined ? creation.at('imageReference') : creation.at('galleryImageReference.id')
  const market = marketReference(reference.text('id') ?? '')
  const named = market ?? readImageReference(reference)
  if (gallery !== undefined || (named !== undefined && 'id' in named && /\/Microsoft\.Compute\//i.test(named.id))) {
    const id = gallery ?? (named as { id: string }).id
    const source = await resolveSource(plane, request, { id, target, location, types: [versionType, managedImageType] })
    const creationData = { createOption: 'FromImage', galleryImageReference: { id: source.id } }
    return { kept: storedOf(plane, source), creationData }
  }
  if (named === undefined) {
    missing(fields, target)
    return { creationData: {} }
  }
  const resolved = await resolveImage(plane, named, { strict: plane.strictImages, location })
  const links = imageLinks(plane, named, 'problem' in resolved ? undefined : resolved)
  await plane.access.requireLinked(request.caller, request.path, links)
  if ('problem' in resolved) {
    fields.problem({ ...resolved.problem, target })
    return { creationData: {} }
  }
  const { image } = resolved
  const sizeGiB = Math.ceil(image.sizeBytes / 2 ** 30)
  const kept = storedFrom(plane, { from: 'image', image: image.id }, { sizeGiB, osType: 'Linux' })
  kept.osState = 'Generalized'
  return { kept, creationData: { createOption: 'FromImage', imageReference: named } }
}

/** az names platform images by their path: …/Publishers/P/ArtifactTypes/VMImage/Offers/O/Skus/S/Versions/V. */
function marketReference(id: string): { publisher: string; offer: string; sku: string; version: string } | undefined {
  const match =
    /\/publishers\/([^/]+)\/artifacttypes\/vmimage\/offers\/([^/]+)\/skus\/([^/]+)\/versions\/([^/]+)$/i.exec(id)
  const [, publisher, offer, sku, version] = match ?? []
  if (publisher === undefined || offer === undefined || sku === undefined || version === undefined) return undefined
  return { publisher, offer, sku, version }
}

function missing(fields: Fields, target: string): '' {
  fields.missing(target.replace(/^properties\./, ''), target)
  return ''
}
