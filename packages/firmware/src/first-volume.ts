import { notHardened } from './compressed-code.ts'
import { filesOf, findVolume, type VolumeFile } from './volume.ts'

const peiCore = 0x04
const guid = (hex: string): Buffer => Buffer.from(hex, 'hex')

/** gEfiPeiMpInitLibMpDepPpiGuid, gEfiPeiPcdPpiGuid and gPeiTpmInitializationDonePpiGuid (edk2), in memory order. */
const manyProcessors = guid('f49c8f13e7f021478f49f5ffecf42d40')
const settings = guid('254df301e24dad233ff336353ff323f1')
const tpmStarted = guid('15d130a0dd547b449064f206883d7ccc')

/** PUSH first, PUSH the processors', AND, END (UEFI PI 1.8 volume 1, section 10.7). */
const afterBoth = (first: Buffer): Buffer =>
  Buffer.concat([Buffer.of(2), first, Buffer.of(2), manyProcessors, Buffer.of(3, 8)])

/** `mov dword [rip + distance], 0x608`: the port of the machine's timer, QEMU's ICH9. */
const storesTimerPort = { code: Buffer.from('c705', 'hex'), bytes: 10, port: 0x608 }

/**
 * Code whose first volume is in memory as it is unpacked when the firmware measures it into PCR 0, so that the register
 * follows from the firmware alone. Otherwise its modules write to themselves before:
 * - The driver that starts the other processors comes before the one of the TPM, and relocates SMM with code in this
 *   volume: addresses that depend on memory and processors. Here it waits until the TPM has started and has measured;
 *   what it waited for, the TPM's configuration waits for too.
 * - The core stores the port of its timer, a constant: it is there already.
 * @throws FirmwareError if the volume is not built like OVMF's
 */
export function withSteadyFirstVolume(code: Buffer): Buffer {
  const changed = Buffer.from(code)
  const place = findVolume(changed, peiCore)
  const volume = place && changed.subarray(place.offset, place.offset + place.length)
  const core = volume && filesOf(volume)?.find(({ type }) => type === peiCore)
  if (volume === undefined || core === undefined) throw notHardened('no first volume that can be read')
  const [before, after] = [afterBoth(settings), afterBoth(tpmStarted)]
  const waits = volume.includes(after) ? after : before
  const at = volume.indexOf(waits)
  if (at < 0 || volume.includes(waits, at + 1)) throw notHardened('no one driver that starts the other processors')
  after.copy(volume, at)
  volume.writeUInt32LE(storesTimerPort.port, placeOfTimerPort(volume, core))
  return changed
}

function placeOfTimerPort(volume: Buffer, core: VolumeFile): number {
  const { code, bytes, port } = storesTimerPort
  const end = core.offset + core.length
  const places: number[] = []
  for (let at = volume.indexOf(code, core.offset); at >= 0 && at + bytes <= end; at = volume.indexOf(code, at + 1)) {
    const target = at + bytes + volume.readInt32LE(at + code.length)
    if (volume.readUInt32LE(at + bytes - 4) !== port || target < core.offset || target + 4 > end) continue
    if ([0, port].includes(volume.readUInt32LE(target))) places.push(target)
  }
  const [place, second] = places
  if (place === undefined || second !== undefined) throw notHardened('a core that does not store its timer’s port once')
  return place
}
