import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { toHex } from '@strongroom/evidence'
import { predictImageRegisters, verifyImageMeasurements, type ImageMeasurements } from '@strongroom/evidence/expected'
import { createSealer, systemClock } from '@strongroom/platform'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { repart } from '../disks/repart.ts'
import { makeUefiVariables, imageKeys, expectedPcrs, imageFiles } from '@strongroom/paravisor/expected'
import { makeStandInImage } from '../simulated/stand-in-image.ts'
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

/** A disk with a root partition of this content. */
async function makeDisk(disk: string, content: string): Promise<void> {
  const directory = await mkdtemp(join(stateDir, 'disk-'))
  await rm(disk, { force: true })
  await writeFile(join(directory, 'root'), Buffer.alloc(2 ** 20, content))
  const root: [string, string][] = [
    ['Type', 'root-x86-64'],
    ['CopyBlocks', join(directory, 'root')],
  ]
  await repart({ disk, directory: join(directory, 'repart.d'), create: true, partitions: [root] })
}

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
      await published.sign(image)
      const found = await predictImageRegisters({ ...(await read(await published.current(image))), secureBoot })
      for (const index of [4, 7, 11, 12, 13] as const) expect(toHex(found[index])).toBe(toHex(atReady[index]))
    },
  )

  it('are made once, also by two who ask at once, and never of another boot file in the image’s place', async () => {
    const [first, again] = await Promise.all([published.sign(image), published.sign(image)])
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
    expect(await published.sign(exchanged)).toBe(first)
    expect(await published.current(exchanged)).toBe(first)
    expect((await readdir(join(stateDir, 'image-measurements'))).filter((name) => name.startsWith('.'))).toEqual([])
    // Another image has another document.
    expect((await read(await published.sign({ ...exchanged, id: 'other' }))).image.id).toBe('other')
  })

  it('are not made at the sight of an image that nobody built or imported here (attack H29)', async () => {
    const refused = expect.objectContaining({ code: 'ImageNotSigned' }) as Error
    await expect(published.current(image)).rejects.toThrow(refused)
    await expect(published.of(image)).rejects.toThrow(refused)
    const { atReady: registers } = await expectedPcrs({ image, variables: await variables(true) })
    expect(await published.predicting(image, { registers, secureBoot: true })).toBeUndefined()
    await published.sign(image)
    // The same name with certificates that a host put into its db.
    const copy = join(folder, 'other-certificates')
    await mkdir(copy, { recursive: true })
    const other = await makeStandInImage(join(folder, 'other-cache'))
    const from = { [imageFiles.boot]: image.path, [imageFiles.certificates]: other.path }
    for (const [name, path] of Object.entries(from))
      await writeFile(join(copy, name), await readFile(join(dirname(path), name)))
    await expect(published.of({ ...image, path: join(copy, imageFiles.disk) })).rejects.toThrow(refused)
  })

  it('keep boot file and root partition where VMs begin with other variables, as after an update of dbx', async () => {
    const directory = join(stateDir, 'image-measurements')
    const disk = join(stateDir, 'disk.raw')
    await makeDisk(disk, 'as built')
    const first = await published.sign(image, { disk })
    const [name = ''] = await readdir(directory)
    await rename(join(directory, name), join(directory, `${image.id}.0000000000000000.jws`))
    await makeDisk(disk, 'exchanged')
    const next = await published.sign(image, { disk })
    expect(next).not.toBe(first)
    const [before, now] = [await read(first), await read(next)]
    expect(now.root).toEqual(before.root)
    expect(now.bootFile).toEqual(before.bootFile)
  })

  it('are, of several, those that predict a boot', async () => {
    const current = await published.sign(image)
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
