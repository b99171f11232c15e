import { join } from 'node:path'
import type { RecipeSource } from '../../services/host/src/image/recipe.ts'

/**
 * The baseline for boots: the packages of the reference image with Debian's own initrd (initramfs-tools), the units
 * that Debian enables, an unencrypted root file system, and Debian's own OVMF. Boots with `quiet` as Debian does, but systemd prints the
 * targets it reaches.
 */
export const stockImage: RecipeSource = {
  name: 'debian-13-stock',
  parts: [join(import.meta.dirname, 'stock')],
  kernelCommandLine: 'root=LABEL=root ro quiet systemd.show_status=yes console=ttyS0,115200',
  opensDisk: false,
}

/** Console text once it has started. */
export const stockStarted = /Reached target (?:\S*multi-user\.target)/
