import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { importedImageOffer, referenceImageUrn, type ImageRecord, type ImageUpdate } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partitionTypes, readPartitions } from '../../services/host/src/disks/gpt.ts'
import { imageFiles } from '../../services/paravisor/src/expected/image-files.ts'
import { mirrorPort, rebuiltBootFile, sendFile, signedByAnother, withMirror } from './support/boot-file.ts'
import { TestInstallation } from './support/installation.ts'
import { diskFile, guestStateFile, type VmView } from './support/vm.ts'

/**
 * One confidential VM whose boot file is updated, really booted, and a host that would prefer another one. The tests
 * share it, in this order. The image is built into a separate cache: its builder signs its updates.
 */
const cache = await mkdtemp(join(tmpdir(), 'strongroom-cache-'))
process.env['STRONGROOM_CACHE_DIR'] = cache
const installation = await TestInstallation.create()
let name = 'updated'
const run = promisify(execFile)
const env = { ...process.env, MTOOLS_SKIP_CHECK: '1' }
const files = { default: '::/EFI/BOOT/BOOTX64.EFI', other: '::/EFI/Linux/other.efi' }
let image: ImageRecord
let disk: string
let guestState: string
let first: ImageUpdate

beforeAll(async () => {
  await installation.start()
  image = await installation.must<ImageRecord>('image', 'build', '--minimal')
  const urn = `${referenceImageUrn.publisher}:${importedImageOffer}:${image.id}:latest`
  const vm = await installation.must<VmView>('vm', 'create', name, '--image', urn)
  disk = await diskFile(installation, vm)
  guestState = await guestStateFile(installation, vm)
})

afterAll(async () => {
  await installation.remove()
  await rm(cache, { recursive: true, force: true })
})

const own = (): string => join(image.path, '..', imageFiles.boot)

/** Another boot file of the image, signed as an update. */
async function makeUpdate(label: string, o: { generation?: number; initrd?: Uint8Array } = {}): Promise<ImageUpdate> {
  const file = await rebuiltBootFile({ of: own(), directory: installation.home, name: label, ...o })
  const generation = o.generation === undefined ? [] : ['--generation', String(o.generation)]
  return await installation.must('image', 'update', file, '--image', image.id, ...generation)
}

const onlyOurs = '-o Dir::Etc::sourcelist=/etc/apt/sources.list.d/strongroom.list -o Dir::Etc::sourceparts=-'

/** As the guest's owner does it, from a package server. @returns apt's output */
async function apt({ repository }: ImageUpdate, command: string): Promise<string> {
  return await withMirror({ installation, vm: name, folder: repository }, async () =>
    installation.asRoot(name, `apt-get ${onlyOurs} update --error-on=any && apt-get ${onlyOurs} ${command} --yes`),
  )
}

interface Trust {
  trusted: boolean
  links: { id: string; outcome: string; code?: string; shows: string[] }[]
}
async function trust(): Promise<{ trusted: boolean; image: string }> {
  const { trusted, links } = (await installation.cli('vm', 'trust', name)).json as Trust
  return { trusted, image: links.find(({ id }) => id === 'image')?.shows.join('\n') ?? '' }
}

const status = async (): Promise<string> => await installation.asRoot(name, '/usr/lib/strongroom/boot-file status')
const notices = async (): Promise<string> => {
  const vm = await installation.must<VmView>('vm', 'show', name)
  return (vm.properties.instanceView?.statuses ?? []).map(({ message }) => message ?? '').join('\n')
}

/** Replaces a boot file on the disk of a stopped VM. */
async function hostPuts(file: string, place = files.default): Promise<void> {
  const esp = (await readPartitions(disk))?.find(({ type }) => type === partitionTypes.esp)
  await run('mcopy', ['-n', '-o', '-i', `${disk}@@${esp?.offset}`, file, place], { env })
}

/** The VM does not start with this boot file as its default, and starts again once it is gone. */
async function staysShut(file: string, expected = 'OsDiskDidNotUnlock'): Promise<void> {
  await installation.must('vm', 'deallocate', name)
  await cp(disk, `${disk}.good`)
  try {
    await hostPuts(file)
    const { code, json } = await installation.cli('vm', 'start', name)
    expect([code, (json as { error: { code: string } }).error.code]).toEqual([1, expected])
    await installation.cli('vm', 'deallocate', name)
  } finally {
    await cp(`${disk}.good`, disk)
    await rm(`${disk}.good`)
  }
  await installation.must('vm', 'start', name)
}

