/** Boot phases that systemd-pcrphase extends into PCR 11, in order (systemd-pcrphase.service(8)). */
export const bootPhases = ['enter-initrd', 'leave-initrd', 'sysinit', 'ready'] as const
export type BootPhase = (typeof bootPhases)[number]
/** What systemd in the guest extends after the firmware's log has ended, by register. */
export const systemdPhases: ReadonlyMap<number, readonly BootPhase[]> = new Map([[11, bootPhases]])

/** Sections in the stub's own order, which is not the file's; `.pcrsig` signs the result and is left out (systemd-stub(7)). */
export const measuredSections: readonly string[] = [
  '.linux', '.osrel', '.cmdline', '.initrd', '.ucode', '.splash', '.dtb', '.uname', '.sbat', '.pcrpkey', '.profile', '.dtbauto', '.hwids',
] // prettier-ignore
