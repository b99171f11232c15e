import type { AskedSettings, FirmwareUpdates, ImageReference } from '@strongroom/contract'
import type { RanFirmware } from '@strongroom/evidence/expected'

/** The expected image of a VM, and the source of that expectation. */
export interface AskedImage {
  by: 'creator' | 'first boot' | 'resource manager'
  /** Undefined if the VM was created from a disk and not from an image. */
  reference: ImageReference | undefined
  /** Authenticode digest of the boot file that the creator's first trusted boot ran, hexadecimal. */
  bootFile?: string | undefined
  /** Signer of its updates, as that boot reported: `publisherAuthority`, hexadecimal. */
  publisher?: string | undefined
  /** The highest boot-file generation that the creator trusted. */
  generation?: number | undefined
  /** How many updates of Secure Boot variables the boot had that the creator trusted last. */
  variableUpdates?: number | undefined
}

/** The expected settings of a guest, and their source. */
export type SettingsReference =
  | { by: 'owner' | 'creator' | 'resource manager'; asked: AskedSettings }
  /** The guest's own file, as its owner read or created it. */
  | { by: 'file'; settled: Uint8Array }
  /** As at the first boot that its owner trusted, of a VM that they did not create here. */
  | { by: 'first boot'; settled: Uint8Array }
  /** By the manifest of the backup that the VM's owner restored. */
  | { by: 'backup'; settled: Uint8Array }

/** The verifier's own copy of the firmware. */
export interface LaunchFirmware {
  /** The verifier's name for it, for example its path. */
  name: string
  bytes: Uint8Array
}

/** The expected launch: firmware, or the measurement of an earlier boot that its owner trusted (hexadecimal). */
export type LaunchReference = LaunchFirmware | { pinned: string }

/** Firmware of a boot that its owner trusted, in hexadecimal. */
export interface PinnedFirmware extends RanFirmware {
  /** Launch digest or MRTD of that boot. */
  measurement: string
}

/** Which firmware a VM may have been launched with. */
export interface AskedFirmware {
  /** Default: `Listed`. */
  updates?: FirmwareUpdates | undefined
  /** Of the last boot that its creator trusted. */
  pinned?: PinnedFirmware | undefined
}

/** A backup that a verifier knows the VM was restored from. */
export interface AskedBackup {
  /** SHA-256 of its manifest, hexadecimal. */
  manifest: string
  /** What the guest settled, as the manifest has it. */
  settled: Uint8Array
}

/** The provider that a VM named, from the resource manager's record, or why it is unknown. */
export type AskedProvider = { issuer: string } | { unknown: string }

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
  /** SSH host key, type and key. Absent if the guest has none. */
  sshHostKey?: string
  /** How many updates of Secure Boot variables a trusted boot had; absent where none. */
  variableUpdates?: number
}

/** What a verifier asks a boot to show. */
export interface Asked {
  /** The requested VM: another VM's evidence does not count, however good. Any VM if absent. */
  vmId?: string
  /** The requested encryption: the evidence, which the host stores, must not claim less. */
  encryption: string
  /** The requested size: the guest must not have more processors. */
  size: string
  /** The firmware that the guest must have been launched with, or why it is unknown. */
  firmware: LaunchReference | { unknown: string }
  /** Which firmware the VM's owner allows; default: what the installation lists. */
  askedFirmware?: AskedFirmware | undefined
  /** The requested image. */
  image: AskedImage
  /** Whether Secure Boot was requested. */
  secureBoot: boolean
  /** Digest of the volume pinned at the creator's first trusted boot, hexadecimal. */
  volume?: string | undefined
  /** When its owner replaced the volume key, if no boot with another volume was trusted since: this one must have one. ISO 8601. */
  rekeyed?: string | undefined
  /** The requested disk-encryption set, by ARM id. */
  diskEncryptionSet?: string | undefined
  /** The backup that the VM was made of; null if it was requested without one. If absent, it is shown and not judged. */
  restored?: AskedBackup | null | undefined
  /** The requested account, keys and custom data, and their source; the guest is compared with them. Not compared if absent. */
  settings?: SettingsReference | undefined
  /** SSH host key of the last boot that the creator trusted, if pinned: type and key. */
  sshHostKey?: string | undefined
  /** The requested provider, whose token the evidence must rest on. By default the region's shared one. */
  asked?: AskedProvider
}
