import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageRecord, ImageUpdate } from '@strongroom/contract'
import { EvidenceError, toHex } from '@strongroom/evidence'
import { bootFileText, isUnifiedKernelImage, parsePe, type PeImage } from '@strongroom/evidence/expected'
import { run, ServiceError, type Clock, type Sealer } from '@strongroom/platform'
import {
  initrdMeasuresSettings,
  initrdReadsUnderFirmware,
  readsUnderFirmware,
  firmwareField,
  measureUpdate,
  updatesOf,
  measuresSettings,
  opensWithVtpmKey,
  updatedAs,
  type Publisher,
  settingsField,
} from '@strongroom/paravisor/expected'
import { operatingSystem } from './describe.ts'
import { openPublisher } from './publisher.ts'
import { withKeyFiles } from './signing-key.ts'
import { makeRepository } from './update-repository.ts'

/** Where a guest stores the package's files. */
const installed = 'usr/lib/strongroom/update'
/** One index of the vTPM holds the document, beside a MAC of 67 bytes. */
const mostDocument = 1980

/**
 * Creates an update of an image's boot file: signed by the image's publisher for Secure Boot and in a document of its
 * measurements (docs/design/0018-kernel-updates.md), and packed for Debian. It is in
 * STATE/image-updates/{image}/{release}-{generation}-{digest}, and in the repository beside it, which apt reads.
 * @param o.path unified kernel image; an existing signature is replaced
 * @throws ServiceError PublisherKeyMissing, ImageNotQualified
 */
