import {
  imageText,
  namesImage,
  referenceImageUrn,
  registeredAs,
  type BootFacts,
  type ImageReference,
} from '@strongroom/contract'
import { fromBase64Url, toHex, type TrustAnchors } from '@strongroom/evidence'
import type { BootFile, BootFileDocument, ImageMeasurements } from '@strongroom/evidence/expected'
import type { KnownAsked } from '../provenance/asked.ts'
import { derive, same, type Known } from '../provenance/known.ts'
import { LinkNotChecked, LinkRefused, short, type Proof } from '../provenance/link.ts'
import type { AskedImage, BootPins } from '../provenance/request.ts'
import { signedBootFile, signedMeasurements } from '../provenance/signed.ts'
import { verifiedVariables } from '../provenance/variables.ts'

type Asked = Pick<KnownAsked, 'image' | 'bootFile' | 'publisher' | 'generation' | 'variableUpdates'>

/**
 * The requested image and its measurements, signed by the installation. The registers of the boot are predicted only
 * from that document, not from anything the host reports.
 * @param o.document signed measurements supplied by the verifier, instead of those the host returns
 */
export async function imageLink(
  evidence: Pick<BootFacts, 'measurements' | 'update' | 'secureBoot'>,
  o: { anchors: TrustAnchors; asked: Asked; document?: string | undefined; proof: Proof },
): Promise<{ measurements: Known<ImageMeasurements>; pins: Known<BootPins> }> {
  const { anchors, asked, proof } = o
  if ((anchors.images ?? []).length === 0)
    throw new LinkNotChecked(
      'The anchors contain no key that signs image measurements: start the server once to rewrite anchors.json.',
    )
  // Who signed the document decides, not who brought it.
  const jws = o.document ?? evidence.measurements
  if (jws === undefined)
    throw new LinkNotChecked(
      'The host did not keep the measurements of this boot’s image: restart the VM, or pass them with ' +
        '--measurements (strongroom image measurements).',
    )
  const ofImage = await signedMeasurements(jws, anchors)
  const own = ofImage.map(loaderOf)
  const pinned = asked.bootFile
  if (pinned !== undefined)
    proof.demand({
      code: 'AnotherBootFile',
      holds: same(own, pinned),
      message:
        'The image has another boot file than at the first boot of this VM that you trusted. A VM’s image never ' +
        'changes: this is another image.',
      expected: pinned.value,
      actual: own.value,
    })
  const update = evidence.update && (await verifyUpdate(evidence.update, { ofImage, asked, proof }))
  if (update === undefined)
    proof.demand({
      code: 'BootFileSuperseded',
      holds: asked.generation.map((generation) => generation === 0),
      message:
        'The boot file of the image ran, which an update superseded for security: a boot that you trusted ran that update.',
      expected: `generation ${asked.generation.value} or later`,
      actual: 'generation 0, of the image itself',
    })
  const matched = derive([asked.image, ofImage], meaning)
  proof.proves`image ${ofImage.map(({ image }) => `${image.id} (${image.name} ${image.version})`)}: ${matched}`
  const measuredAt = ofImage.map((of) => of.measuredAt.toISOString())
  proof.proves`measurements, boot file ${own.map(short)}, signed by a pinned key, measured ${measuredAt}`
  if (o.document !== undefined) proof.proves`${ofImage.map(() => 'the measurements are those that you passed')}`
  proof.shown(ofImage.map(rootShown))
  if (pinned !== undefined) proof.proves`${pinned.map(short)} is the boot file of the first boot that you trusted`
  if (update !== undefined) proof.proves`${update.map(updateText)}`
  const variables = await verifiedVariables(evidence.secureBoot, {
    image: ofImage,
    trusted: asked.variableUpdates,
    proof,
  })
  const ran = update === undefined ? ofImage.map(bootFileOf) : update.map(bootFileOf)
  const measurements = derive([ofImage, ran, variables.measured], (all, bootFile, on) => ({
    ...all,
    bootFile,
    variables: { ...all.variables, on },
  }))
  const generation = update === undefined ? ofImage.map(() => 0) : update.map((of) => of.generation)
  return { measurements, pins: derive([ofImage, generation, variables.updates], pinsOf) }
}

