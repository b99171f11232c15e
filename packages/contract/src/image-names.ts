import { importedImageOffer, referenceImageUrn } from './arm.ts'
import type { ImageRecord } from './host.ts'

/** The image of a record, or of a signed document of measurements. */
export type ImageIdentity = Pick<ImageRecord, 'id' | 'name' | 'version' | 'source'>

export interface Urn {
  publisher: string
  offer: string
  sku: string
  version: string
}

/** As the client names it: a four-part URN, or the id of an image of this installation. */
export type ImageReference = { id: string } | Urn

export const imageText = (image: ImageReference): string =>
  'id' in image ? image.id : [image.publisher, image.offer, image.sku, image.version].join(':')

/** The image's own publisher, offer and SKU. */
export const urnOf = (image: ImageIdentity): Urn =>
  image.source === 'reference'
    ? { ...referenceImageUrn, version: image.version }
    : { publisher: referenceImageUrn.publisher, offer: importedImageOffer, sku: image.id, version: image.version }

/** The name under which to import an image so that Azure's URN refers to it, for example ubuntu-24_04-lts.cvm */
export const registeredName = (urn: Omit<Urn, 'version'>): string => `${urn.offer}.${urn.sku}`

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** `latest` means any version. */
export const sameVersion = (image: Urn, record: ImageIdentity): boolean =>
  same(image.version, 'latest') || same(image.version, record.version)

/** Whether a reference names this image by its own names: its id, or the URN of an image of this installation. */
export function namesImage(reference: ImageReference, record: ImageIdentity): boolean {
  if ('id' in reference) {
    const name = /\/providers\/Strongroom\.Machine\/images\/([^/]+)$/i.exec(reference.id)?.[1]
    return name !== undefined && (same(record.id, name) || same(record.name, name))
  }
  const urn = urnOf(record)
  const sku = same(urn.sku, reference.sku) || (record.source === 'import' && same(record.name, reference.sku))
  return (
    same(urn.publisher, reference.publisher) &&
    same(urn.offer, reference.offer) &&
    sku &&
    sameVersion(reference, record)
  )
}

/** Whether another publisher's URN refers to this image: one imported under its registered name. */
export const registeredAs = (urn: Omit<Urn, 'version'>, record: ImageIdentity): boolean =>
  record.source === 'import' && same(record.name, registeredName(urn))
