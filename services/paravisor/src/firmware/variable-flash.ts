import { ByteWriter, parseGuid } from '@strongroom/evidence'
import type { EfiVariable } from '@strongroom/evidence/expected'

const [storeHeader, added] = [28, 0x3f]
/** Of EDK II's work space for writes that were cut short: a block behind the store, with a header (FaultTolerantWriteDxe). */
const [workSpace, workHeader] = [0x1000, 32]

/**
 * Flash of UEFI variables that holds these and no other, as EDK II lays them out (VariableFormat.h, authenticated). No write that was cut
 * short waits behind them: neither the flash before nor the template brings anything back in this way.
 * @param template a store of Debian's that was never written by a firmware
 * @throws RangeError where they do not fit
 */
export function writeVariableFlash(template: Uint8Array, variables: readonly EfiVariable[]): Buffer {
  const flash = Buffer.from(template)
  const volumeHeader = flash.readUInt16LE(48)
  const size = flash.readUInt32LE(volumeHeader + 16)
  const records = new ByteWriter()
  for (const { name, vendor, attributes, timestamp, data } of variables) {
    const text = Buffer.from(`${name}\0`, 'utf16le')
    records.u16le(0x55aa).u8(added).u8(0).u32le(attributes).zero(8).bytes(timestamp).u32le(0)
    records.u32le(text.length).u32le(data.length).bytes(parseGuid(vendor)).bytes(text).bytes(data)
    records.bytes(new Uint8Array((4 - (records.length % 4)) % 4).fill(0xff))
  }
  const content = records.finish()
  if (content.length > size - storeHeader) throw new RangeError('the variables do not fit into the flash')
  flash.fill(0xff, volumeHeader + storeHeader, volumeHeader + size)
  flash.set(content, volumeHeader + storeHeader)
  const end = volumeHeader + size
  flash.fill(0xff, end, end + workSpace)
  flash.fill(0xff, end + workSpace + workHeader)
  return flash
}
