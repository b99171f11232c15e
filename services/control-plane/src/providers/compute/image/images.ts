import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  imageText,
  namesImage,
  referenceImageUrn,
  registeredAs,
  registeredName,
  sameVersion,
  urnOf,
  type ImageRecord,
  type ImageReference,
  type Urn,
} from '@strongroom/contract'
import type { Fields, Problem, SettledProblem } from '../../../arm/fields.ts'
import type { Plane } from '../../../types/plane.ts'
import { isComputeImage, resolveGalleryImage } from '../gallery/gallery-images.ts'
import { imageTarget, type ResolvedImage } from './resolved/resolved-image.ts'

export function readImageReference(fields: Fields): ImageReference | undefined {
  const id = fields.text('id')
  if (id !== undefined) return { id }
  const [publisher, offer, sku] = [fields.text('publisher'), fields.text('offer'), fields.text('sku')]
  const version = fields.text('version') ?? 'latest'
  return publisher === undefined || offer === undefined || sku === undefined
    ? undefined
    : { publisher, offer, sku, version }
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
const newestFirst = (a: ImageRecord, b: ImageRecord): number => b.builtAt.localeCompare(a.builtAt)

/** Linux images that Azure's marketplace offers for confidential VMs, as scripts name them. */
const azureUrns = JSON.parse(readFileSync(join(import.meta.dirname, 'azure-images.json'), 'utf8')) as Omit<
  Urn,
  'version'
>[]

/** The operator's image of that name, else the reference image as a substitute. */
function forAzure(
  urn: Omit<Urn, 'version'>,
  all: ImageRecord[],
): { image: ImageRecord; standsIn: boolean } | undefined {
  const own = all.filter((record) => registeredAs(urn, record))
  const image = own.toSorted(newestFirst)[0]
  if (image !== undefined) return { image, standsIn: false }
  const reference = all.filter(({ source }) => source === 'reference').toSorted(newestFirst)[0]
  return reference === undefined ? undefined : { image: reference, standsIn: true }
}

/** Everything the marketplace lists. */
export function marketOf(all: ImageRecord[], o: { strict: boolean }): { image: ImageRecord; urn: Urn }[] {
  const azure = azureUrns.flatMap((urn) => {
    const found = forAzure(urn, all)
    if (found === undefined || (o.strict && found.standsIn)) return []
    return [{ image: found.image, urn: { ...urn, version: found.image.version } }]
  })
  return [...all.map((image) => ({ image, urn: urnOf(image) })), ...azure]
}

/** Lists what is available, for a request for something that is not: one sentence. */
export function whatThereIs(all: ImageRecord[], o: { strict: boolean }): string {
  const urns = [...new Set(marketOf(all, o).map(({ urn }) => imageText({ ...urn, version: 'latest' })))]
  return urns.length === 0
    ? 'There is no image yet: build the reference image with `strongroom image build`.'
    : `Images of this installation: ${urns.slice(0, 10).join(', ')}.`
}

const isReference = (image: ImageReference): boolean =>
  !('id' in image) && same(image.publisher, referenceImageUrn.publisher) && same(image.offer, referenceImageUrn.offer)

/** The image, or the problem why there is none. `strict`: no substitutes. */
export async function resolveImage(
  plane: Plane,
  image: ImageReference,
  o: { strict: boolean; location: string },
): Promise<ResolvedImage | { problem: Problem }> {
  if ('id' in image && isComputeImage(image.id)) return await resolveGalleryImage(plane, image.id, o.location)
  const all = await plane.host.images()
  const found = all.filter((record) => namesImage(image, record)).toSorted(newestFirst)[0]
  if (found !== undefined) return { image: found }
  const azure =
    'id' in image
      ? undefined
      : azureUrns.find(
          (urn) => same(urn.publisher, image.publisher) && same(urn.offer, image.offer) && same(urn.sku, image.sku),
        )
  const named = azure === undefined ? undefined : forAzure(azure, all)
  if (named !== undefined && !('id' in image) && sameVersion(image, named.image)) {
    if (!named.standsIn) return { image: named.image }
    if (!o.strict) {
      const own = imageText({ ...urnOf(named.image) })
      return {
        image: named.image,
        notice: `The image ${imageText(image)} is not registered in this installation; the reference image ${own} stands in for it.`,
      }
    }
  }
  const instead = whatThereIs(all, o)
  return {
    problem: azure === undefined ? missing(image, instead) : unregistered(image, registeredName(azure), instead),
  }
}

function missing(image: ImageReference, instead: string): SettledProblem {
  const target = imageTarget
  if (isReference(image)) {
    return {
      code: 'ImageNotBuilt',
      message: 'The reference image is not built yet.',
      target,
      found: imageText(image),
      remedy: 'Build it once with `strongroom image build`.',
    }
  }
  return {
    code: 'PlatformImageNotFound',
    message: `The platform image '${imageText(image)}' is not available. ${instead}`,
    target,
    expected: 'an image that `strongroom image list` shows',
    found: imageText(image),
    remedy: 'Use Strongroom:debian-13:cvm:latest, or import an image with `strongroom image import`.',
  }
}

const unregistered = (image: ImageReference, name: string, instead: string): Problem => ({
  ...missing(image, instead),
  code: 'PlatformImageNotFound',
  message: `The platform image '${imageText(image)}' is not available: no image is registered under its name. ${instead}`,
  expected: `an image that was imported under the name ${name}`,
  remedy: `Import it: strongroom image import DISK --name ${name}`,
})
