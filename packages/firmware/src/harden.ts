import { findCode, unpack, withCode, type Code } from './compressed-code.ts'
import { withSteadyFirstVolume } from './first-volume.ts'
import { withoutKernelLoader } from './kernel-loader.ts'
import { withoutUnusedDrivers } from './unused-drivers.ts'

/**
 * OVMF without its kernel loader and without the drivers that no guest uses, and with a first volume that PCR 0 follows
 * from. Firmware that has all of this is returned unchanged.
 * @param firmware content of a flash file
 * @throws FirmwareError if it is not built like OVMF
 */
export async function hardenFirmware(firmware: Uint8Array): Promise<Uint8Array> {
  const flash = Buffer.from(firmware)
  const place = findCode(flash)
  const code = await unpack(place)
  const end = place.offset + place.length
  const hardened = harden({ code, boot: flash.subarray(end) })
  if (hardened.code.equals(code)) return firmware
  return await withCode(Buffer.concat([flash.subarray(0, end), hardened.boot]), place, hardened.code)
}

/** Whether firmware is the result of `hardenFirmware` for a source, however it is packed. */
export async function isHardenedFrom(made: Uint8Array, source: Uint8Array): Promise<boolean> {
  const [is, was] = [Buffer.from(made), Buffer.from(source)]
  const [packed, place] = [findCode(is), findCode(was)]
  if (packed.offset !== place.offset || packed.length !== place.length || is.length !== was.length) return false
  const end = place.offset + place.length
  if (!is.subarray(0, place.offset).equals(was.subarray(0, place.offset))) return false
  const { code, boot } = harden({ code: await unpack(place), boot: was.subarray(end) })
  return is.subarray(end).equals(boot) && code.equals(await unpack(packed))
}

const harden = (o: Code): Code => {
  const { code, boot } = withoutUnusedDrivers(o)
  return { code: withSteadyFirstVolume(withoutKernelLoader(code)), boot }
}
