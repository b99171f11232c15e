import { guestFirmwarePath } from '@strongroom/contract'
import { guestFirmware } from '@strongroom/firmware'
import { sha256Hex } from './bytes.ts'
import { LinkNotChecked } from './link.ts'

/** Firmware of the verifier's own. */
export interface OwnFirmware {
  path: string
  bytes: Uint8Array
  sha256: string
}

/**
 * The firmware that guests must have been launched with, made from the verifier's own copy of Debian's: whatever the machine
 * says that it launched, it is this or refused.
 * @param path default: Debian's, as installed where the verifier runs
 * @throws LinkNotChecked where there is none
 */
export async function ownFirmware(path: string = guestFirmwarePath): Promise<OwnFirmware> {
  let bytes: Uint8Array
  try {
    bytes = await guestFirmware(path)
  } catch (error) {
    throw new LinkNotChecked(
      `There is no firmware at ${path} to compute the launch measurement from (${(error as Error).message}). Install Debian's package ovmf, or name a copy of your own with --firmware.`,
    )
  }
  return { path, bytes, sha256: await sha256Hex(bytes) }
}
