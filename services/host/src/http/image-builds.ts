import type { ImageBuildStatus } from '@strongroom/contract'
import type { Clock, Logger } from '@strongroom/platform'
import { buildReferenceImage } from '../image/build.ts'
import { findImage } from '../image/catalog.ts'
import { loadRecipe } from '../image/recipe.ts'
import { describeFailure } from '../instances/errors.ts'
import { beginStep, endStep } from '../instances/record.ts'

/** The build of the reference image, one at a time; what it made lies in the cache, so its state survives a restart. */
export class ImageBuilds {
  readonly #o: { cacheDir: string; clock: Clock; logger: Logger }
  readonly #abort = new AbortController()
  #status: ImageBuildStatus | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(o: { cacheDir: string; clock: Clock; logger: Logger }) {
    this.#o = o
  }

  async status(): Promise<ImageBuildStatus> {
    if (this.#status?.state === 'Running' || this.#status?.state === 'Failed') return structuredClone(this.#status)
    const image = await findImage(this.#o.cacheDir, (await loadRecipe()).id)
    if (image === undefined) return { state: 'Absent', steps: [] }
    return { state: 'Succeeded', steps: this.#status?.steps ?? [], image }
  }

  async start(): Promise<ImageBuildStatus> {
    const present = await this.status()
    if (present.state === 'Running' || present.state === 'Succeeded') return present
    const { cacheDir, clock, logger } = this.#o
    const status: ImageBuildStatus = { state: 'Running', steps: [] }
    this.#status = status
    this.#work = buildReferenceImage({
      cacheDir,
      signal: this.#abort.signal,
      progress: (name) => beginStep(status.steps, name, clock.now()),
    }).then(
      (image) => {
        endStep(status.steps, clock.now())
        status.state = 'Succeeded'
        status.image = image
      },
      (error: unknown) => {
        endStep(status.steps, clock.now())
        status.state = 'Failed'
        status.error = describeFailure(error, logger)
      },
    )
    return structuredClone(status)
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.#work
  }
}
