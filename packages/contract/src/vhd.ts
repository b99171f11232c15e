/** Fixed VHDs (Microsoft's Virtual Hard Disk Image Format Specification, 2006): the disk itself, and a footer. */
export const vhdFooterLength = 512

/**
 * Footer of a fixed VHD.
 * @param id 16 bytes; default: zeros
 */
export function fixedVhdFooter(diskBytes: number, id: Uint8Array = new Uint8Array(16)): Uint8Array {
  const footer = new Uint8Array(vhdFooterLength)
  const view = new DataView(footer.buffer)
  const text = (value: string, at: number): void =>
    footer.set(
      Uint8Array.from(value, (character) => character.charCodeAt(0)),
      at,
    )
  text('conectix', 0)
  view.setUint32(8, 2)
  view.setUint32(12, 0x0001_0000)
  footer.fill(0xff, 16, 24)
  // Time stamp 0: the first second of 2000, so that two downloads are identical.
  text('strm', 28)
  view.setUint32(32, 0x0001_0000)
  text('Wi2k', 36)
  view.setBigUint64(40, BigInt(diskBytes))
  view.setBigUint64(48, BigInt(diskBytes))
  const { cylinders, heads, sectors } = geometry(diskBytes)
  view.setUint16(56, cylinders)
  view.setUint8(58, heads)
  view.setUint8(59, sectors)
  view.setUint32(60, 2)
  footer.set(id.subarray(0, 16), 68)
  const sum = footer.reduce((total, byte) => total + byte, 0)
  view.setUint32(64, ~sum >>> 0)
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
