import { readFile } from 'node:fs/promises'
import { guestFirmwarePath } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

/** The bytes that are measured and then launched: read once, so that both are the same. */
export async function readFirmware(): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(guestFirmwarePath))
  } catch (cause) {
    throw new ServiceError({
      code: 'MissingFirmware',
      status: 500,
      message: 'The UEFI firmware for guests is not installed.',
      expected: guestFirmwarePath,
      found: 'nothing that can be read',
      remedy: 'apt-get install ovmf',
      cause,
    })
  }
}
