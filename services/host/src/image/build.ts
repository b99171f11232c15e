import type { KeyObject } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { run, ServiceError } from '@strongroom/platform'
import { repart } from '../disks/repart.ts'
import { copySparse, flush } from '../disks/sparse.ts'
import { withImageLock } from './build-lock.ts'
import { findImage, imageDirectory, imagesDirectory, publisherKeyFile } from './catalog.ts'
import { imageFiles, diskKeyField, firmwareField, settingsField, updatesField } from '@strongroom/paravisor/expected'
import { describeImage } from './describe.ts'
import { espMebibytes, loadRecipe, recipeSources, suite, type Recipe, type RecipeSource } from './recipe.ts'

const stub = '/usr/lib/systemd/boot/efi/linuxx64.efi.stub'
const mebibyte = 1024 ** 2

export interface BuildOptions {
  cacheDir: string
  /** Default: the reference image's. */
  source?: RecipeSource
  /** Called as each step starts, with a display name. */
  progress?: (step: string) => void
  signal?: AbortSignal
  /** Debian mirror; default http://deb.debian.org/debian. Packages are verified against Debian's archive keys. */
  mirror?: string
  /** Keeps the image's signing key for its updates; otherwise the key is destroyed after the build. */
  sealKey?: (privateKey: KeyObject) => Promise<Uint8Array>
}

/**
 * Builds or finds an image: Debian with a signed unified kernel image and our provisioning agent. A recipe is built
 * once per cache, by one process at a time, and appears whole or not at all.
 * @throws ServiceError ImageBuildFailed naming the step; MissingProgram
 */
export async function buildImage(o: BuildOptions): Promise<ImageRecord> {
  const recipe = await loadRecipe(o.source)
  const existing = await findImage(o.cacheDir, recipe.id)
  if (existing) return existing
  return withImageLock(
    {
      cacheDir: o.cacheDir,
      id: recipe.id,
      waiting: () => o.progress?.('Wait for another process that is building this image'),
      ...(o.signal && { signal: o.signal }),
    },
    async () => (await findImage(o.cacheDir, recipe.id)) ?? (await build(o, recipe)),
  )
}

async function build(o: BuildOptions, recipe: Recipe): Promise<ImageRecord> {
  await requireStub()
  // With the lock held, anything here was left by a dead process.
  const partial = join(imagesDirectory(o.cacheDir), `.partial-${recipe.id}`)
  await rm(partial, { recursive: true, force: true })
  await mkdir(join(partial, 'work'), { recursive: true, mode: 0o700 })
  const builder = new ImageBuilder(o, recipe, partial)
  try {
    await builder.rootArchive()
    await builder.rootFileSystem()
    await builder.bootFile()
    await builder.disk()
    const record = await builder.describe()
    await rm(join(partial, 'work'), { recursive: true })
    const final = imageDirectory(o.cacheDir, recipe.id)
    await rename(partial, final)
    return { ...record, path: join(final, imageFiles.disk) }
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    if (error instanceof ServiceError || o.signal?.aborted === true) throw error
    throw new ServiceError({
      code: 'ImageBuildFailed',
      message: `The image ${recipe.name} could not be built: the step "${builder.step}" failed.`,
      found: error instanceof Error ? error.message : String(error),
      remedy: 'Check that the Debian mirror is reachable and the disk has 3 GB free, then build again.',
      cause: error,
    })
  }
}

class ImageBuilder {
  step = ''
  readonly #o: BuildOptions
  readonly #recipe: Recipe
  readonly #partial: string
  readonly #work: string

  constructor(o: BuildOptions, recipe: Recipe, partial: string) {
    this.#o = o
    this.#recipe = recipe
    this.#partial = partial
    this.#work = join(partial, 'work')
  }

