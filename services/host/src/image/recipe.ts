import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageVariant } from '@strongroom/contract'
import { diskKeyField, firmwareField, settingsField } from '@strongroom/paravisor/expected'

/**
 * Folders of files that are copied into images or build them, stored as plain files so that readers see everything of
 * ours that a guest runs.
 */
export const recipesDirectory: string = join(import.meta.dirname, 'recipes')
const part = (name: string): string => join(recipesDirectory, name)

/** What an image is built from. */
export interface RecipeSource {
  name: string
  /**
   * Folders in order of effect: `packages.txt`, mmdebstrap hooks that are called with the root (`essential.sh` before
   * packages are configured, `customize.sh` after all of them), and the files that those install.
   */
  parts: readonly string[]
  kernelCommandLine: string
  /** Whether its initrd is ours, which opens an encrypted OS disk. */
  opensDisk: boolean
}

/**
 * Kernel command line, inside the signed image. The host reaches a starting system through strings of its own making;
 * all are ignored: no systemd credentials from SMBIOS, fw_cfg or the ESP (systemd.system-credentials(7)), no partition
 * mounted for its type (systemd-gpt-auto-generator(8)), no SSH on a vsock (systemd-ssh-generator(8)), no image to
 * resume from. A panic ends the machine: QEMU runs with -no-reboot. Of a seed that the firmware or the boot stub passes on, which may be a
 * file of the host's, no bit counts as random (`random.trust_bootloader`).
 *
 * `lsm` is the kernel's list without tomoyo, which has no policy here, and bpf: systemd would read all of the kernel's
 * type information at every boot for a setting (RestrictFileSystems) that no unit of the image has.
 */
const kernelCommandLine: string = [
  'console=ttyS0,115200 loglevel=4 no_timer_check panic=10',
  'systemd.import_credentials=no systemd.gpt_auto=no systemd.ssh_auto=no noresume module_blacklist=qemu_fw_cfg',
  'random.trust_bootloader=off',
  'lsm=landlock,lockdown,yama,apparmor,ipe,ima,evm',
].join(' ')

const ours = { kernelCommandLine, opensDisk: true }

export const recipeSources: Record<ImageVariant, RecipeSource> = {
  reference: { ...ours, name: 'debian-13-confidential', parts: [part('common'), part('reference')] },
  'cloud-init': { ...ours, name: 'debian-13-cloud-init', parts: ['common', 'reference', 'cloud-init'].map(part) },
  minimal: { ...ours, name: 'debian-13-minimal', parts: [part('common'), part('minimal')] },
}

export const suite = 'trixie'

/** The EFI system partition: OVMF does not read FAT32 below about 260 MB. */
export const espMebibytes = 300

/** Increased when the builder makes another image from the same files. */
const builderVersion = 5

export interface Recipe extends RecipeSource {
  /** Name of the image in the cache: a recipe is built once. */
  id: string
  packages: string[]
  /** Programs that mmdebstrap calls, by the name of its hook. */
  hooks: { essential: string[]; customize: string[] }
}

/** @throws if a part has no list of packages */
export async function loadRecipe(source: RecipeSource = recipeSources.reference): Promise<Recipe> {
  const { name, parts, opensDisk } = source
  const made = [
    builderVersion,
    name,
    suite,
    source.kernelCommandLine,
    espMebibytes,
    opensDisk ? [diskKeyField, settingsField, firmwareField] : null,
  ]
  const hash = createHash('sha256').update(JSON.stringify(made))
  const packages: string[] = []
  for (const directory of parts) {
    for (const file of (await readdir(directory)).toSorted()) {
      const content = await readFile(join(directory, file))
      hash.update(`${file}\0${content.length}\0`).update(content)
    }
    const list = await readFile(join(directory, 'packages.txt'), 'utf8')
    packages.push(...list.split('\n').filter((line) => line !== '' && !line.startsWith('#')))
  }
  const hooks = (file: string): string[] => parts.map((each) => join(each, file)).filter((path) => existsSync(path))
  return {
    ...source,
    id: `${name}-${hash.digest('hex').slice(0, 12)}`,
    packages,
    hooks: { essential: hooks('essential.sh'), customize: hooks('customize.sh') },
  }
}
