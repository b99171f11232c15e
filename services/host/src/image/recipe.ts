import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageVariant } from '@strongroom/contract'

/** Files that go into the image or make it; kept as they are, so that a reader sees all that the guest runs of ours. */
export const recipeDirectory: string = join(import.meta.dirname, 'recipe')

/** What each variant adds to the reference image: hooks, packages and files, kept in the same way. */
export const variantDirectory: Partial<Record<ImageVariant, string>> = {
  'cloud-init': join(import.meta.dirname, 'recipe-cloud-init'),
}

export const imageNames: Record<ImageVariant, string> = {
  reference: 'debian-13-confidential',
  'cloud-init': 'debian-13-cloud-init',
}
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
  variant: ImageVariant
  packages: string[]
}

export async function loadRecipe(variant: ImageVariant = 'reference'): Promise<Recipe> {
  const name = imageNames[variant]
  const hash = createHash('sha256').update(
    JSON.stringify([builderVersion, name, suite, kernelCommandLine, espMebibytes]),
  )
  const packages: string[] = []
  for (const directory of [recipeDirectory, variantDirectory[variant]]) {
    if (directory === undefined) continue
    for (const file of (await readdir(directory)).toSorted()) {
      const content = await readFile(join(directory, file))
      hash.update(`${file}\0${content.length}\0`).update(content)
    }
    const list = await readFile(join(directory, 'packages.txt'), 'utf8')
    packages.push(...list.split('\n').filter((line) => line !== '' && !line.startsWith('#')))
  }
  return { id: `${name}-${hash.digest('hex').slice(0, 12)}`, variant, packages }
}
