import { digest } from '../../core/bytes/digest.ts'
import { ParseError } from '../../core/errors.ts'
import { parseSnpFirmware, snpSection, type SnpSection } from './snp-firmware.ts'
import { fourGiB, pageLength, pageType, requireProcessors, requireWholePages, SnpLaunch } from './snp-launch.ts'
import { bootProcessorAddress, buildSvsmVmsa, buildVmsa, requireCpuSignature, type SnpHypervisor } from './snp-vmsa.ts'

/** The processors of a guest. */
export interface SnpProcessors {
  vCPUs: number
  /** QEMU's name of the processor, `EPYC-Milan-v2`; not needed if the hypervisor shows none (EC2, GCE). */
  vcpuType?: string
  /** CPUID function 1 EAX, for a type without a name. */
  cpuSignature?: number
  /** SEV_FEATURES of the VMSA; SNP alone when absent. */
  sevFeatures?: bigint
}

/**
 * Digest of the image alone, at the end of the first 4 GiB: every launch with it starts from this.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { snpFirmwareDigest } from '@strongroom/evidence/expected'
 *
 * toHex(await snpFirmwareDigest(await readFile('ovmf.fd'))).slice(0, 16) // => '086e2e9149ebf45a'
 */
export async function snpFirmwareDigest(firmware: Uint8Array): Promise<Uint8Array> {
  requireWholePages(firmware)
  const launch = new SnpLaunch()
  await launch.image(firmware, fourGiB - BigInt(firmware.length))
  return launch.value
}

/**
 * Launch measurement (48 bytes) of a guest that a hypervisor starts with this firmware: MEASUREMENT in its reports. An
 * image without SEV metadata is measured alone.
 * @param o.hypervisor default QEMU
 * @param o.firmwareDigest result of `snpFirmwareDigest` for this image, if already computed
 * @param o.kernelHashes page of kernel hashes (`snpKernelHashesPage`) for firmware that takes one
 * @throws ParseError for unknown processors, and for kernel hashes that the firmware would not check
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { equal, toHex } from '@strongroom/evidence'
 * import { snpLaunchDigest } from '@strongroom/evidence/expected'
 *
 * const firmware = await readFile('ovmf.fd')
 * const two = await snpLaunchDigest({ firmware, vCPUs: 2, vcpuType: 'EPYC-Milan' })
 * const four = await snpLaunchDigest({ firmware, vCPUs: 4, vcpuType: 'EPYC-Milan' })
 * toHex(two).slice(0, 16) // => '7ebc88066ce54aed'
 * equal(two, four) // => false
 */
export async function snpLaunchDigest(
  o: SnpProcessors & {
    firmware: Uint8Array
    hypervisor?: SnpHypervisor
    firmwareDigest?: Uint8Array
    kernelHashes?: Uint8Array
  },
): Promise<Uint8Array> {
  requireProcessors(o.vCPUs)
  const hypervisor = o.hypervisor ?? 'qemu'
  const cpuSignature = hypervisor === 'qemu' ? requireCpuSignature(o) : 0
  const firmware = parseSnpFirmware(o.firmware)
  const sections = firmware.sections ?? []
  if (o.kernelHashes !== undefined && !sections.some(({ type }) => type === snpSection.kernelHashes)) {
    throw new ParseError({ code: 'Missing', message: 'Firmware image takes no kernel hashes' })
  }
  const launch = new SnpLaunch(o.firmwareDigest ?? (await snpFirmwareDigest(o.firmware)))
  await addSections(launch, sections, { hypervisor, kernelHashes: o.kernelHashes })
  const { resetAddress } = firmware
  const digests = await processorDigests({ ...o, start: launch.value, resetAddress, cpuSignature, hypervisor })
  return digests.at(-1)!
}

/**
 * The measurement of a launch by QEMU with this firmware before the processors, and where those after the first begin:
 * everything that `snpLaunchDigests` needs of the firmware.
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { equal } from '@strongroom/evidence'
 * import { snpLaunchDigest, snpLaunchDigests, snpLaunchStart } from '@strongroom/evidence/expected'
 *
 * const firmware = await readFile('ovmf.fd')
 * const digests = await snpLaunchDigests({ ...(await snpLaunchStart(firmware)), vCPUs: 4, vcpuType: 'EPYC-Milan' })
 * equal(digests[1]!, await snpLaunchDigest({ firmware, vCPUs: 2, vcpuType: 'EPYC-Milan' })) // => true
 */
export async function snpLaunchStart(
  firmware: Uint8Array,
): Promise<{ start: Uint8Array; resetAddress: number | undefined }> {
  const { sections = [], resetAddress } = parseSnpFirmware(firmware)
  const launch = new SnpLaunch(await snpFirmwareDigest(firmware))
  await addSections(launch, sections, { hypervisor: 'qemu' })
  return { start: launch.value, resetAddress }
}

/**
 * Launch measurements of guests with one to `vCPUs` processors, in this order, by QEMU.
 * @param o.start from `snpLaunchStart`
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { snpLaunchDigests, snpLaunchStart } from '@strongroom/evidence/expected'
 *
 * const start = await snpLaunchStart(await readFile('ovmf.fd'))
 * const digests = await snpLaunchDigests({ ...start, vCPUs: 96, vcpuType: 'EPYC-Milan' })
 * digests.length // => 96
 */
