import type { Tee } from './host.ts'

export { firmwareUpdates, type FirmwareUpdates } from './wires/elements/names.ts'

/**
 * Firmware of every guest: Debian's OVMF with 4 MiB of flash, in the Secure Boot build, which protects the variables by
 * SMM. The host launches it; a verifier of the launch measures its own copy.
 */
export const guestFirmwarePath = '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd'

/** In STATE: the firmware that guests may be launched with, signed (compact JWS, docs/design/0020-firmware-updates.md). */
export const firmwareListFile = 'firmware-list.jws'

/** The most processors that any size has. */
export const mostVCPUs = 128

/** QEMU's names of each technology's processors. */
export const cpuModels: Record<Tee, string> = { SNP: 'EPYC-Milan', TDX: 'SapphireRapids' }

/**
 * Virtual processors of a size, from its name: `Standard_DC4as_v5` has 4 (Azure's naming conventions of VM sizes; a
 * number after a hyphen, as in `Standard_E8-4s_v5`, is the reduced count).
 * @returns undefined if it is not a size's name
 */
export function vCPUsOf(size: string): number | undefined {
  const [, all, constrained] =
    /^(?:Standard|Basic)_[A-Z]+(\d{1,4})(?:-(\d{1,4}))?[a-z]*(?:_[A-Za-z0-9]+)*$/.exec(size) ?? []
  const count = constrained ?? all
  return count === undefined ? undefined : Number(count)
}
