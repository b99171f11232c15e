import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Files that go into the image or make it; kept as they are, so that a reader sees all that the guest runs of ours. */
export const recipeDirectory: string = join(import.meta.dirname, 'recipe')

export const referenceName = 'debian-13-confidential'
export const suite = 'trixie'

/**
 * Kernel command line, inside the signed image: console on the serial port; no shell in the initrd and power off instead;
 * reboot after a panic, which QEMU's -no-reboot makes an end. A busy host under emulation needs more than systemd's 90 s until
 * the disk is there; whoever waits in vain is ended by the boot limit.
 */
export const kernelCommandLine =
  'console=ttyS0,115200 loglevel=5 no_timer_check panic=10 rd.shell=0 rd.emergency=poweroff systemd.default_device_timeout_sec=600'

/** The EFI system partition: OVMF does not read FAT32 below about 260 MB. */
export const espMebibytes = 300

/** Goes up when the builder itself makes another image from the same files. */
const builderVersion = 2

export interface Recipe {
  /** Name of the image in the cache: the same recipe is built once. */
  id: string
  packages: string[]
}

export async function loadRecipe(): Promise<Recipe> {
  const hash = createHash('sha256').update(
    JSON.stringify([builderVersion, referenceName, suite, kernelCommandLine, espMebibytes]),
  )
  for (const name of (await readdir(recipeDirectory)).toSorted()) {
    const content = await readFile(join(recipeDirectory, name))
    hash.update(`${name}\0${content.length}\0`).update(content)
  }
  const list = await readFile(join(recipeDirectory, 'packages.txt'), 'utf8')
  const packages = list.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return { id: `${referenceName}-${hash.digest('hex').slice(0, 12)}`, packages }
}
