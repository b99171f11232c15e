import { fromHex } from '../../core/bytes/hex.ts'

/**
 * Registers that identify what the firmware (0) booted: the machine (1), drivers and devices (2, 3, 6), what the firmware started
 * and under which keys (4, 7), the boot image (11), and what a host passed to its stub (12, 13).
 * @example
 * import { bootRegisters } from '@strongroom/evidence/expected'
 *
 * bootRegisters.includes(7) // => true
 * bootRegisters.join(' ') // => '1 2 3 4 6 7 11 12 13'
 */
export const bootRegisters = [1, 2, 3, 4, 6, 7, 11, 12, 13] as const
/** SHA-256 values by register: also of PCR 0, where the boot's firmware is known. */
export type BootRegisters = Record<(typeof bootRegisters)[number], Uint8Array> & { 0?: Uint8Array }

/**
 * A register extended by the separator alone (EV_SEPARATOR, predict/pcr.ts).
 * @example
 * import { equal } from '@strongroom/evidence'
 * import { nothingPassed, separatorAlone } from '@strongroom/evidence/expected'
 *
 * // A register into which the firmware measured nothing of its own.
 * equal(nothingPassed[2], separatorAlone) // => true
 */
export const separatorAlone: Uint8Array = fromHex('3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969')
const untouched = new Uint8Array(32)

/**
 * Drivers in a device's ROM and what they set go into PCR 2, 3 and 6 (TCG PC Client Platform Firmware Profile, section
 * 3.3.4), and what a host passes to the boot image's stub (a command line by SMBIOS, credentials, extension images,
 * add-ons) into PCR 12 and 13 (systemd-stub(7)). None of it may be present.
 * @example
 * import { isZero } from '@strongroom/evidence'
 * import { nothingPassed } from '@strongroom/evidence/expected'
 *
 * // Nothing may come from the host beside the image: these registers have their values without it.
 * isZero(nothingPassed[12]) && isZero(nothingPassed[13]) // => true
 */
export const nothingPassed: Pick<BootRegisters, 2 | 3 | 6 | 12 | 13> = {
  2: separatorAlone,
  3: separatorAlone,
  6: separatorAlone,
  12: untouched,
  13: untouched,
}
