import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { utf8 } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { parseGuid } from '../../core/bytes/guid.ts'
import { ParseError } from '../../core/errors.ts'

/** A kernel that the host loads directly, and that the firmware checks against measured hashes. */
export interface DirectKernel {
  kernel: Uint8Array
  initrd?: Uint8Array
  /** Without the terminating NUL. */
  commandLine?: string
}

/** GUIDs of QEMU's table of hashes (target/i386/sev.c). */
const guid = {
  table: '9438d606-4f22-4cc9-b479-a793d411fd21',
  commandLine: '97d02dd8-bd20-4c94-aa78-e7714d36ab2a',
  initrd: '44baf731-3a2f-4bd7-9af1-41e29169781d',
  kernel: '4de79437-abd2-427f-b835-d5b172d2045b',
} as const

const pageLength = 4096
const entryLength = 16 + 2 + 32
const tableLength = 16 + 2 + 3 * entryLength

/**
 * QEMU's hash table alone, padded to 16 bytes: what a launch under SEV and SEV-ES measures.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { sevKernelHashesTable } from '@strongroom/evidence/expected'
 *
 * const table = await sevKernelHashesTable({ kernel: await readFile('vmlinuz'), commandLine: 'console=ttyS0' })
 * table.length % 16 // => 0
 */
export async function sevKernelHashesTable(o: DirectKernel): Promise<Uint8Array> {
  const writer = new ByteWriter().bytes(parseGuid(guid.table)).u16le(tableLength)
  const entry = async (name: string, content: Uint8Array): Promise<void> => {
    writer
      .bytes(parseGuid(name))
      .u16le(entryLength)
      .bytes(await digest('SHA-256', content))
  }
  await entry(guid.commandLine, utf8(`${o.commandLine ?? ''}\0`))
  await entry(guid.initrd, o.initrd ?? new Uint8Array(0))
  await entry(guid.kernel, o.kernel)
  return writer.zero((16 - (tableLength % 16)) % 16).finish()
}

/**
 * Page that QEMU places over the firmware's hash table.
 * @param tableAddress `hashTableAddress` of the firmware: its offset in the page matters
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { parseSnpFirmware, snpKernelHashesPage, snpLaunchDigest } from '@strongroom/evidence/expected'
 *
 * const firmware = await readFile('ovmf.fd')
 * const { hashTableAddress = 0 } = parseSnpFirmware(firmware)
 * const kernelHashes = await snpKernelHashesPage({ kernel: await readFile('vmlinuz') }, hashTableAddress)
 * const measurement = await snpLaunchDigest({ firmware, kernelHashes, vCPUs: 1, vcpuType: 'EPYC-Milan' })
 * toHex(measurement).slice(0, 16) // => 'e68ee012789152ac'
 */
export async function snpKernelHashesPage(o: DirectKernel, tableAddress: number): Promise<Uint8Array> {
  const offset = tableAddress % pageLength
  const table = await sevKernelHashesTable(o)
  if (offset + table.length > pageLength) {
    throw new ParseError({ code: 'InvalidValue', message: 'Table of hashes does not fit into its page' })
  }
  return new ByteWriter()
    .zero(offset)
    .bytes(table)
    .zero(pageLength - offset - table.length)
    .finish()
}
