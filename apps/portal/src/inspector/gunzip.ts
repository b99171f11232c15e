import { concat } from '@strongroom/evidence'
import type { Gunzip } from '@strongroom/evidence/files'
import { inflate, InflateError } from './inflate.ts'

const flag = { headerChecksum: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 }

/** Whole gzip streams (RFC 1952), concatenated, to the last byte; like the command line's, which is Node's. */
export const gunzip: Gunzip = (bytes, maximum) => {
  if (maximum < 1) return undefined
  try {
    const parts: Uint8Array[] = []
    let left = maximum
    for (let at = 0; at < bytes.length || at === 0;) {
      const { content, end } = inflate(bytes, endOfHeader(bytes, at), left)
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      if (end + 8 > bytes.length) return undefined
      if (view.getUint32(end, true) !== crc32(content) || view.getUint32(end + 4, true) !== content.length)
        return undefined
      parts.push(content)
      left -= content.length
      at = end + 8
    }
    return concat(...parts)
  } catch (error) {
    if (error instanceof InflateError) return undefined
    throw error
  }
}

/** RFC 1952 section 2.3. */
function endOfHeader(bytes: Uint8Array, start: number): number {
  const [one, two, method, flags = 0] = bytes.subarray(start, start + 4)
  if (one !== 0x1f || two !== 0x8b || method !== 8 || (flags & flag.reserved) !== 0)
    throw new InflateError('no gzip stream')
  let at = start + 10
  if ((flags & flag.extra) !== 0) at += 2 + (bytes[at] ?? 0) + ((bytes[at + 1] ?? 0) << 8)
  for (const text of [flag.name, flag.comment]) {
    if ((flags & text) === 0) continue
    const zero = bytes.indexOf(0, at)
    if (zero < 0) throw new InflateError('a text without end')
    at = zero + 1
  }
  if ((flags & flag.headerChecksum) !== 0) {
    if ((crc32(bytes.subarray(start, at)) & 0xff_ff) !== ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)))
      throw new InflateError('a header that was changed')
    at += 2
  }
  if (at > bytes.length) throw new InflateError('the header ends early')
  return at
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? 0xed_b8_83_20 ^ (value >>> 1) : value >>> 1
  return value
})

function crc32(bytes: Uint8Array): number {
  let value = 0xff_ff_ff_ff
  for (const byte of bytes) value = table[(value ^ byte) & 0xff]! ^ (value >>> 8)
  return (value ^ 0xff_ff_ff_ff) >>> 0
}
