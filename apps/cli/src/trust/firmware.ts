import { firmwarePath, guestFirmware } from '@strongroom/firmware'
import type { LaunchFirmware } from '@strongroom/trust'

/**
 * The firmware that guests must have been launched with, from the verifier's own copy of Debian's: whatever the machine
 * reports, any other launch is refused.
 * @param path default: Debian's, as installed where the verifier runs, or STRONGROOM_FIRMWARE
 */
export async function ownFirmware(path: string = firmwarePath()): Promise<LaunchFirmware | { unknown: string }> {
  try {
    return { name: path, bytes: await guestFirmware(path) }
  } catch (error) {
    return {
      unknown:
        `There is no firmware at ${path} to compute the launch measurement from (${(error as Error).message}). ` +
        "Install Debian's package ovmf, or pass your own copy with --firmware.",
    }
  }
}
