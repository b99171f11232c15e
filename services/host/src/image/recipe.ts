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
 * Kernel command line, inside the signed image. The host reaches a system that starts through strings of its own making, and
 * none is listened to: no credentials of systemd's from SMBIOS, fw_cfg or the ESP (systemd.system-credentials(7)), no partition
 * mounted for its type (systemd-gpt-auto-generator(8)), no SSH on a vsock (systemd-ssh-generator(8)), no image to resume from.
 * A panic ends the machine: QEMU runs with -no-reboot.
 *
 * `lsm` is the kernel's own list without tomoyo, which has no policy here, and bpf: systemd would read all of the kernel's type information
 * at every boot for a setting (RestrictFileSystems) that no unit of the image has.
 */
export const kernelCommandLine: string = [
  'console=ttyS0,115200 loglevel=4 no_timer_check panic=10',
  'systemd.import_credentials=no systemd.gpt_auto=no systemd.ssh_auto=no noresume module_blacklist=qemu_fw_cfg',
  'lsm=landlock,lockdown,yama,apparmor,ipe,ima,evm',
].join(' ')

/**
 * In `.osrel` of a kernel image: its initrd opens the OS disk with the volume key in the vTPM, in the second form that there was
 * (recipe/init; docs/design/0009-disk-key.md).
 */
export const diskKeyField: { name: string; value: string } = { name: 'STRONGROOM_DISK_KEY', value: '2' }

/** The EFI system partition: OVMF does not read FAT32 below about 260 MB. */
export const espMebibytes = 300

/** Goes up when the builder itself makes another image from the same files. */
const builderVersion = 4

export interface Recipe {
  /** Name of the image in the cache: the same recipe is built once. */
  id: string
  variant: ImageVariant
  packages: string[]
}

export async function loadRecipe(variant: ImageVariant = 'reference'): Promise<Recipe> {
  const name = imageNames[variant]
  const hash = createHash('sha256').update(
    JSON.stringify([builderVersion, name, suite, kernelCommandLine, espMebibytes, diskKeyField]),
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