/** Installs an update from a package server, and starts the VM again: everything is as before, except the boot file. */
async function takesAnUpdate(label: string): Promise<ImageUpdate> {
  expect((await trust()).trusted).toBe(true)
  expect(await status()).toMatch(/^default +as the image came$/m)
  await installation.asRoot(name, 'echo kept >/root/kept')
  const update = await makeUpdate(label)
  await sendFile(installation, name, join(update.repository, 'publisher.pgp'), 'publisher.pgp')
  await installation.asRoot(
    name,
    `install -m 0644 ~azureuser/publisher.pgp /etc/apt/keyrings/strongroom.pgp
  echo 'deb [signed-by=/etc/apt/keyrings/strongroom.pgp] http://127.0.0.1:${mirrorPort} ./' >/etc/apt/sources.list.d/strongroom.list`,
  )
  expect(await apt(update, 'install strongroom-boot-file')).toContain('starts at the next boot')
  await installation.must('vm', 'restart', name)
  const seen = await trust()
  expect(seen.image).toContain(`an update of it ran: kernel ${image.os.kernel}, generation 0`)
  expect(seen.image).toContain(update.bootFile.slice(0, 8))
  expect(seen.trusted).toBe(true)
  expect(await installation.asRoot(name, 'cat /root/kept')).toBe('kept')
  expect(await status()).toMatch(/^default +kernel .*, generation 0$/m)
  expect(await status()).toMatch(/^other +as the image came$/m)
  return update
}

describe('a VM whose boot file is updated', () => {
  it('takes the update from a server of packages, starts it, opens its disk, is trusted, and says which kernel ran', async () => {
    first = await takesAnUpdate('first')
    expect(await notices()).not.toContain('did not come up')
  })

  it('starts what it exchanged as its default from then on, and the one before where its owner asks', async () => {
    await installation.must('vm', 'restart', name)
    expect((await trust()).image).toContain('an update of it ran')
    await installation.asRoot(name, '/usr/lib/strongroom/boot-file previous')
    await installation.must('vm', 'restart', name)
    const seen = await trust()
    expect([seen.trusted, seen.image.includes('an update of it ran')]).toEqual([true, false])
    expect(await status()).toMatch(/^default +as the image came$/m)
    expect(await status()).toMatch(/^other +kernel .*, generation 0$/m)
  })

  it('goes back to the default by itself where an update does not come up, still attested', async () => {
    await apt(await makeUpdate('broken', { generation: 1, initrd: new Uint8Array(512) }), 'full-upgrade')
    await installation.must('vm', 'restart', name)
    expect(await trust()).toMatchObject({ trusted: true })
    expect(await status()).toMatch(/^lowest +generation 0$/m)
    expect(await status()).toMatch(/^default +as the image came$/m)
    expect(await notices()).toContain('The new boot file did not come up')
  })

  it('goes back to it where the host exchanged the update for one of another publisher’s (attack H14)', async () => {
    const second = await makeUpdate('second')
    expect(second.generation).toBe(1)
    await apt(second, 'full-upgrade')
    await installation.must('vm', 'deallocate', name)
    await hostPuts(
      await signedByAnother(await rebuiltBootFile({ of: own(), directory: installation.home, name: 'foreign' })),
      files.other,
    )
    await installation.must('vm', 'start', name)
    expect((await trust()).image).not.toContain('an update of it ran')
    expect(await notices()).toContain('BootLoaderRefused')
  })

  it('stays shut for what the host brings: an unsigned boot file, and an update that the guest did not install (attack H14)', async () => {
    const unsigned = await rebuiltBootFile({ of: own(), directory: installation.home, name: 'unsigned' })
    await staysShut(unsigned, 'BootLoaderRefused')
    const { directory } = await makeUpdate('not-installed', { generation: 2 })
    await staysShut(join(directory, 'linux.efi'))
  })

  it('stays shut for what a later generation superseded: the image’s own, and an update of before (attack H14)', async () => {
    await installation.must('vm', 'deallocate', name)
    const before = await readFile(guestState)
    await installation.must('vm', 'start', name)
    await apt(await makeUpdate('third', { generation: 3 }), 'full-upgrade')
    await installation.must('vm', 'restart', name)
    expect((await trust()).image).toContain('generation 3')
    await staysShut(own())
    await staysShut(join(first.directory, 'linux.efi'))
    expect(await trust()).toMatchObject({ trusted: true, image: expect.stringContaining('generation 3') as string })
    await installation.must('vm', 'deallocate', name)
    const now = await readFile(guestState)
    await cp(disk, `${disk}.good`)
    await hostPuts(own())
    await writeFile(guestState, before)
    const { code, json } = await installation.cli('vm', 'start', name)
    expect([code, (json as { error: { code: string } }).error.code]).toEqual([1, 'GuestStateRolledBack'])
    await installation.cli('vm', 'deallocate', name)
    await writeFile(guestState, now)
    await cp(`${disk}.good`, disk)
    await installation.must('vm', 'start', name)
    expect((await trust()).trusted).toBe(true)
  })
})

describe('a VM of the reference image on TDX', () => {
  it('takes an update as one of the minimal image on SEV-SNP does', { timeout: 1_800_000 }, async () => {
    await installation.must('vm', 'deallocate', name)
    name = 'reference'
    image = await installation.must<ImageRecord>('image', 'build')
    await installation.must('vm', 'create', name, '--tee', 'tdx')
    await takesAnUpdate('reference')
  })
})
