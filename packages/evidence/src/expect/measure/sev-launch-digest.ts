import { concat } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { ParseError } from '../../core/errors.ts'
import { parseSnpFirmware } from './snp-firmware.ts'
import { type DirectKernel, sevKernelHashesTable } from './snp-kernel-hashes.ts'
import type { SnpProcessors } from './snp-launch-digest.ts'
import { requireProcessors } from './snp-launch.ts'
import { bootProcessorAddress, buildVmsa, requireCpuSignature } from './snp-vmsa.ts'

/**
 * Launch digest (SHA-256) of a guest of the first two generations, SEV and SEV-ES, that QEMU starts (SEV API
 * specification, LAUNCH_MEASURE): image, table of kernel hashes, and under SEV-ES the first state of every processor.
 * These generations do not protect memory against writes: the digest identifies a guest, but is no reason to trust it.
 * @param o.processors absent for SEV
 * @throws ParseError Missing if the firmware takes no kernel hashes or further processors
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { sevLaunchDigest } from '@strongroom/evidence/expected'
 *
 * const firmware = await readFile('ovmf.fd')
 * const kernel = { kernel: await readFile('vmlinuz'), initrd: await readFile('initrd.img'), commandLine: 'console=ttyS0' }
 * toHex(await sevLaunchDigest({ firmware, kernel })).slice(0, 16) // => 'a983e46ce323d548'
 */
export async function sevLaunchDigest(o: {
  firmware: Uint8Array
  kernel?: DirectKernel
  processors?: Omit<SnpProcessors, 'sevFeatures'>
}): Promise<Uint8Array> {
  const parts = [o.firmware]
  if (o.kernel !== undefined) {
    if (parseSnpFirmware(o.firmware).hashTableAddress === undefined) {
      throw new ParseError({ code: 'Missing', message: 'Firmware image takes no kernel hashes' })
    }
    parts.push(await sevKernelHashesTable(o.kernel))
  }
  return digest('SHA-256', concat(...parts, ...(o.processors === undefined ? [] : states(o.firmware, o.processors))))
}

function states(firmware: Uint8Array, processors: Omit<SnpProcessors, 'sevFeatures'>): Uint8Array[] {
  requireProcessors(processors.vCPUs)
  const cpuSignature = requireCpuSignature(processors)
  const first = buildVmsa({ address: bootProcessorAddress, cpuSignature, sevFeatures: 0n })
  if (processors.vCPUs === 1) return [first]
  const { resetAddress } = parseSnpFirmware(firmware)
  if (resetAddress === undefined) {
    throw new ParseError({ code: 'Missing', message: 'Firmware image has no reset block for further processors' })
  }
  const further = buildVmsa({ address: resetAddress, cpuSignature, sevFeatures: 0n })
  return [first, ...Array.from({ length: processors.vCPUs - 1 }, () => further)]
}
