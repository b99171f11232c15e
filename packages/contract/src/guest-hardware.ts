import type { Tee } from './host.ts'

/**
 * Firmware of every guest: Debian's OVMF with 4 MiB of flash, in the build for Secure Boot, which keeps the variables behind SMM.
 * The host launches it, and who verifies a launch measures a copy of their own.
 */
export const guestFirmwarePath = '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd'

/** QEMU's names of the processors that the technologies come with. */
export const cpuModels: Record<Tee, string> = { SNP: 'EPYC-Milan', TDX: 'SapphireRapids' }

/**
 * Virtual processors of a size, by its name alone: `Standard_DC4as_v5` has 4 (Azure's naming conventions of VM sizes; a number
 * after a hyphen, as in `Standard_E8-4s_v5`, is what is left of them).
 * @returns undefined where the name is not a size's
 */
export function vCPUsOf(size: string): number | undefined {
  const [, all, constrained] =
    /^(?:Standard|Basic)_[A-Z]+(\d{1,4})(?:-(\d{1,4}))?[a-z]*(?:_[A-Za-z0-9]+)*$/.exec(size) ?? []
  const count = constrained ?? all
  return count === undefined ? undefined : Number(count)
}
