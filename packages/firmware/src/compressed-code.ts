import { FirmwareError } from './firmware-error.ts'
import { xz } from './xz.ts'

/** LZMA_CUSTOM_DECOMPRESS_GUID, the GUID of a compressed section (edk2 MdeModulePkg/Include/Guid/LzmaDecompress.h). */
const compressedSection = Buffer.from('98584eee143959429d6edc7bd79403cf', 'hex')
/** Properties, dictionary and size at the start of an LZMA file. */
const headerBytes = 13

/** The compressed code of a flash file. */
export interface CompressedCode {
  /** Offset in the flash file, in bytes. */
  offset: number
  /** Room for the compressed code, bytes. */
  length: number
  data: Buffer
}

/** Code, unpacked, and what follows it in the flash file. */
export interface Code {
  code: Buffer
  /** Starts first, and unpacks the code. */
  boot: Buffer
}

/**
 * UEFI PI 1.8 volume 3, section 2.2.4: size in three bytes, type, GUID, offset of the data.
 * @throws FirmwareError if the flash file has none
 */
export function findCode(flash: Buffer): CompressedCode {
  const at = flash.indexOf(compressedSection) - 4
  if (at < 0) throw notHardened('no section that is compressed by LZMA')
  const offset = at + flash.readUInt16LE(at + 20)
  const end = at + flash.readUIntLE(at, 3)
  if (flash[at + 3] !== 0x02 || offset + headerBytes > end || end > flash.length)
    throw notHardened('a compressed section that is cut short')
  return { offset, length: end - offset, data: flash.subarray(offset, end) }
}

/** @throws FirmwareError if the code is damaged */
export async function unpack({ data }: CompressedCode): Promise<Buffer> {
  const size = Number(data.readBigUInt64LE(5))
  // Its exit code is not 0 if something follows the data; the size shows whether all of the data arrived.
  const { output } = await xz(['--format=lzma', '--decompress', '--stdout'], data)
  if (output.length !== size) throw notHardened(`${output.length} bytes of code where its header says ${size}`)
  return output
}

/**
 * A flash file with its code replaced.
 * @throws FirmwareError if there is no room for it
 */
export async function withCode(flash: Buffer, { offset, length }: CompressedCode, code: Buffer): Promise<Uint8Array> {
  const packed = await pack(code)
  if (packed.length > length)
    throw notHardened(`${packed.length} bytes of compressed code where there is room for ${length}`)
  const changed = Uint8Array.from(flash)
  // The decoder ends with the data: what follows is not read.
  changed.fill(0, offset, offset + length)
  changed.set(packed, offset)
  return changed
}

async function pack(code: Buffer): Promise<Buffer> {
  const { output, code: exitCode } = await xz(['--format=lzma', '--stdout', '--lzma1=preset=6,dict=16MiB'], code)
  if (exitCode !== 0) throw notHardened(`xz ended with ${exitCode}`)
  // xz does not know the size when it begins; OVMF needs it.
  output.writeBigUInt64LE(BigInt(code.length), 5)
  return output
}

/** @param found how it differs from OVMF */
export const notHardened = (found: string): FirmwareError =>
  new FirmwareError({
    message:
      'The kernel loader, which starts whatever the host supplies, and unused drivers cannot be removed from the guests’ UEFI firmware.',
    expected: 'firmware built like Debian’s OVMF',
    found,
    remedy: 'Install Debian’s package ovmf.',
  })
