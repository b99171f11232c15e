import { createHash } from 'node:crypto'
import { EvidenceError } from '@strongroom/evidence'
import { firmwareEvents, predictPcr0, type FirmwareEvent } from '@strongroom/evidence/expected'
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

/** What firmware measures into PCR 0, and the register's value then. */
interface MeasuredCode {
  events: FirmwareEvent[]
  register: Uint8Array
}

/** By digest. To unpack the code takes a quarter of a second. */
const measured = new Map<string, Promise<MeasuredCode>>()

/** @throws ServiceError FirmwareNotHardened */
export async function measuredCode(firmware: Uint8Array): Promise<MeasuredCode> {
  const digest = createHash('sha256').update(firmware).digest('hex')
  const found = measured.get(digest) ?? measureCode(firmware)
  measured.clear()
  measured.set(digest, found)
  return await found
}

async function measureCode(firmware: Uint8Array): Promise<MeasuredCode> {
  try {
    const events = await firmwareEvents(firmware)
    return { events, register: await predictPcr0(events) }
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw new ServiceError({
      code: 'FirmwareNotHardened',
      message: 'What the guests’ UEFI firmware measures into PCR 0 does not follow from its bytes.',
      expected: 'firmware built like Debian’s OVMF',
      found: cause.found ?? cause.message,
      remedy: 'Install Debian’s package ovmf.',
      cause,
    })
  }
}
