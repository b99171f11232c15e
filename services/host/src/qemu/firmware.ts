import { FirmwareError, firmwarePath, guestFirmware } from '@strongroom/firmware'
import { ServiceError } from '@strongroom/platform'

/**
 * The bytes that are measured and then launched: read once, so that both are the same.
 * @param path flash file
 * @throws ServiceError MissingFirmware, FirmwareNotHardened
 */
export async function readFirmware(path: string = firmwarePath()): Promise<Uint8Array> {
  try {
    return await guestFirmware(path)
  } catch (cause) {
    if (cause instanceof FirmwareError) {
      const { message, expected, found, remedy } = cause
      throw new ServiceError({ code: 'FirmwareNotHardened', message, expected, found, remedy, cause })
    }
    throw new ServiceError({
      code: 'MissingFirmware',
      message: 'The UEFI firmware for guests is not installed.',
      expected: path,
      found: 'nothing that can be read',
      remedy: 'Install it (apt-get install ovmf), or name the file of another build in STRONGROOM_FIRMWARE.',
      cause,
    })
  }
}
