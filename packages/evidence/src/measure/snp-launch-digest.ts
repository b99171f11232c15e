import { ByteWriter } from '../bytes/byte-writer.ts'
import { digest } from '../bytes/digest.ts'
import { ParseError } from '../result/errors.ts'
import { parseSnpFirmware, snpSection } from './snp-firmware.ts'
import { bootProcessorAddress, buildVmsa, cpuSignatureOf } from './snp-vmsa.ts'

const pageLength = 4096
const fourGiB = 2n ** 32n
/** Address that the firmware of the processor gives to VMSA pages, whose own addresses the guest never sees. */
const vmsaAddress = 0xfffffffff000n
const zeros = new Uint8Array(48)

/** PAGE_TYPE of SNP_LAUNCH_UPDATE. */
const pageType = { normal: 1, vmsa: 2, zero: 3, unmeasured: 4, secrets: 5, cpuid: 6 } as const

/** The running digest of a launch (SNP ABI specification, SNP_LAUNCH_UPDATE, PAGE_INFO). */
class LaunchDigest {
  value: Uint8Array

  constructor(start: Uint8Array = zeros) {
    this.value = start
  }

  async update(type: number, address: bigint, contents: Uint8Array): Promise<void> {
    const info = new ByteWriter()
      .bytes(this.value)
      .bytes(contents)
      .u16le(0x70)
      .u8(type)
      // Not an initial migration image; no permissions for the levels below the first.
      .zero(5)
      .u64le(address)
      .finish()
    this.value = await digest('SHA-384', info)
  }

  async pages(type: number, address: number, size: number): Promise<void> {
    for (let at = 0; at < size; at += pageLength) await this.update(type, BigInt(address + at), zeros)
  }
}

/** Digest of the image alone, at the end of the first 4 GiB: the start of every launch with it. */
export async function snpFirmwareDigest(firmware: Uint8Array): Promise<Uint8Array> {
  if (firmware.length === 0 || firmware.length % pageLength !== 0 || BigInt(firmware.length) > fourGiB / 16n) {
    throw new ParseError({
      code: 'WrongLength',
      message: 'Firmware image is not whole pages',
      found: `${firmware.length} bytes`,
    })
  }
  const launch = new LaunchDigest()
  const start = fourGiB - BigInt(firmware.length)
  for (let at = 0; at < firmware.length; at += pageLength) {
    const contents = await digest('SHA-384', firmware.subarray(at, at + pageLength))
    await launch.update(pageType.normal, start + BigInt(at), contents)
  }
  return launch.value
}

/**
 * Launch measurement (48 bytes) of a guest that QEMU starts with this firmware: what MEASUREMENT of its reports says.
 * @param o.vcpuType QEMU's name of the processor, `EPYC-Milan-v2`
 * @param o.sevFeatures SEV_FEATURES of the VMSA; SNP alone when absent
 * @param o.firmwareDigest result of `snpFirmwareDigest` for this image, when it is at hand
 * @param o.kernelHashes page of kernel hashes (`snpKernelHashesPage`) for firmware that takes one
 * @throws ParseError for firmware without SEV metadata and for unknown processors
 */
export async function snpLaunchDigest(o: {
  firmware: Uint8Array
  vCPUs: number
  vcpuType: string
  sevFeatures?: bigint
  firmwareDigest?: Uint8Array
  kernelHashes?: Uint8Array
}): Promise<Uint8Array> {
  const signature = cpuSignatureOf(o.vcpuType)
  if (signature === undefined) {
    throw new ParseError({ code: 'UnknownType', message: 'Processor type is not known', found: o.vcpuType })
  }
  if (!Number.isSafeInteger(o.vCPUs) || o.vCPUs < 1 || o.vCPUs > 1024) {
    throw new ParseError({ code: 'InvalidValue', message: 'Number of processors is out of range', found: `${o.vCPUs}` })
  }
  const firmware = parseSnpFirmware(o.firmware)
  const launch = new LaunchDigest(o.firmwareDigest ?? (await snpFirmwareDigest(o.firmware)))
  let hashed = false
  for (const section of firmware.sections) {
    switch (section.type) {
      case snpSection.secrets:
        await launch.pages(pageType.secrets, section.address, section.size)
        break
      case snpSection.cpuid:
        await launch.pages(pageType.cpuid, section.address, section.size)
        break
      case snpSection.kernelHashes:
        if (o.kernelHashes === undefined) await launch.pages(pageType.zero, section.address, section.size)
        else {
          if (section.size !== pageLength || o.kernelHashes.length !== pageLength) {
            throw new ParseError({ code: 'WrongLength', message: 'Kernel hashes are not one page' })
          }
          await launch.update(pageType.normal, BigInt(section.address), await digest('SHA-384', o.kernelHashes))
          hashed = true
        }
        break
      default:
        await launch.pages(pageType.zero, section.address, section.size)
    }
  }
  if (o.kernelHashes !== undefined && !hashed) {
    throw new ParseError({ code: 'Missing', message: 'Firmware image takes no kernel hashes' })
  }
  const sevFeatures = o.sevFeatures ?? 1n
  const state = (address: number): Promise<Uint8Array> =>
    digest('SHA-384', buildVmsa({ address, cpuSignature: signature, sevFeatures }))
  await launch.update(pageType.vmsa, vmsaAddress, await state(bootProcessorAddress))
  if (o.vCPUs > 1) {
    const further = await state(firmware.resetAddress)
    for (let index = 1; index < o.vCPUs; index++) await launch.update(pageType.vmsa, vmsaAddress, further)
  }
  return launch.value
}
