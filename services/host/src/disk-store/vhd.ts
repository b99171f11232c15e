import { randomBytes } from 'node:crypto'

export const footerLength = 512

/** Footer of a fixed VHD (Microsoft's Virtual Hard Disk Image Format Specification, 2006), which follows the disk's data. */
export function fixedVhdFooter(diskBytes: number, id: Uint8Array = randomBytes(16)): Buffer {
  const footer = Buffer.alloc(footerLength)
  footer.write('conectix', 0, 'latin1')
  footer.writeUInt32BE(2, 8)
  footer.writeUInt32BE(0x0001_0000, 12)
  footer.fill(0xff, 16, 24)
  // Time stamp 0: the first second of 2000, so that two downloads are identical.
  footer.write('strm', 28, 'latin1')
  footer.writeUInt32BE(0x0001_0000, 32)
  footer.write('Wi2k', 36, 'latin1')
  footer.writeBigUInt64BE(BigInt(diskBytes), 40)
  footer.writeBigUInt64BE(BigInt(diskBytes), 48)
  const { cylinders, heads, sectors } = geometry(diskBytes)
  footer.writeUInt16BE(cylinders, 56)
  footer.writeUInt8(heads, 58)
  footer.writeUInt8(sectors, 59)
  footer.writeUInt32BE(2, 60)
  footer.set(id.subarray(0, 16), 68)
  let sum = 0
  for (const byte of footer) sum += byte
  footer.writeUInt32BE(~sum >>> 0, 64)
  return footer
}

/** Appendix "CHS Calculation" of the specification. */
function geometry(diskBytes: number): { cylinders: number; heads: number; sectors: number } {
  const total = Math.min(Math.floor(diskBytes / 512), 65_535 * 16 * 255)
  if (total >= 65_535 * 16 * 63) return { cylinders: Math.floor(total / 255 / 16), heads: 16, sectors: 255 }
  let sectors = 17
  let times = Math.floor(total / sectors)
  let heads = Math.max(Math.floor((times + 1023) / 1024), 4)
  if (times >= heads * 1024 || heads > 16) {
    sectors = 31
    heads = 16
    times = Math.floor(total / sectors)
  }
  if (times >= heads * 1024) {
    sectors = 63
    heads = 16
    times = Math.floor(total / sectors)
  }
  return { cylinders: Math.floor(times / heads), heads, sectors }
}
