import { readFile } from 'node:fs/promises'
import { ServiceError } from '@strongroom/platform'

/** Debian's OVMF with 4 MiB of flash. The Secure Boot build keeps the variables behind SMM. */
const firmwarePath = '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd'

/** The bytes that are measured and then launched: read once, so that both are the same. */
export async function readFirmware(): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(firmwarePath))
  } catch (cause) {
    throw new ServiceError({
      code: 'MissingFirmware',
      status: 500,
      message: 'The UEFI firmware for guests is not installed.',
      expected: firmwarePath,
      found: 'nothing that can be read',
      remedy: 'apt-get install ovmf',
      cause,
    })
  }
}
