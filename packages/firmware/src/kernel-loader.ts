import { FirmwareError } from './firmware-error.ts'
import { xz } from './xz.ts'

/** LZMA_CUSTOM_DECOMPRESS_GUID, the GUID of a compressed section (edk2 MdeModulePkg/Include/Guid/LzmaDecompress.h). */
const compressedSection = Buffer.from('98584eee143959429d6edc7bd79403cf', 'hex')
/**
 * QEMU_KERNEL_LOADER_FS_MEDIA_GUID and LINUX_EFI_INITRD_MEDIA_GUID (edk2
 * OvmfPkg/Include/Guid/QemuKernelLoaderFsMedia.h, LinuxEfiInitrdMedia.h), in memory order.
 */
const hostNames = ['72f728144ab61e44b8c39ebdd7f893c7', '27e46855fc683d4fac74ca555231cc68'].map((hex) =>
  Buffer.from(hex, 'hex'),
)
/** Properties, dictionary and size at the start of an LZMA file. */
const headerBytes = 13

/**
 * OVMF without its kernel loader. If the host provides a kernel by fw_cfg (QEMU’s -kernel), OVMF starts it even if
 * Secure Boot refuses it (“legacy linux kernel loader”), and does not measure it: it could extend the registers itself
 * to the values under which the disk’s key can be read. OVMF’s boot manager and the driver that holds the kernel find
 * each other by a name in both; here each gets a different one, so that there is no kernel to start. Nor is the host’s
 * initrd under the name that Linux and its boot stub look for. Firmware without these names is returned unchanged.
 * @param firmware content of a flash file
 * @throws FirmwareError if it is not built like OVMF
 */
export async function withoutKernelLoader(firmware: Uint8Array): Promise<Uint8Array> {
  const isChanged = (volume: Buffer): boolean =>
    hostNames.map((name) => rename(volume, name)).some((count) => count > 0)
  return await withChangedCode(firmware, isChanged)
}

/**
 * Changes firmware's code in place and repacks it. Without a change, returns it as it is.
 * @param change the unpacked code; whether anything in it was changed
 * @throws FirmwareError if it is not built like OVMF, or is larger afterwards
 */
export async function withChangedCode(firmware: Uint8Array, change: (volume: Buffer) => boolean): Promise<Uint8Array> {
  const section = findSection(Buffer.from(firmware))
  const volume = await decompress(section)
  if (!change(volume)) return firmware
  const compressed = await compress(volume)
  if (compressed.length > section.length)
    throw notHardened(`${compressed.length} bytes of compressed code where there is room for ${section.length}`)
  const hardened = Uint8Array.from(firmware)
  // The decoder ends with the data: what follows is not read.
  hardened.fill(0, section.byteOffset, section.byteOffset + section.length)
  hardened.set(compressed, section.byteOffset)
  return hardened
}

/** Whether firmware is the result of `withoutKernelLoader` for a source, however it is packed. */
export async function isMadeFrom(made: Uint8Array, source: Uint8Array): Promise<boolean> {
  const [is, was] = [Buffer.from(made), Buffer.from(source)]
  const [packed, { byteOffset, length }] = [findSection(is), findSection(was)]
  if (packed.byteOffset !== byteOffset || packed.length !== length) return false
  const end = byteOffset + length
  if (!is.subarray(0, byteOffset).equals(was.subarray(0, byteOffset)) || !is.subarray(end).equals(was.subarray(end)))
    return false
  const volume = await decompress(findSection(was))
  for (const name of hostNames) rename(volume, name)
  return volume.equals(await decompress(packed))
}

/** Replaces each occurrence of a name by a different one. @returns how many there were */
function rename(volume: Buffer, name: Buffer): number {
  let count = 0
  for (let at = volume.indexOf(name); at >= 0; at = volume.indexOf(name, at + 1)) {
    const last = at + name.length - 1
    count += 1
    volume[last] = volume[last]! ^ count
  }
  return count
}

interface Section {
  byteOffset: number
  length: number
  data: Buffer
}

/** UEFI PI 1.8 volume 3, section 2.2.4: size in three bytes, type, GUID, offset of the data. */
function findSection(firmware: Buffer): Section {
  const at = firmware.indexOf(compressedSection) - 4
  if (at < 0) throw notHardened('no section that is compressed by LZMA')
  const byteOffset = at + firmware.readUInt16LE(at + 20)
  const end = at + firmware.readUIntLE(at, 3)
  if (firmware[at + 3] !== 0x02 || byteOffset + headerBytes > end || end > firmware.length)
    throw notHardened('a compressed section that is cut short')
  return { byteOffset, length: end - byteOffset, data: firmware.subarray(byteOffset, end) }
}

async function decompress({ data }: Section): Promise<Buffer> {
  const size = Number(data.readBigUInt64LE(5))
  // Its exit code is not 0 if something follows the data; the size shows whether all of the data arrived.
  const { output } = await xz(['--format=lzma', '--decompress', '--stdout'], data)
  if (output.length !== size) throw notHardened(`${output.length} bytes of code where its header says ${size}`)
  return output
}

async function compress(volume: Buffer): Promise<Buffer> {
  const { output, code } = await xz(['--format=lzma', '--stdout', '--lzma1=preset=6,dict=16MiB'], volume)
  if (code !== 0) throw notHardened(`xz ended with ${code}`)
  // xz does not know the size when it begins; OVMF needs it.
  output.writeBigUInt64LE(BigInt(volume.length), 5)
  return output
}

const notHardened = (found: string): FirmwareError =>
  new FirmwareError({
    message:
      'The kernel loader, which starts whatever the host supplies, cannot be removed from the guests’ UEFI firmware.',
    expected: 'firmware built like Debian’s OVMF',
    found,
    remedy: 'Install Debian’s package ovmf.',
  })
