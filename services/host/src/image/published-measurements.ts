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
} from '@strongroom/evidence/expected'
import { writeFileAtomically, type Clock } from '@strongroom/platform'
import { makeUefiVariables, variableTemplates } from '../disks/uefi-variables.ts'
import { dbCertificates, imageKeys, measureImage } from './boot-files.ts'
import type { MeasurementKey } from './measurement-key.ts'

type MeasurableImage = Pick<ImageRecord, 'path' | 'id' | 'name' | 'version' | 'source'>

/**
 * The installation's signed statements about its images: STATE/image-measurements/{image id}.{inputs}.jws. Made once
 * for an image and its VMs' initial UEFI variables, never changed: another boot file in its place is not the image's.
 * Debian's dbx updates lead to another document; earlier VMs keep the variables, and so the document, they were created
 * with.
 */
export class PublishedMeasurements {
  readonly #directory: string
  readonly #key: MeasurementKey
  readonly #clock: Clock
  readonly #making = new Map<string, Promise<string>>()

  constructor(o: { stateDir: string; key: MeasurementKey; clock: Clock }) {
    this.#directory = join(o.stateDir, 'image-measurements')
    this.#key = o.key
    this.#clock = o.clock
  }

  /** The document for VMs created from this image now. */
  async current(image: MeasurableImage): Promise<string> {
    const path = join(this.#directory, `${image.id}.${await inputsOf(image)}.jws`)
    const found = await readFile(path, 'utf8').catch(ignoreMissing)
    if (found !== undefined) return found
    let making = this.#making.get(path)
    if (making === undefined) {
      making = this.#make(image, path).finally(() => this.#making.delete(path))
      this.#making.set(path, making)
    }
    return await making
  }

  /** The document that predicts these registers; otherwise the current one, with which a verifier detects the mismatch. */
  async predicting(image: MeasurableImage, o: { registers: BootRegisters; secureBoot: boolean }): Promise<string> {
    const current = await this.current(image)
    const names = (await readdir(this.#directory)).filter((name) => name.startsWith(`${image.id}.`))
    const others = names.map(async (name) => await readFile(join(this.#directory, name), 'utf8'))
    for (const jws of [current, ...(await Promise.all(others))]) if (await this.#predicts(jws, image, o)) return jws
    return current
  }

  async #predicts(
    jws: string,
    image: MeasurableImage,
    o: { registers: BootRegisters; secureBoot: boolean },
  ): Promise<boolean> {
    try {
      const measurements = await verifyImageMeasurements({ jws, keys: [this.#key.publicJwk] })
      const found = await predictImageRegisters({ ...measurements, secureBoot: o.secureBoot, machine: o.registers[1] })
      return (
        measurements.image.id === image.id && bootRegisters.every((index) => equal(found[index], o.registers[index]))
      )
    } catch {
      // Damaged, or signed by another key: ignored.
      return false
    }
  }

  async #make(image: MeasurableImage, path: string): Promise<string> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const work = await mkdtemp(join(this.#directory, '.variables-'))
    try {
      const keys = await imageKeys(image)
      const flash = async (secureBoot: boolean): Promise<Uint8Array> => {
        const out = join(work, `${secureBoot}.fd`)
        await makeUefiVariables({ secureBoot, keys, out })
        return await readFile(out)
      }
      const variables = { on: await flash(true), off: await flash(false) }
      const jws = this.#key.sign(imageMeasurementsText(await measureImage({ image, variables, at: this.#clock.now() })))
      await writeFileAtomically(path, jws)
      return jws
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
}

/** Sources of the UEFI variables of an image's VMs. An image built here has unique certificates. */
async function inputsOf(image: MeasurableImage): Promise<string> {
  const hash = createHash('sha256')
  for (const template of await variableTemplates()) hash.update(template)
  for (const certificate of await dbCertificates(image)) hash.update(certificate)
  // Documents of before, whose VMs have another PK, go by another name.
  hash.update('PK, KEK')
  return hash.digest('hex').slice(0, 16)
}

const ignoreMissing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === 'ENOENT') return undefined
  throw error
}
