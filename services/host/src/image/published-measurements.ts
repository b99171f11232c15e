import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { equal } from '@strongroom/evidence'
import {
  bootRegisters,
  imageMeasurementsText,
  predictImageRegisters,
  verifyImageMeasurements,
  type BootRegisters,
  type ImageMeasurements,
  type RootPartition,
} from '@strongroom/evidence/expected'
import { ServiceError, writeFileAtomically, type Clock } from '@strongroom/platform'
import { rootContent } from '../disks/os-disk.ts'
import {
  makeUefiVariables,
  variableTemplates,
  dbCertificates,
  imageKeys,
  measureImage,
} from '@strongroom/paravisor/expected'
import type { ImageStatements, MeasurableImage } from './image-statements.ts'
import type { MeasurementKey } from './measurement-key.ts'

/**
 * The installation's signed statements about its images: STATE/image-measurements/{image id}.{inputs}.jws. Made when an
 * image was built, imported or captured here, never changed: whatever lies in its place later is not the image's, and an
 * image that nobody built here has none. Debian's dbx updates lead to another document of the same boot file and root
 * partition; earlier VMs keep the variables, and so the document, they were created with.
 */
export class PublishedMeasurements implements ImageStatements {
  readonly #directory: string
  readonly #key: MeasurementKey
  readonly #clock: Clock
  readonly #making = new Map<string, Promise<string>>()

  constructor(o: { stateDir: string; key: MeasurementKey; clock: Clock }) {
    this.#directory = join(o.stateDir, 'image-measurements')
    this.#key = o.key
    this.#clock = o.clock
  }

  /**
   * Signs what an image is. The caller has just built, imported or captured it; what was signed before stays in force.
   * @param o.disk its content is measured too; captured disks are as their VMs left them
   */
  async sign(image: MeasurableImage, o: { disk?: string } = {}): Promise<string> {
    return await this.#find(image, async () => ({ root: o.disk === undefined ? undefined : await rootContent(o.disk) }))
  }

  /** The document for VMs created from this image now. @throws ServiceError ImageNotSigned */
  async current(image: MeasurableImage): Promise<string> {
    return await this.#find(image, async () => {
      throw imageNotSigned(image)
    })
  }

  async predicting(
    image: MeasurableImage,
    o: { registers: BootRegisters; secureBoot: boolean },
  ): Promise<string | undefined> {
    const documents = await this.#documents(image.id)
    if (documents.length === 0) return undefined
    const current = await this.current(image).catch((error: unknown) => {
      if (error instanceof ServiceError && error.code === 'ImageNotSigned') return documents[0]
      throw error
    })
    for (const jws of [current, ...documents])
      if (jws !== undefined && (await this.#predicts(jws, image, o))) return jws
    return current
  }

  /** Whether VMs may be made of the image: it was built, imported or captured here, by this version or later. */
  async isSigned({ id }: Pick<ImageRecord, 'id'>): Promise<boolean> {
    for (const jws of await this.#documents(id)) if ((await this.#read(jws)).certificates !== undefined) return true
    return false
  }

  async of(image: MeasurableImage): Promise<ImageMeasurements> {
    return await this.#read(await this.current(image))
  }

  /** The document of this image's VMs of now: found, or made of an earlier one's facts, or by `facts`. */
  async #find(image: MeasurableImage, facts: () => Promise<SignedFacts>): Promise<string> {
    const path = join(this.#directory, `${image.id}.${await inputsOf(image)}.jws`)
    const found = await readFile(path, 'utf8').catch(ignoreMissing)
    if (found !== undefined) return found
    let making = this.#making.get(path)
    if (making === undefined) {
      making = this.#make(image, path, facts).finally(() => this.#making.delete(path))
      this.#making.set(path, making)
    }
    return await making
  }

  async #documents(id: string): Promise<string[]> {
    const names = await readdir(this.#directory).catch(ignoreMissing)
    const own = (names ?? []).filter((name) => name.startsWith(`${id}.`) && name.endsWith('.jws'))
    return await Promise.all(own.map(async (name) => await readFile(join(this.#directory, name), 'utf8')))
  }

  async #read(jws: string): Promise<ImageMeasurements> {
    return await verifyImageMeasurements({ jws, keys: [this.#key.publicJwk] })
  }

  async #predicts(
    jws: string,
    image: MeasurableImage,
    o: { registers: BootRegisters; secureBoot: boolean },
  ): Promise<boolean> {
    try {
      const measurements = await this.#read(jws)
      const found = await predictImageRegisters({ ...measurements, secureBoot: o.secureBoot, machine: o.registers[1] })
      return (
        measurements.image.id === image.id && bootRegisters.every((index) => equal(found[index], o.registers[index]))
      )
    } catch {
      // Damaged, or signed by another key: ignored.
      return false
    }
  }

  /** What was signed about this build of the image, for VMs whose variables begin with other templates. */
  async #signed(image: MeasurableImage, certificates: Uint8Array): Promise<SignedFacts | undefined> {
    for (const jws of await this.#documents(image.id)) {
      const { bootFile, root, certificates: of, image: named } = await this.#read(jws)
      if (named.id === image.id && of !== undefined && equal(of, certificates)) return { bootFile, root }
    }
    return undefined
  }

  async #make(image: MeasurableImage, path: string, facts: () => Promise<SignedFacts>): Promise<string> {
    const certificates = await certificatesDigest(image)
    const { bootFile, root } = (await this.#signed(image, certificates)) ?? (await facts())
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const work = await mkdtemp(join(this.#directory, '.variables-'))
    try {
      const keys = await imageKeys(image)
      const flash = async (secureBoot: boolean): Promise<Uint8Array> =>
        await makeUefiVariables({ secureBoot, keys, out: join(work, `${secureBoot}.fd`) })
      const variables = { on: await flash(true), off: await flash(false) }
      const measured = await measureImage({ image, variables, at: this.#clock.now() })
      const document = { ...measured, ...(bootFile && { bootFile }), ...(root && { root }), certificates }
      const jws = this.#key.sign(imageMeasurementsText(document))
      await writeFileAtomically(path, jws)
      return jws
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
}

/** What a document states about an image whatever its VMs' variables are. */
type SignedFacts = Partial<Pick<ImageMeasurements, 'bootFile'>> & { root: RootPartition | undefined }

export const imageNotSigned = ({ id }: Pick<ImageRecord, 'id'>): ServiceError =>
  new ServiceError({
    code: 'ImageNotSigned',
    message: `This installation has signed nothing about image ${id} as it is now: it neither built, imported nor captured it.`,
    target: 'image',
    expected: 'an image with signed measurements of its boot file and its root partition',
    found: 'none for these certificates, or measurements by an earlier version',
    remedy: 'Build it (strongroom image build) or import it again.',
  })

const certificatesDigest = async (image: MeasurableImage): Promise<Uint8Array> =>
  createHash('sha256')
    .update(Buffer.concat(await dbCertificates(image)))
    .digest()

/** Sources of the UEFI variables of an image's VMs. An image built here has unique certificates. */
async function inputsOf(image: MeasurableImage): Promise<string> {
  const hash = createHash('sha256')
  for (const template of await variableTemplates()) hash.update(template)
  hash.update(Buffer.concat(await dbCertificates(image)))
  // Documents of before, whose VMs have another PK or which say nothing of the root partition, go by another name.
  hash.update('PK, KEK, root partition')
  return hash.digest('hex').slice(0, 16)
}

const ignoreMissing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === 'ENOENT') return undefined
  throw error
}
