/** A file of a firmware volume. */
export interface VolumeFile {
  /** In memory order, hexadecimal. */
  guid: string
  /** EFI_FV_FILETYPE. */
  type: number
  attributes: number
  /** In the volume, bytes. */
  offset: number
  length: number
}

const volumeSection = 0x17
const programSection = 0x10
const dxeCore = 0x05
const fileHeaderBytes = 24
/** FFS_ATTRIB_LARGE_FILE: the length is eight bytes behind the header. */
const largeFile = 0x01
const alignment = 8
/** With one entry in its block map, and the map's end. */
const volumeHeaderBytes = 72
/** Lengths of volumes are multiples of this, bytes. */
const volumeGrain = 0x1_0000
const erased = 0xff

const aligned = (value: number, to: number): number => Math.ceil(value / to) * to

/** The volume with the DXE core, which has the firmware’s drivers. @returns as for `findVolume` */
export const findDriverVolume = (code: Buffer): ReturnType<typeof findVolume> => findVolume(code, dxeCore)

/**
 * The volume with a file of this type (UEFI PI 1.8 volume 3, sections 2.1 to 3.2).
 * @param code sections, unpacked
 * @returns where the volume is, bytes; undefined if there is none
 */
export function findVolume(code: Buffer, type: number): { offset: number; length: number } | undefined {
  for (let at = 0; at + 4 <= code.length;) {
    const length = code.readUIntLE(at, 3)
    if (length < 4 || at + length > code.length) return undefined
    const volume = { offset: at + 4, length: length - 4 }
    if (code[at + 3] === volumeSection) {
      const files = filesOf(code.subarray(at + 4, at + length))
      if (files?.some((file) => file.type === type) === true) return volume
    }
    at = aligned(at + length, 4)
  }
  return undefined
}

/** @returns undefined if this is not a volume whose files follow one another */
export function filesOf(volume: Buffer): VolumeFile[] | undefined {
  if (!isVolume(volume)) return undefined
  const files: VolumeFile[] = []
  let at = firstFile(volume)
  while (at + fileHeaderBytes <= volume.length && !isErased(volume.subarray(at, at + fileHeaderBytes))) {
    const attributes = volume[at + 19]!
    const isLarge = (attributes & largeFile) !== 0
    if (isLarge && at + 32 > volume.length) return undefined
    const length = isLarge ? Number(volume.readBigUInt64LE(at + 24)) : volume.readUIntLE(at + 20, 3)
    if (length < fileHeaderBytes || at + length > volume.length) return undefined
    const guid = volume.toString('hex', at, at + 16)
    files.push({ guid, type: volume[at + 18]!, attributes, offset: at, length })
    at = aligned(at + length, alignment)
  }
  return files
}

/** Whether its header is complete and gives the actual length, in blocks and in bytes: `withLength` writes both. */
function isVolume(volume: Buffer): boolean {
  if (volume.length < volumeHeaderBytes || volume.toString('latin1', 40, 44) !== '_FVH') return false
  const [headerBytes, extended, blockBytes] = [
    volume.readUInt16LE(48),
    volume.readUInt16LE(52),
    volume.readUInt32LE(60),
  ]
  return (
    volume.readBigUInt64LE(32) === BigInt(volume.length) &&
    headerBytes === volumeHeaderBytes &&
    (extended === 0 || extended + 20 <= volume.length) &&
    blockBytes !== 0 &&
    blockBytes * volume.readUInt32LE(56) === volume.length &&
    volumeGrain % blockBytes === 0
  )
}

/** Behind the header, or behind the extended header if there is one. */
function firstFile(volume: Buffer): number {
  const extended = volume.readUInt16LE(52)
  const end = extended === 0 ? volume.readUInt16LE(48) : extended + volume.readUInt32LE(extended + 16)
  return aligned(end, alignment)
}

/**
 * A volume with only some of its files, in their order.
 * @param length bytes; default: as long as the files need
 */
export function withFiles(volume: Buffer, files: readonly VolumeFile[], length?: number): Buffer {
  const parts: Buffer[] = [Buffer.from(volume.subarray(0, firstFile(volume)))]
  let end = parts[0]!.length
  for (const file of files) {
    const gap = aligned(end, alignment) - end
    parts.push(Buffer.alloc(gap, erased), volume.subarray(file.offset, file.offset + file.length))
    end += gap + file.length
  }
  const whole = length ?? aligned(end, volumeGrain)
  parts.push(Buffer.alloc(whole - end, erased))
  return withLength(Buffer.concat(parts))
}

/**
 * Overwrites a file's program with zeros: it can be found, but not started.
 * @returns false if its sections cannot be read, or none is a program
 */
export function eraseProgram(volume: Buffer, file: VolumeFile): boolean {
  const end = file.offset + file.length
  let erased = false
  for (let at = file.offset + fileHeaderBytes; at + 4 <= end;) {
    const length = volume.readUIntLE(at, 3)
    if (length < 4 || at + length > end) return false
    if (volume[at + 3] === programSection) {
      volume.fill(0, at + 4, at + length)
      erased = true
    }
    at = file.offset + aligned(at + length - file.offset, 4)
  }
  return erased
}

/** Writes a volume’s length into its header: as bytes, as blocks, and into the sum of its words, which is 0. */
function withLength(volume: Buffer): Buffer {
  const headerBytes = volume.readUInt16LE(48)
  volume.writeBigUInt64LE(BigInt(volume.length), 32)
  volume.writeUInt32LE(volume.length / volume.readUInt32LE(60), 56)
  volume.writeUInt16LE(0, 50)
  let sum = 0
  for (let at = 0; at < headerBytes; at += 2) sum += volume.readUInt16LE(at)
  volume.writeUInt16LE(-sum & 0xffff, 50)
  return volume
}

const isErased = (bytes: Buffer): boolean => bytes.every((byte) => byte === erased)
