import {
  imageText,
  namesImage,
  referenceImageUrn,
  registeredAs,
  type BootFacts,
  type ImageReference,
} from '@strongroom/contract'
import { toHex, type TrustAnchors } from '@strongroom/evidence'
import { verifyImageMeasurements, type ImageMeasurements } from '@strongroom/evidence/expected'
import { demand, LinkNotChecked, LinkRefused, short } from './link.ts'

/** The expected image of a VM, and the source of that expectation. */
export interface AskedImage {
  by: 'creator' | 'resource manager'
  /** Undefined where the VM was made of a disk and not of an image. */
  reference: ImageReference | undefined
  /** Authenticode digest of the boot file that the creator's first trusted boot ran, hexadecimal. */
  bootFile?: string | undefined
}

/**
 * The requested image and its measurements, signed by the installation. The registers of the boot are predicted only
 * from that document, not from anything the host reports.
 * @param o.document signed measurements supplied by the verifier, instead of those the host returns
 */
export async function imageLink(
  evidence: BootFacts,
  o: { anchors: TrustAnchors; asked: AskedImage; document?: string | undefined },
): Promise<{ measurements: ImageMeasurements; shows: string[] }> {
  const keys = o.anchors.images ?? []
  if (keys.length === 0)
    throw new LinkNotChecked(
      'The anchors contain no key that signs image measurements: start the server once to rewrite anchors.json.',
    )
  const jws = o.document ?? evidence.measurements
  if (jws === undefined)
    throw new LinkNotChecked(
      'The host did not keep the measurements of this boot’s image: restart the VM, or pass them with --measurements (strongroom image measurements).',
    )
  const measurements = await verifyImageMeasurements({ jws, keys })
  const { image, bootFile, measuredAt } = measurements
  const loader = toHex(bootFile.loader)
  const { bootFile: pinned } = o.asked
  demand({
    code: 'AnotherBootFile',
    holds: pinned === undefined || pinned === loader,
    message:
      'The image has another boot file than at the first boot of this VM that you trusted. A VM’s image never changes: this is another image.',
    expected: String(pinned),
    actual: loader,
  })
  return {
    measurements,
    shows: [
      `image ${image.id} (${image.name} ${image.version}): ${meaning(o.asked, measurements)}`,
      `measurements, boot file ${short(loader)}, signed by a pinned key, measured ${measuredAt.toISOString()}${o.document === undefined ? '' : ', as you passed it'}`,
      ...(pinned === undefined ? [] : ['the boot file of the first boot that you trusted']),
    ],
  }
}

const words = { creator: 'the request recorded when this VM was created here', 'resource manager': 'the resource manager’s record' } // prettier-ignore

/** Whether the image is what was asked for, in words. @throws LinkRefused */
function meaning({ by, reference }: AskedImage, { image }: ImageMeasurements): string {
  const whose = `according to ${words[by]}`
  if (reference !== undefined && namesImage(reference, image)) return `${imageText(reference)} ${whose}`
  // A disk's image has no name that means it: which disk a gallery's version holds is the machine's word.
  if (image.source === 'capture' && (reference === undefined || isGallery(reference)))
    return `captured from a disk, ${reference === undefined ? 'from which the VM was created' : imageText(reference)} ${whose}`
  if (reference !== undefined && !('id' in reference) && !isOwn(reference)) {
    if (registeredAs(reference, image)) return `registered as ${imageText(reference)}, ${whose}`
    if (image.source === 'reference') return `the reference image, standing in for ${imageText(reference)}, ${whose}`
  }
  throw new LinkRefused({
    code: 'AnotherImage',
    message: `The VM was created from another image than the one whose measurements the host returned (${whose}).`,
    expected: reference === undefined ? 'an image captured from a disk' : imageText(reference),
    actual: `${image.id} (${image.source})`,
  })
}

const isOwn = (reference: ImageReference): boolean =>
  !('id' in reference) && reference.publisher.toLowerCase() === referenceImageUrn.publisher.toLowerCase()

const isGallery = (reference: ImageReference): boolean =>
  'id' in reference && /\/providers\/Microsoft\.Compute\/(galleries|images)\//i.test(reference.id)