  async rootArchive(): Promise<void> {
    this.#begin('Download and configure Debian packages')
    const mirror = this.#o.mirror ?? 'http://deb.debian.org/debian'
    const security = `${mirror.replace(/\/$/, '')}-security`
    const root = process.getuid?.() === 0
    const hooks = (name: 'essential' | 'customize'): string[] =>
      this.#recipe.hooks[name].map((program) => `--${name}-hook='${program.replaceAll("'", `'\\''`)}' "$1"`)
    await this.#run('setpriv', [
      // The build ends with the server.
      '--pdeathsig=TERM',
      ...(root && (await mayMount()) ? ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin'] : []),
      'mmdebstrap',
      '--quiet',
      '--variant=minbase',
      // Always as in a container, without the privilege to mount: no mount can outlive the build, so removing its
      // remains can never reach this machine's /dev. Users other than root need user namespaces.
      `--mode=${root ? 'root' : 'unshare'}`,
      '--components=main',
      '--format=tar',
      `--include=${this.#recipe.packages.join(',')}`,
      '--aptopt=Acquire::Languages "none"',
      '--aptopt=APT::Install-Recommends "false"',
      // Each after a pause twice as long as the one before, or as long as the mirror asks for: a minute in all.
      '--aptopt=Acquire::Retries "6"',
      '--dpkgopt=path-exclude=/usr/share/man/*',
      '--dpkgopt=path-exclude=/usr/share/locale/*',
      // The recipe's own initrd replaces them (recipes/common/essential.sh).
      '--dpkgopt=path-exclude=/etc/kernel/*/tiny-initramfs',
      '--dpkgopt=path-exclude=/usr/sbin/update-tirfs',
      ...hooks('essential'),
      ...hooks('customize'),
      suite,
      join(this.#work, 'root.tar'),
      `deb ${mirror} ${suite} main`,
      `deb ${mirror} ${suite}-updates main`,
      `deb ${security} ${suite}-security main`,
    ])
  }

