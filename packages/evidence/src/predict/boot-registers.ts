/** Registers that say what was booted: the firmware's (4, 7), the boot image's (11), and what a host passed to its stub (12, 13). */
export const bootRegisters = [4, 7, 11, 12, 13] as const
/** SHA-256 values by register. */
export type BootRegisters = Record<(typeof bootRegisters)[number], Uint8Array>

/**
 * What a host passes to the boot image's stub (a command line by SMBIOS, credentials, extension images, add-ons) goes into PCR
 * 12 and 13 (systemd-stub(7)). Nothing may be passed, so they stay as the TPM starts with them.
 */
export const nothingPassed: Pick<BootRegisters, 12 | 13> = { 12: new Uint8Array(32), 13: new Uint8Array(32) }
