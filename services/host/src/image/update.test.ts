import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSealer, run, systemClock } from '@strongroom/platform'
import { standInImage, type ImageRecord } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { imageFiles, diskKeyField, firmwareField, settingsField, updatesField } from '@strongroom/paravisor/expected'
import { publisherKeyFile } from './catalog.ts'
import { sealPublisherKey } from './publisher.ts'
import { withNewKey } from './signing-key.ts'
import { makeUpdate } from './update.ts'

const stub = '/usr/lib/systemd/boot/efi/linuxx64.efi.stub'
const sealer = createSealer(new Uint8Array(32))
let folder: string
let image: ImageRecord

/** An image that takes updates, and is never started. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-update-'))
  const directory = join(folder, 'image')
  await mkdir(directory)
  await writeFile(
    join(folder, 'os-release'),
    `ID=debian\n${diskKeyField.name}=${diskKeyField.value}\n${updatesField}=web\n`,
  )
  await withNewKey(async (key) => {
    await writeFile(join(directory, imageFiles.certificates), key.certificatePem)
    await writeFile(join(directory, publisherKeyFile), await sealPublisherKey(sealer, key.privateKey))
  })
  image = { ...standInImage, id: 'web', path: join(directory, imageFiles.disk) } as unknown as ImageRecord
  await bootFile(join(directory, imageFiles.boot))
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

async function bootFile(
  path: string,
  more: string[] = [],
  release = '6.12.57-cloud-amd64',
  system = 'os-release',
): Promise<string> {
  const args = [
    '/usr/bin/ukify',
    'build',
    `--linux=${stub}`,
    '--cmdline=quiet',
    `--os-release=@${join(folder, system)}`,
    `--uname=${release}`,
    `--stub=${stub}`,
    ...more,
    `--output=${path}`,
  ]
  await run({ command: '/usr/bin/python3', args, timeoutMs: 60_000 })
  return path
}
const update = async (path: string): Promise<unknown> =>
  await makeUpdate({ image, path, stateDir: join(folder, 'state'), sealer, clock: systemClock })

describe('an update of an image’s boot file', () => {
  it('with more sections than fit an index of the vTPM is refused with how much that is, and leaves nothing', async () => {
    const file = join(folder, 'section')
    await writeFile(file, 'x')
    const more = ['initrd', 'microcode', 'splash', 'devicetree', 'hwids', 'pcrpkey'].map((name) => `--${name}=${file}`)
    const path = await bootFile(join(folder, 'long.efi'), more, `6.12.57-${'x'.repeat(90)}`)
    await expect(update(path)).rejects.toMatchObject({
      code: 'ImageNotQualified',
      status: 400,
      target: 'path',
      expected: 'a signed document of at most 1980 bytes',
      found: expect.stringMatching(/^\d+ bytes for \d+ measured sections$/) as string,
    })
    expect(await readdir(join(folder, 'state/image-updates/web'))).toEqual([])
  })

  it('with those of an image is signed and packed', async () => {
    const path = await bootFile(join(folder, 'next.efi'))
    expect(await update(path)).toMatchObject({ image: 'web', release: '6.12.57-cloud-amd64', generation: 0 })
  })

  it('whose initrd leaves the settings to the agent, or takes them from it, is refused where the image’s does not', async () => {
    const text = await readFile(join(folder, 'os-release'), 'utf8')
    await writeFile(join(folder, 'measuring'), `${text}${settingsField.name}=${settingsField.value}\n`)
    const measuring = await bootFile(join(folder, 'measuring.efi'), [], undefined, 'measuring')
    const [leaves, measures] = [/leaves the VM’s settings to the agent/, /STRONGROOM_SETTINGS=1/].map(
      (form) => expect.stringMatching(form) as string,
    )
    await expect(update(measuring)).rejects.toMatchObject({
      code: 'ImageNotQualified',
      expected: leaves,
      found: measures,
    })
    const own = join(folder, 'image', imageFiles.boot)
    await copyFile(own, `${own}.kept`)
    await copyFile(measuring, own)
    await expect(update(`${own}.kept`)).rejects.toMatchObject({ expected: measures, found: leaves })
    expect(await update(measuring)).toMatchObject({ image: 'web' })
    await rename(`${own}.kept`, own)
  })

  it('whose initrd does not name PCR 0 is refused where the image’s does, and not the other way round (attack H34)', async () => {
    const text = await readFile(join(folder, 'os-release'), 'utf8')
    await writeFile(join(folder, 'naming'), `${text}${firmwareField.name}=${firmwareField.value}\n`)
    const naming = await bootFile(join(folder, 'naming.efi'), [], undefined, 'naming')
    expect(await update(naming)).toMatchObject({ image: 'web' })
    const own = join(folder, 'image', imageFiles.boot)
    await copyFile(own, `${own}.kept`)
    await copyFile(naming, own)
    await expect(update(`${own}.kept`)).rejects.toMatchObject({
      code: 'ImageNotQualified',
      expected: expect.stringContaining('STRONGROOM_FIRMWARE_REGISTER=0 in .osrel') as string,
      found: 'one that does not',
    })
    expect(await update(naming)).toMatchObject({ image: 'web' })
    await rename(`${own}.kept`, own)
  })
})