export async function snpLaunchDigests(
  o: SnpProcessors & { start: Uint8Array; resetAddress: number | undefined },
): Promise<Uint8Array[]> {
  requireProcessors(o.vCPUs)
  return await processorDigests({ ...o, cpuSignature: requireCpuSignature(o), hypervisor: 'qemu' })
}

/** The measurement after each processor. */
async function processorDigests(o: {
  start: Uint8Array
  resetAddress: number | undefined
  vCPUs: number
  cpuSignature: number
  sevFeatures?: bigint
  hypervisor: SnpHypervisor
}): Promise<Uint8Array[]> {
  const { cpuSignature, hypervisor, sevFeatures = 1n, resetAddress: address } = o
  const launch = new SnpLaunch(o.start)
  await launch.processor(buildVmsa({ address: bootProcessorAddress, cpuSignature, sevFeatures, hypervisor }))
  const digests = [launch.value]
  if (o.vCPUs === 1) return digests
  if (address === undefined) {
    throw new ParseError({ code: 'Missing', message: 'Firmware image has no reset block for further processors' })
  }
  const further = buildVmsa({ address, cpuSignature, sevFeatures, hypervisor })
  for (let index = 1; index < o.vCPUs; index++) {
    await launch.processor(further)
    digests.push(launch.value)
  }
  return digests
}

/** What the host adds besides the image, in order. */
async function addSections(
  launch: SnpLaunch,
  sections: readonly SnpSection[],
  o: { hypervisor: SnpHypervisor; kernelHashes?: Uint8Array | undefined },
): Promise<void> {
  const cpuid = sections.filter(({ type }) => type === snpSection.cpuid)
  // EC2 adds its CPUID pages last.
  const ordered =
    o.hypervisor === 'ec2' ? [...sections.filter(({ type }) => type !== snpSection.cpuid), ...cpuid] : sections
  for (const { type, address, size } of ordered) {
    switch (type) {
      case snpSection.secrets:
        await launch.pages(pageType.secrets, address, size)
        break
      case snpSection.cpuid:
        await launch.pages(pageType.cpuid, address, size)
        break
      case snpSection.memory:
        await launch.pages(o.hypervisor === 'gce' ? pageType.unmeasured : pageType.zero, address, size)
        break
      case snpSection.kernelHashes:
        if (o.kernelHashes === undefined) await launch.pages(pageType.zero, address, size)
        else {
          if (size !== pageLength || o.kernelHashes.length !== pageLength) {
            throw new ParseError({ code: 'WrongLength', message: 'Kernel hashes are not one page' })
          }
          await launch.update(pageType.normal, BigInt(address), await digest('SHA-384', o.kernelHashes))
        }
        break
      default:
        await launch.pages(pageType.zero, address, size)
    }
  }
}

/**
 * Launch measurement of a guest under an SVSM at VMPL 0 (COCONUT-SVSM): firmware at the end of the first 4 GiB,
 * preceded by its unmeasured variables and the SVSM.
 * @param o.variablesSize bytes of the firmware's variable store
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { snpSvsmLaunchDigest } from '@strongroom/evidence/expected'
 *
 * const measurement = await snpSvsmLaunchDigest({
 *   firmware: await readFile('svsm-ovmf.fd'),
 *   svsm: await readFile('svsm.bin'),
 *   variablesSize: 0x84000,
 *   vCPUs: 2,
 *   vcpuType: 'EPYC-v4',
 * })
 * toHex(measurement).slice(0, 16) // => '9b94745036aafddf'
 */
export async function snpSvsmLaunchDigest(
  o: Omit<SnpProcessors, 'sevFeatures'> & { firmware: Uint8Array; variablesSize: number; svsm: Uint8Array },
): Promise<Uint8Array> {
  requireProcessors(o.vCPUs)
  requireWholePages(o.firmware)
  requireWholePages(o.svsm)
  const { sections, svsmEntry } = parseSnpFirmware(o.svsm)
  if (svsmEntry === undefined)
    throw new ParseError({ code: 'Missing', message: 'SVSM image does not say where it begins' })
  const firmwareAddress = fourGiB - BigInt(o.firmware.length)
  if (!Number.isSafeInteger(o.variablesSize) || o.variablesSize < 0 || o.variablesSize % pageLength !== 0) {
    throw new ParseError({
      code: 'InvalidValue',
      message: 'Variable store is not whole pages',
      found: `${o.variablesSize}`,
    })
  }
  const svsmAddress = firmwareAddress - BigInt(o.variablesSize) - BigInt(o.svsm.length)
  const launch = new SnpLaunch()
  await launch.image(o.firmware, firmwareAddress)
  await launch.image(o.svsm, svsmAddress)
  await addSections(launch, sections ?? [], { hypervisor: 'qemu' })
  const state = buildSvsmVmsa({
    address: Number(svsmAddress) + svsmEntry,
    cpuSignature: requireCpuSignature(o),
    // The SVSM itself runs with SNP only; it passes the features to the guest.
    sevFeatures: 1n,
  })
  for (let index = 0; index < o.vCPUs; index++) await launch.processor(state)
  return launch.value
}
