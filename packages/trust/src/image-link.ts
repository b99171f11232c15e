import {
  imageText,
  namesImage,
  referenceImageUrn,
  registeredAs,
  type BootFacts,
  type ImageReference,
} from '@strongroom/contract'
import { equal, fromBase64Url, toHex, type TrustAnchors } from '@strongroom/evidence'
import {
  publisherAuthority,
  verifyBootFile,
  verifyImageMeasurements,
  type BootFileDocument,
  type ImageMeasurements,
} from '@strongroom/evidence/expected'
import type { BootPins } from './asked.ts'
import { demand, LinkNotChecked, LinkRefused, short } from './link.ts'
import { variablesLink } from './variables-link.ts'

/** The expected image of a VM, and the source of that expectation. */
export interface AskedImage {
  by: 'creator' | 'resource manager'
  /** Undefined if the VM was created from a disk and not from an image. */
  reference: ImageReference | undefined
  /** Authenticode digest of the boot file that the creator's first trusted boot ran, hexadecimal. */
  bootFile?: string | undefined
  /** Signer of its updates, as that boot reported: `publisherAuthority`, hexadecimal. */
  publisher?: string | undefined
  /** The highest boot-file generation that the creator trusted. */
  generation?: number | undefined
  /** How many updates of Secure Boot variables the boot had that the creator trusted last. */
  variableUpdates?: number | undefined
}

/**
 * The requested image and its measurements, signed by the installation. The registers of the boot are predicted only
 * from that document, not from anything the host reports.
 * @param o.document signed measurements supplied by the verifier, instead of those the host returns
 */
export async function imageLink(
  evidence: BootFacts,
  o: { anchors: TrustAnchors; asked: AskedImage; document?: string | undefined },
): Promise<{ measurements: ImageMeasurements; pins: BootPins; shows: string[] }> {
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
  const ofImage = await verifyImageMeasurements({ jws, keys })
  const { image, measuredAt } = ofImage
  const own = toHex(ofImage.bootFile.loader)
  const { bootFile: pinned, generation = 0 } = o.asked
  demand({
    code: 'AnotherBootFile',
    holds: pinned === undefined || pinned === own,
    message:
      'The image has another boot file than at the first boot of this VM that you trusted. A VM’s image never changes: this is another image.',
    expected: String(pinned),
    actual: own,
  })
  const update = evidence.update && (await verifyUpdate(evidence.update, ofImage, o.asked))
  const variables = await variablesLink(evidence.secureBoot, ofImage, o.asked.variableUpdates)
  const measurements = {
    ...ofImage,
    bootFile: update?.bootFile ?? ofImage.bootFile,
    variables: { ...ofImage.variables, on: variables.measured },
  }
  demand({
    code: 'BootFileSuperseded',
    holds: update !== undefined || generation === 0,
    message:
      'The boot file of the image ran, which an update superseded for security: a boot that you trusted ran that update.',
    expected: `generation ${generation} or later`,
    actual: 'generation 0, of the image itself',
  })
  const { authority } = ofImage.variables.on
  const ran = update?.generation ?? 0
  return {
    measurements,
    pins: {
      bootFile: own,
      ...(authority !== undefined && { publisher: toHex(authority) }),
      ...(ran > 0 && { generation: ran }),
      ...(variables.updates > 0 && { variableUpdates: variables.updates }),
    },
    shows: [
      `image ${image.id} (${image.name} ${image.version}): ${meaning(o.asked, measurements)}`,
      `measurements, boot file ${short(own)}, signed by a pinned key, measured ${measuredAt.toISOString()}${o.document === undefined ? '' : ', as you passed it'}`,
      ...(pinned === undefined ? [] : ['the boot file of the first boot that you trusted']),
      ...(update === undefined
        ? []
        : [
            `an update of it ran: kernel ${update.release}, generation ${update.generation}, boot file ${short(toHex(update.bootFile.loader))}, signed by the image’s publisher on ${update.builtAt.toISOString()}`,
          ]),
      ...variables.shows,
    ],
  }
}

/**
 * Only the image's publisher may update the boot file: the key that signed the image's own boot file for Secure Boot,
 * according to the image's measurements.
 */
async function verifyUpdate(
  update: NonNullable<BootFacts['update']>,
  { image, variables }: ImageMeasurements,
  { bootFile, publisher, generation = 0 }: AskedImage,
): Promise<BootFileDocument> {
  const certificate = fromBase64Url(update.certificate)
  const authority = await publisherAuthority(certificate)
  const { authority: expected } = variables.on
  demand({
    code: 'AnotherPublisher',
    holds: expected !== undefined && equal(authority, expected),
    message: 'The boot file that ran is not signed by the image’s publisher.',
    expected: expected === undefined ? 'an image with a publisher' : toHex(expected),
    actual: toHex(authority),
  })
  // The signer of measurements could name another publisher for the same boot file.
  demand({
    code: 'AnotherPublisher',
    holds: bootFile === undefined || publisher === toHex(authority),
    message: 'The boot file that ran is not signed by the publisher of the first boot of this VM that you trusted.',
    expected: publisher ?? 'an image with a publisher',
    actual: toHex(authority),
  })
  const document = await verifyBootFile({ jws: update.document, certificate })
  demand({
    code: 'AnotherImage',
    // A captured disk has its own name; the paravisor compares it with the image that its boot file names.
    holds: document.image === image.name || image.source === 'capture',
    message: 'The boot file that ran is an update of another image.',
    expected: image.name,
    actual: document.image,
  })
  demand({
    code: 'BootFileSuperseded',
    holds: document.generation >= generation,
    message: 'The boot file that ran was superseded for security: a boot that you trusted ran a later one.',
    expected: `generation ${generation} or later`,
    actual: `generation ${document.generation}`,
  })
  return document
}

const words = { creator: 'the request recorded when this VM was created here', 'resource manager': 'the resource manager’s record' } // prettier-ignore

/** Whether the image is the requested one, in words. @throws LinkRefused */
function meaning({ by, reference }: AskedImage, { image }: ImageMeasurements): string {
  const whose = `according to ${words[by]}`
  if (reference !== undefined && namesImage(reference, image)) return `${imageText(reference)} ${whose}`
  // No name identifies a disk's image: the host alone reports which disk a gallery version holds.
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
