import { guestFirmwarePath } from '@strongroom/contract'
import { FirmwareError, guestFirmware } from '@strongroom/firmware'
import { ServiceError } from '@strongroom/platform'

/**
 * The bytes that are measured and then launched: read once, so that both are the same.
 * @throws ServiceError MissingFirmware, FirmwareNotHardened
 */
export async function readFirmware(): Promise<Uint8Array> {
  try {
    return await guestFirmware()
  } catch (cause) {
    if (cause instanceof FirmwareError) {
      const { message, expected, found, remedy } = cause
      throw new ServiceError({ code: 'FirmwareNotHardened', message, expected, found, remedy, cause })
    }
    throw new ServiceError({
      code: 'MissingFirmware',
      message: 'The UEFI firmware for guests is not installed.',
      expected: guestFirmwarePath,
      found: 'nothing that can be read',
      remedy: 'apt-get install ovmf',
      cause,
    })
  }
}