export async function makeUpdate(o: {
  image: ImageRecord
  path: string
  /** Default: that of the image's highest update, or 0. */
  generation?: number | undefined
  stateDir: string
  sealer: Sealer
  clock: Clock
}): Promise<ImageUpdate> {
  const publisher = await openPublisher(o)
  const updates = join(o.stateDir, 'image-updates', o.image.id)
  await mkdir(updates, { recursive: true, mode: 0o700 })
  const generation = o.generation ?? (await highestGeneration(updates))
  const work = await mkdtemp(join(updates, '.making-'))
  try {
    const bootFile = join(work, 'linux.efi')
    await copyFile(o.path, bootFile).catch((cause: unknown) => {
      throw notReadable(o.path, cause)
    })
    await chmod(bootFile, 0o600)
    const { release } = await requireFitting(o.image, bootFile)
    await signForSecureBoot(bootFile, publisher)
    const measured = await measureUpdate(await readFile(bootFile))
    const builtAt = o.clock.now()
    const image = (await updatesOf(o.image))?.image ?? ''
    const document = publisher.sign(bootFileText({ image, generation, release, builtAt, bootFile: measured }))
    if (document.length > mostDocument) throw tooLong(document.length, measured.sections.length)
    await writeFile(join(work, 'linux.jws'), `${document}\n`)
    await pack({ work, image, release, generation, builtAt })
    const bootFileDigest = toHex(measured.loader)
    const directory = join(updates, `${release}-${generation}-${bootFileDigest.slice(0, 12)}`)
    await rm(directory, { recursive: true, force: true })
    await rename(work, directory)
    const repository = await makeRepository({ updates, image, publisher, at: builtAt })
    return { image: o.image.id, release, generation, bootFile: bootFileDigest, document, directory, repository }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function highestGeneration(updates: string): Promise<number> {
  const made = (await readdir(updates)).map((name) => Number(/-(\d+)-[0-9a-f]{12}$/.exec(name)?.[1] ?? 0))
  return Math.max(0, ...made)
}

/** Signed files open disks: only a boot file whose initrd opens this image's, by its rules, is signed. */
async function requireFitting(image: ImageRecord, path: string): Promise<{ release: string }> {
  let boot: PeImage
  try {
    boot = parsePe(await readFile(path))
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    throw refused('a PE32+ image', error.message)
  }
  if (!isUnifiedKernelImage(boot))
    throw refused(
      'a unified kernel image (.linux, .osrel, .cmdline)',
      boot.sections.map(({ name }) => name).join(' ') || 'no sections',
    )
  const wanted = (await updatesOf(image))?.image
  const found = opensWithVtpmKey(boot) ? updatedAs(boot) : undefined
  if (wanted === undefined || found !== wanted)
    throw refused(
      `a boot file of ${wanted ?? 'an image that takes updates'}`,
      found ?? 'a boot file that opens no disk with a key of the vTPM',
    )
  // Otherwise PCR 14 would be extended twice, or not at all.
  const [own, next] = [await initrdMeasuresSettings(image), measuresSettings(boot)]
  if (own !== next) throw refused(initrdThat(own), initrdThat(next))
  // It reads under the policy of either; an initrd of before reads only under the one without PCR 0.
  if ((await initrdReadsUnderFirmware(image)) && !readsUnderFirmware(boot))
    throw refused(
      `an initrd that reads the disk’s key under PCR 0 too (${firmwareField.name}=${firmwareField.value} in .osrel), as the image’s`,
      'one that does not',
    )
  const { kernel: release } = operatingSystem(boot)
  // It becomes part of file and package names.
  if (!/^[A-Za-z0-9][A-Za-z0-9.+~-]{0,99}$/.test(release))
    throw refused('the kernel’s release in the section .uname', release || 'none')
  return { release }
}

const initrdThat = (measures: boolean): string =>
  measures
    ? `an initrd that measures the VM’s settings (${settingsField.name}=${settingsField.value} in .osrel), as the image’s agent expects`
    : 'an initrd that leaves the VM’s settings to the agent'

async function signForSecureBoot(path: string, publisher: Publisher): Promise<void> {
  await run({ command: 'sbattach', args: ['--remove', path], allow: [1] })
  await withKeyFiles(publisher, async ({ keyPath, certificatePath }) => {
    await run({
      command: 'sbsign',
      args: ['--key', keyPath, '--cert', certificatePath, '--output', `${path}.signed`, path],
    })
  })
  await rename(`${path}.signed`, path)
}

/** A Debian package whose configuration installs the boot file. It depends on the package with the kernel's modules. */
async function pack(o: {
  work: string
  image: string
  release: string
  generation: number
  builtAt: Date
}): Promise<void> {
  const root = join(o.work, 'package')
  const directory = join(root, installed)
  await mkdir(directory, { recursive: true })
  await mkdir(join(root, 'DEBIAN'))
  // To the millisecond: two updates of one second must not share a file name in the repository.
  const version = `${o.generation}.${o.builtAt.toISOString().replaceAll(/\D/g, '')}`
  const control = [
    `Package: strongroom-boot-file`,
    `Version: ${version}`,
    'Architecture: amd64',
    'Maintainer: the publisher of the image <root@localhost>',
    `Depends: linux-image-${o.release}`,
    `Description: boot file of ${o.image}, kernel ${o.release}`,
    ` Generation ${o.generation}; signed by the publisher of the image.`,
    '',
  ]
  const configure = [
    '#!/bin/sh',
    'set -e',
    `[ "$1" != configure ] || /usr/lib/strongroom/boot-file install /${installed}/linux.efi /${installed}/linux.jws`,
    '',
  ]
  await writeFile(join(root, 'DEBIAN/control'), control.join('\n'))
  await writeFile(join(root, 'DEBIAN/postinst'), configure.join('\n'), { mode: 0o755 })
  for (const name of ['linux.efi', 'linux.jws']) await copyFile(join(o.work, name), join(directory, name))
  for (const path of [
    root,
    join(root, 'DEBIAN'),
    join(root, 'usr'),
    join(root, 'usr/lib'),
    join(root, 'usr/lib/strongroom'),
    directory,
  ])
    await chmod(path, 0o755)
  // The kernel and initrd inside are already compressed.
  const args = [
    '--root-owner-group',
    '-Znone',
    '--build',
    root,
    join(o.work, `strongroom-boot-file_${version}_amd64.deb`),
  ]
  await run({ command: 'dpkg-deb', args })
  await rm(root, { recursive: true })
}

function refused(expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'ImageNotQualified',
    status: 400,
    message: `The file is not an update of the image: expected ${expected}.`,
    target: 'path',
    expected,
    found,
    remedy: 'Build the boot file with the kernel, initrd and command line of the image’s own recipe.',
  })
}

const tooLong = (found: number, sections: number): ServiceError =>
  new ServiceError({
    code: 'ImageNotQualified',
    status: 400,
    message: 'The boot file has too many sections: an index of the vTPM has no room for the document of their digests.',
    target: 'path',
    expected: `a signed document of at most ${mostDocument} bytes`,
    found: `${found} bytes for ${sections} measured sections`,
    remedy:
      'Build the boot file with fewer sections (no .splash, .dtb or .profile, for instance), or a shorter kernel release.',
  })

const notReadable = (path: string, cause: unknown): ServiceError =>
  new ServiceError({
    code: 'ImageNotQualified',
    status: 400,
    message: `The boot file ${path} cannot be read.`,
    target: 'path',
    expected: 'a unified kernel image on this machine',
    found: (cause as Error).message,
    remedy: 'Pass a file that the server can read.',
    cause,
  })
