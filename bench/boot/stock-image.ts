import { join } from 'node:path'
import type { RecipeSource } from '../../services/host/src/image/recipe.ts'

/**
 * The anchor for boots: the packages of the reference image with Debian's own initrd (initramfs-tools) and the units that Debian enables, on a
 * root file system in clear. Boots under `quiet` as Debian does, but systemd says which targets it reaches.
 */
export const stockImage: RecipeSource = {
  name: 'debian-13-stock',
  parts: [join(import.meta.dirname, 'stock')],
  kernelCommandLine: 'root=LABEL=root ro quiet systemd.show_status=yes console=ttyS0,115200',
  opensDisk: false,
}

/** What its console has when it has started. */
export const stockStarted = /Reached target (?:\S*multi-user\.target)/
