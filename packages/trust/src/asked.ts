import type { AskedSettings } from '@strongroom/contract'

/** The expected settings of a guest, and their source. */
export type SettingsReference =
  | { by: 'owner' | 'creator' | 'resource manager'; asked: AskedSettings }
  /** The guest's own file, as its owner read it or made it. */
  | { by: 'file'; settled: Uint8Array }

/** What every later boot of a VM must have in common with the first one its creator trusted. Hexadecimal. */
export interface BootPins {
  /** Authenticode digest of the image's boot file. */
  bootFile: string
  /** Of PCR 15: absent where the OS disk is not encrypted, or no guest ran. */
  volume?: string
}
