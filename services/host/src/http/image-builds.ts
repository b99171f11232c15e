import type {
  ImageBuildStatus,
  ImageRecord,
  ImageUpdate,
  ImageUpdateRequest,
  ImageVariant,
  SignedVariable,
  SignedVariableRequest,
} from '@strongroom/contract'
import { EvidenceError } from '@strongroom/evidence'
import { parseSignatureLists } from '@strongroom/evidence/expected'
import { ServiceError, type Clock, type Logger, type Sealer } from '@strongroom/platform'
import { buildImage } from '../image/build.ts'
import { findImage } from '../image/catalog.ts'
import type { PublishedMeasurements } from '../image/published-measurements.ts'
import { openPublisher, sealPublisherKey } from '../image/publisher.ts'
import { loadRecipe, recipeSources } from '../image/recipe.ts'
import { makeUpdate } from '../image/update.ts'
import { describeFailure } from '../records/errors.ts'
import { beginStep, endStep } from '../records/record.ts'

export interface BuildsOptions {
  cacheDir: string
  stateDir: string
  clock: Clock
  logger: Logger
  measurements: PublishedMeasurements
  sealer: Sealer
}

/** Builds of the reference image and its variants, one at a time each; results are in the cache, so their state survives a restart. */
export class ImageBuilds {
  readonly #o: BuildsOptions
  readonly #abort = new AbortController()
  readonly #builds = new Map<ImageVariant, { status: ImageBuildStatus; work: Promise<void> }>()

  constructor(o: BuildsOptions) {
    this.#o = o
  }

  async status(variant: ImageVariant): Promise<ImageBuildStatus> {
    const known = this.#builds.get(variant)?.status
    if (known?.state === 'Running' || known?.state === 'Failed') return structuredClone(known)
    const image = await findImage(this.#o.cacheDir, (await loadRecipe(recipeSources[variant])).id)
    if (image === undefined) return { state: 'Absent', steps: [] }
    return { state: 'Succeeded', steps: known?.steps ?? [], image }
  }

  async start(variant: ImageVariant): Promise<ImageBuildStatus> {
    const present = await this.status(variant)
    const { cacheDir, clock, logger, measurements, sealer } = this.#o
    // Another installation built it into the cache, and whoever runs `image build` takes it as it is now, like an import.
    if (present.image !== undefined) await measurements.sign(present.image, { disk: present.image.path })
    if (present.state === 'Running' || present.state === 'Succeeded') return present
    const status: ImageBuildStatus = { state: 'Running', steps: [] }
    const work = buildImage({
      cacheDir,
      source: recipeSources[variant],
      signal: this.#abort.signal,
      sealKey: async (key) => await sealPublisherKey(sealer, key),
      progress: (name) => beginStep(status.steps, name, clock.now()),
    })
      .then(async (image) => {
        beginStep(status.steps, 'Sign the image’s measurements', clock.now())
        await measurements.sign(image, { disk: image.path })
        endStep(status.steps, clock.now())
        status.state = 'Succeeded'
        status.image = image
      })
      .catch((error: unknown) => {
        endStep(status.steps, clock.now())
        status.state = 'Failed'
        status.error = describeFailure(error, logger)
      })
    this.#builds.set(variant, { status, work })
    return structuredClone(status)
  }

  /** @throws ServiceError as makeUpdate */
  async update(image: ImageRecord, asked: ImageUpdateRequest): Promise<ImageUpdate> {
    return await makeUpdate({ ...this.#o, ...asked, image })
  }

  /** @throws ServiceError PublisherKeyMissing, InvalidRequestContent */
  async signVariable(image: ImageRecord, asked: SignedVariableRequest): Promise<SignedVariable> {
    const lists = Uint8Array.from(Buffer.from(asked.lists, 'base64'))
    requireLists(lists)
    const publisher = await openPublisher({ ...this.#o, image })
    const update = publisher.signVariable({ ...asked, lists, at: this.#o.clock.now() })
    return { image: image.id, update: Buffer.from(update).toString('base64') }
  }

  async close(): Promise<void> {
    this.#abort.abort()
    for (const { work } of this.#builds.values()) await work
  }
}

/** @throws ServiceError InvalidRequestContent */
function requireLists(lists: Uint8Array): void {
  try {
    parseSignatureLists(lists)
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw new ServiceError({
      code: 'InvalidRequestContent',
      message: `The content of the variable is not a chain of signature lists: ${cause.message}.`,
      target: 'lists',
      expected: 'EFI_SIGNATURE_LISTs (a file called .esl), base64',
      found: cause.found ?? 'something else',
      remedy: 'Make them with cert-to-efi-sig-list or hash-to-efi-sig-list.',
      cause,
    })
  }
}
