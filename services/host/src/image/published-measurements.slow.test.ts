import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { toHex } from '@strongroom/evidence'
import { predictImageRegisters, verifyImageMeasurements, type ImageMeasurements } from '@strongroom/evidence/expected'
import { createSealer, systemClock } from '@strongroom/platform'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { makeUefiVariables } from '../disks/uefi-variables.ts'
import { makeStandInImage } from '../simulated/stand-in-image.ts'
import { imageKeys, expectedPcrs } from './boot-files.ts'
import { imageFiles } from './catalog.ts'
import { openMeasurementKey, type MeasurementKey } from './measurement-key.ts'
import { PublishedMeasurements } from './published-measurements.ts'

let folder: string
let stateDir: string
let image: Awaited<ReturnType<typeof makeStandInImage>>
let key: MeasurementKey
let published: PublishedMeasurements

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-measurements-'))
  image = await makeStandInImage(join(folder, 'cache'))
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))
beforeEach(async () => {
  stateDir = await mkdtemp(join(folder, 'state-'))
  key = await openMeasurementKey({ stateDir, sealer: createSealer(new Uint8Array(32)) })
  published = new PublishedMeasurements({ stateDir, key, clock: systemClock })
})

const read = async (jws: string): Promise<ImageMeasurements> =>
  await verifyImageMeasurements({ jws, keys: [key.publicJwk] })

async function variables(secureBoot: boolean): Promise<Uint8Array> {
  const out = join(stateDir, 'variables.fd')
  await makeUefiVariables({ secureBoot, keys: await imageKeys(image), out })
  return await readFile(out)
}

describe('the published measurements of an image', () => {
  it.each([true, false])(
    'give the registers that the machine expects of its VMs, Secure Boot %s',
    async (secureBoot) => {
      const { atReady } = await expectedPcrs({ image, variables: await variables(secureBoot) })
      const found = await predictImageRegisters({ ...(await read(await published.current(image))), secureBoot })
      for (const index of [4, 7, 11, 12, 13] as const) expect(toHex(found[index])).toBe(toHex(atReady[index]))
    },
  )

  it('are made once, also by two who ask at once, and never of another boot file in the image’s place', async () => {
    const [first, again] = await Promise.all([published.current(image), published.current(image)])
    expect(again).toBe(first)
    const copy = join(folder, 'copy')
    await mkdir(copy, { recursive: true })
    const boot = await readFile(join(dirname(image.path), imageFiles.boot))
    boot[boot.indexOf('no guest runs')] = 'x'.charCodeAt(0)
    await writeFile(join(copy, imageFiles.boot), boot)
    await writeFile(
      join(copy, imageFiles.certificates),
      await readFile(join(dirname(image.path), imageFiles.certificates)),
    )
    const exchanged = { ...image, path: join(copy, imageFiles.disk) }
    expect(await published.current(exchanged)).toBe(first)
    expect((await readdir(join(stateDir, 'image-measurements'))).filter((name) => name.startsWith('.'))).toEqual([])
    // Another image has another document.
    expect((await read(await published.current({ ...exchanged, id: 'other' }))).image.id).toBe('other')
  })

  it('are, of several, those that predict a boot', async () => {
    const current = await published.current(image)
    const { atReady: registers } = await expectedPcrs({ image, variables: await variables(true) })
    const directory = join(stateDir, 'image-measurements')
    // As after an update of dbx: the earlier document is kept beside the current one.
    const [name = ''] = await readdir(directory)
    const text = await readFile(join(directory, name), 'utf8')
    const document = JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString()) as {
      secureBoot: { on: { variables: { sha256: string }[] } }
    }
    document.secureBoot.on.variables[3]!.sha256 = '11'.repeat(32)
    await writeFile(join(directory, `${image.id}.before.jws`), text)
    await writeFile(join(directory, name), key.sign(Buffer.from(JSON.stringify(document))))
    expect(await published.predicting(image, { registers, secureBoot: true })).toBe(current)
    const none = { ...registers, 4: new Uint8Array(32) }
    expect(await published.predicting(image, { registers: none, secureBoot: true })).not.toBe(current)
  })
})

describe('the key that signs measurements', () => {
  it('is the installation’s for good, and opens under its master key alone', async () => {
    const again = await openMeasurementKey({ stateDir, sealer: createSealer(new Uint8Array(32)) })
    expect(again.publicJwk).toEqual(key.publicJwk)
    expect(JSON.stringify(again.publicJwk)).not.toContain('"d"')
    await expect(openMeasurementKey({ stateDir, sealer: createSealer(new Uint8Array(32).fill(1)) })).rejects.toThrow()
  })
})