const loaderOf = ({ bootFile }: { bootFile: BootFile }): string => toHex(bootFile.loader)
const bootFileOf = ({ bootFile }: { bootFile: BootFile }): BootFile => bootFile

function pinsOf(ofImage: ImageMeasurements, generation: number, variableUpdates: number): BootPins {
  const { authority } = ofImage.variables.on
  return {
    bootFile: loaderOf(ofImage),
    ...(authority !== undefined && { publisher: toHex(authority) }),
    ...(generation > 0 && { generation }),
    ...(variableUpdates > 0 && { variableUpdates }),
  }
}

const updateText = (update: BootFileDocument): string =>
  `an update of it ran: kernel ${update.release}, generation ${update.generation}, boot file ` +
  `${short(loaderOf(update))}, signed by the image’s publisher on ${update.builtAt.toISOString()}`

/** The paravisor makes the disk's key once the content that it encrypted is the signed one. */
const rootShown = ({ root, image }: ImageMeasurements): string[] =>
  root !== undefined
    ? [`root partition SHA-256 ${short(toHex(root.sha256))}, signed with it: what an encrypted disk was made of`]
    : image.source === 'capture'
      ? ['the root partition is as the VM left it from whose disk the image was captured']
      : ['measured by an earlier version, which did not look at the root partition']

/**
 * Only the image's publisher may update the boot file: the key that signed the image's own boot file for Secure Boot,
 * according to the image's measurements.
 */
async function verifyUpdate(
  update: NonNullable<BootFacts['update']>,
  { ofImage, asked, proof }: { ofImage: Known<ImageMeasurements>; asked: Asked; proof: Proof },
): Promise<Known<BootFileDocument>> {
  const { publisher, generation } = asked
  // The signer of measurements could name another publisher for the same boot file.
  const authority = ofImage.map(({ variables }) => hexOf(variables.on.authority))
  if (asked.bootFile !== undefined)
    proof.demand({
      code: 'AnotherPublisher',
      holds:
        publisher === undefined ? asked.bootFile.map(() => false) : derive([authority, publisher], (a, b) => a === b),
      message: 'The boot file that ran is not signed by the publisher of the first boot of this VM that you trusted.',
      expected: publisher?.value ?? 'an image with a publisher',
      actual: authority.value ?? 'none',
    })
  const document = await signedBootFile(update.document, fromBase64Url(update.certificate), ofImage)
  proof.demand({
    code: 'AnotherImage',
    // A captured disk has its own name; the paravisor compares it with the image that its boot file names.
    holds: derive([document, ofImage], (of, { image }) => of.image === image.name || image.source === 'capture'),
    message: 'The boot file that ran is an update of another image.',
    expected: ofImage.value.image.name,
    actual: document.value.image,
  })
  proof.demand({
    code: 'BootFileSuperseded',
    holds: derive([document, generation], (of, trusted) => of.generation >= trusted),
    message: 'The boot file that ran was superseded for security: a boot that you trusted ran a later one.',
    expected: `generation ${generation.value} or later`,
    actual: `generation ${document.value.generation}`,
  })
  return document
}

const hexOf = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : toHex(bytes))

const words = {
  creator: 'the request recorded when this VM was created here',
  'first boot': 'the resource manager’s record at the first boot of this VM that you trusted here',
  'resource manager': 'the resource manager’s record',
} as const

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

const isOwn = ({ publisher }: { publisher: string }): boolean =>
  publisher.toLowerCase() === referenceImageUrn.publisher.toLowerCase()

const isGallery = (reference: ImageReference): boolean =>
  'id' in reference && /\/providers\/Microsoft\.Compute\/(galleries|images)\//i.test(reference.id)