  async rootFileSystem(): Promise<void> {
    this.#begin('Create the root file system')
    const archive = join(this.#work, 'root.tar')
    await this.#run('tar', [
      '--extract',
      '--file',
      archive,
      '--directory',
      this.#work,
      './boot',
      './usr/lib/os-release',
    ])
    // Space for metadata and a first boot; growing adds the rest.
    const mebibytes = Math.ceil(((await stat(archive)).size / mebibyte) * 1.15 + 96)
    // Blocks as large as LUKS2's sectors: mke2fs would choose smaller ones for a small file system.
    const options = [
      '-q',
      '-t',
      'ext4',
      '-L',
      'root',
      '-m',
      '0',
      '-b',
      '4096',
      '-E',
      'lazy_itable_init=1,resize=33554432',
    ]
    await this.#run('mke2fs', [...options, '-d', archive, join(this.#work, 'root.ext4'), `${mebibytes}M`])
    await rm(archive)
  }

  async bootFile(): Promise<void> {
    this.#begin('Build and sign the kernel image')
    const kernel = await this.#kernel()
    const release = join(this.#work, 'os-release')
    const system = await readFile(join(this.#work, 'usr/lib/os-release'), 'utf8')
    const { opensDisk, name } = this.#recipe
    const initrd = [diskKeyField, settingsField, firmwareField, { name: updatesField, value: name }]
    const fields = opensDisk ? initrd.map((field) => `${field.name}=${field.value}\n`).join('') : ''
    await writeFile(release, `${system.trimEnd()}\n${fields}`)
    const { withNewKey } = await import('./signing-key.ts')
    await withNewKey(async (key) => {
      // ukify runs with the first python3 in PATH, which may lack its modules.
      await this.#run('/usr/bin/python3', [
        '/usr/bin/ukify',
        'build',
        `--linux=${join(this.#work, 'boot', `vmlinuz-${kernel}`)}`,
        `--initrd=${join(this.#work, 'boot', `initrd.img-${kernel}`)}`,
        `--cmdline=${this.#recipe.kernelCommandLine}`,
        `--os-release=@${release}`,
        `--uname=${kernel}`,
        `--stub=${stub}`,
        `--secureboot-private-key=${key.keyPath}`,
        `--secureboot-certificate=${key.certificatePath}`,
        `--output=${join(this.#partial, imageFiles.boot)}`,
      ])
      await writeFile(join(this.#partial, imageFiles.certificates), key.certificatePem, { mode: 0o644 })
      const sealed = await this.#o.sealKey?.(key.privateKey)
      if (sealed !== undefined) await writeFile(join(this.#partial, publisherKeyFile), sealed, { mode: 0o600 })
    })
  }

  async disk(): Promise<void> {
    this.#begin('Write the disk')
    const boot = join(this.#work, 'BOOTX64.EFI')
    await copyFile(join(this.#partial, imageFiles.boot), boot)
    const full = join(this.#work, 'full.raw')
    await repart({
      disk: full,
      directory: join(this.#work, 'repart.d'),
      create: true,
      partitions: [
        [
          ['Type', 'esp'],
          ['Format', 'vfat'],
          ['SizeMinBytes', `${espMebibytes}M`],
          ['SizeMaxBytes', `${espMebibytes}M`],
          ['CopyFiles', `${boot}:/EFI/BOOT/BOOTX64.EFI`],
        ],
        [
          ['Type', 'root-x86-64'],
          ['Label', 'root'],
          ['CopyBlocks', join(this.#work, 'root.ext4')],
          ['GrowFileSystem', 'yes'],
        ],
      ],
      ...(this.#o.signal && { signal: this.#o.signal }),
    })
    await copySparse(full, join(this.#partial, imageFiles.disk), this.#o.signal)
    await rm(full)
  }

  async describe(): Promise<ImageRecord> {
    this.#begin('Record the image')
    const record = await describeImage({
      id: this.#recipe.id,
      name: this.#recipe.name,
      directory: this.#partial,
      // Only the reference image is used by default.
      source: this.#recipe.name === recipeSources.reference.name ? 'reference' : 'import',
      qualifies: { confidential: true, diskEncryption: this.#recipe.opensDisk, reasons: [] },
    })
    await writeFile(join(this.#partial, imageFiles.record), `${JSON.stringify(record, null, 2)}\n`)
    for (const name of Object.values(imageFiles)) {
      await flush(join(this.#partial, name))
    }
    return record
  }

  async #kernel(): Promise<string> {
    const names = await readdir(join(this.#work, 'boot'))
    const versions = names.flatMap((name) => (name.startsWith('vmlinuz-') ? [name.slice('vmlinuz-'.length)] : []))
    const version = versions[0]
    if (version === undefined || versions.length > 1 || !names.includes(`initrd.img-${version}`)) {
      throw new Error(`expected one kernel with its initrd, found ${names.join(', ')}`)
    }
    return version
  }

  #begin(step: string): void {
    this.#o.signal?.throwIfAborted()
    this.step = step
    this.#o.progress?.(step)
  }

  async #run(command: string, args: string[]): Promise<void> {
    const { signal } = this.#o
    // Another user's namespace cannot enter our directory: mmdebstrap then uses the machine's own.
    const directory = process.getuid?.() === 0 ? { TMPDIR: this.#work } : {}
    await run({ command, args, cwd: this.#work, env: directory, ...(signal && { signal }) })
  }
}

/** True with CAP_SYS_ADMIN (capabilities(7)), bit 21 of the effective set. */
async function mayMount(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8')
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'
  return ((BigInt(`0x${effective}`) >> 21n) & 1n) === 1n
}

async function requireStub(): Promise<void> {
  try {
    await readFile(stub)
  } catch (error) {
    throw new ServiceError({
      code: 'MissingFirmware',
      message: "systemd's boot stub is not installed.",
      expected: stub,
      found: 'nothing there',
      remedy: 'apt-get install systemd-boot-efi',
      cause: error,
    })
  }
}
