import type { AskedSettings } from '@strongroom/contract'
import type { PinnedFirmware } from './firmware-link.ts'

/** The expected settings of a guest, and their source. */
export type SettingsReference =
  | { by: 'owner' | 'creator' | 'resource manager'; asked: AskedSettings }
  /** The guest's own file, as its owner read or created it. */
  | { by: 'file'; settled: Uint8Array }
  /** By the manifest of the backup that the VM's owner restored. */
  | { by: 'backup'; settled: Uint8Array }

/** What every later boot of a VM must have in common with the first one its creator trusted. Hexadecimal. */
export interface BootPins {
  /** Authenticode digest of the image's boot file. */
  bootFile: string
  /** Signer of its updates: digest of the certificate as PCR 7 has it (publisherAuthority). Absent if there is none. */
  publisher?: string
  /** Of PCR 15: absent if the OS disk is not encrypted, or no guest ran. */
  volume?: string
  /** The highest generation of a boot-file update that ran in a trusted boot; absent if none did. */
  generation?: number
  /** Of the last trusted boot. Absent for VMs whose key nobody releases. */
  firmware?: PinnedFirmware
  /** How many updates of Secure Boot variables a trusted boot had; absent where none. */
  variableUpdates?: number
}
