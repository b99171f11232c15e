/**
 * Boot phases that systemd-pcrphase extends into PCR 11, in order (systemd-pcrphase.service(8)).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { bootPhases, parsePe, predictPcr11 } from '@strongroom/evidence/expected'
 *
 * const image = parsePe(await readFile('boot.efi'))
 * const values = await Promise.all(bootPhases.map(async (phase) => toHex(await predictPcr11(image, phase))))
 * new Set(values).size === bootPhases.length // => true
 */
export const bootPhases = ['enter-initrd', 'leave-initrd', 'sysinit', 'ready'] as const
export type BootPhase = (typeof bootPhases)[number]
/**
 * What systemd in the guest extends after the end of the firmware's log, by register.
 * @example
 * import { systemdPhases } from '@strongroom/evidence/expected'
 *
 * systemdPhases.get(11) // => ['enter-initrd', 'leave-initrd', 'sysinit', 'ready']
 */
export const systemdPhases: ReadonlyMap<number, readonly BootPhase[]> = new Map([[11, bootPhases]])

/** Sections in the stub's own order, which is not the file's; `.pcrsig` signs the result and is not measured (systemd-stub(7)). */
export const measuredSections: readonly string[] = [
  '.linux',
  '.osrel',
  '.cmdline',
  '.initrd',
  '.ucode',
  '.splash',
  '.dtb',
  '.uname',
  '.sbat',
  '.pcrpkey',
  '.profile',
  '.dtbauto',
  '.hwids',
]
