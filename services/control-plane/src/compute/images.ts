import { importedImageOffer, referenceImageUrn, type ImageRecord } from '@strongroom/contract'
import type { Fields, Problem } from '../arm/fields.ts'
import type { Machine } from '../machine/machine.ts'

/** As the client names it: a URN in four parts, or the id of an image of this installation. */
export type ImageReference = { id: string } | { publisher: string; offer: string; sku: string; version: string }

export function readImageReference(fields: Fields): ImageReference | undefined {
  const id = fields.text('id')
  if (id !== undefined) return { id }
  const [publisher, offer, sku] = [fields.text('publisher'), fields.text('offer'), fields.text('sku')]
  const version = fields.text('version') ?? 'latest'
  return publisher === undefined || offer === undefined || sku === undefined
    ? undefined
    : { publisher, offer, sku, version }
}

export const imageText = (image: ImageReference): string =>
  'id' in image ? image.id : [image.publisher, image.offer, image.sku, image.version].join(':')

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
const newestFirst = (a: ImageRecord, b: ImageRecord): number => b.builtAt.localeCompare(a.builtAt)

/** Publisher, offer and SKU under which an image is found in the market place's listing. */
export const urnOf = (image: ImageRecord): { publisher: string; offer: string; sku: string; version: string } =>
  image.source === 'reference'
    ? { ...referenceImageUrn, version: image.version }
    : { publisher: referenceImageUrn.publisher, offer: importedImageOffer, sku: image.id, version: image.version }

export const isReference = (image: ImageReference): boolean =>
  !('id' in image) && same(image.publisher, referenceImageUrn.publisher) && same(image.offer, referenceImageUrn.offer)

function candidates(image: ImageReference, all: ImageRecord[]): ImageRecord[] {
  if ('id' in image) {
    const name = /\/providers\/Strongroom\.Machine\/images\/([^/]+)$/i.exec(image.id)?.[1]
    return all.filter((record) => name !== undefined && (same(record.id, name) || same(record.name, name)))
  }
  return all.filter((record) => {
    const urn = urnOf(record)
    const sku = same(urn.sku, image.sku) || (record.source === 'import' && same(record.name, image.sku))
    const version = same(image.version, 'latest') || same(image.version, urn.version)
    return same(urn.publisher, image.publisher) && same(urn.offer, image.offer) && sku && version
  })
}

/** The image, or the problem why there is none. */
export async function resolveImage(
  machine: Machine,
  image: ImageReference,
): Promise<{ image: ImageRecord } | { problem: Problem }> {
  const found = candidates(image, await machine.images()).toSorted(newestFirst)[0]
  if (found !== undefined) return { image: found }
  if (isReference(image)) {
    return {
      problem: {
        code: 'ImageNotBuilt',
        status: 409,
        message: 'The reference image is not built yet.',
        target: 'properties.storageProfile.imageReference',
        found: imageText(image),
        remedy: 'Build it once with `strongroom image build`.',
      },
    }
  }
  return {
    problem: {
      code: 'PlatformImageNotFound',
      status: 404,
      message: `The platform image '${imageText(image)}' is not available. Verify that all fields in the storage profile are correct.`,
      target: 'properties.storageProfile.imageReference',
      expected: 'an image that `strongroom image list` shows',
      found: imageText(image),
      remedy: 'Use Strongroom:debian-13:cvm:latest, or import an image with `strongroom image import`.',
    },
  }
}
