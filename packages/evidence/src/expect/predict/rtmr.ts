import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { digest } from '../../core/bytes/digest.ts'
import { fromHex } from '../../core/bytes/hex.ts'
import { parseTdvfSections, tdvfSectionTypes } from '../measure/tdvf.ts'
import { ParseError } from '../../core/errors.ts'
import { extendAll, separatorDigest, textDigest } from './pcr.ts'
import { variableDigest } from './pcr7.ts'
import { authenticodeDigest, parsePe } from './pe.ts'
import { tdHob } from './td-hob.ts'
import { efiVendor } from '../../eventlog/efi-vendor.ts'

/** Bytes, or their SHA-384 if only that is known. */
export type Measured = Uint8Array | { sha384: Uint8Array }

/** A TD that QEMU starts with OVMF and a separate kernel (`-kernel`), without a boot disk. */
export interface TdDirectBoot {
  /** Whole image, variables first. */
  firmware: Uint8Array
  /** Bytes. */
  memorySize: bigint
  /** The host's fw_cfg files etc/table-loader, etc/acpi/rsdp and etc/acpi/tables. */
  acpi: { loader: Measured; rsdp: Measured; tables: Measured }
  /** Value of the variable SecureBoot; absent for firmware without Secure Boot. */
  secureBoot?: 0 | 1
  /** PK, KEK, db and dbx as enrolled; empty when absent. */
  secureBootVariables?: Readonly<Partial<Record<'PK' | 'KEK' | 'db' | 'dbx', Uint8Array>>>
  kernel: Measured
  /** Without what OVMF appends to it for an initrd. */
  commandLine: string
  initrd?: Measured
}

/** OVMF's only boot option, the setup program, and the boot order that names it. */
const bootOrder = Uint8Array.of(0, 0)
const bootOption = fromHex(
  '090100002c0055006900410070007000000004071400c9bdb87cebf8344faaea3ee4af6516a10406140021aa2c4614760345836e8ab6f46623317fff0400',
)

const hash = 'SHA-384'

/**
 * RTMR0 to RTMR3 of a direct boot: RTMR0 the machine and the firmware's configuration, RTMR1 the kernel, RTMR2 its
 * command line and initrd, RTMR3 nothing. Same order as in OVMF's and Linux's logs (EDK II, Linux EFI stub).
 * @throws ParseError for firmware without a TDVF descriptor, and for a kernel that is not a PE image
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { equal, parseEventLog, replayRtmrs } from '@strongroom/evidence'
 * import { predictRtmrs } from '@strongroom/evidence/expected'
 *
 * const log = parseEventLog(await readFile('ccel.bin'))
 * // The host's own files, by the digests that it claims of them.
 * const sha384 = (index: number) => ({ sha384: log.events[index]?.digests.get('sha384') ?? new Uint8Array() })
 * const [rtmr0] = await predictRtmrs({
 *   firmware: await readFile('tdvf.fd'),
 *   memorySize: 1n << 30n,
 *   acpi: { loader: sha384(8), rsdp: sha384(9), tables: sha384(10) },
 *   kernel: sha384(11),
 *   commandLine: '',
 * })
 * const replayed = await replayRtmrs(log)
 * equal(rtmr0, replayed.get(0) ?? new Uint8Array()) // => true
 */
export async function predictRtmrs(o: TdDirectBoot): Promise<[Uint8Array, Uint8Array, Uint8Array, Uint8Array]> {
  const separator = await separatorDigest(hash)
  const text = (action: string): Promise<Uint8Array> => textDigest(action, hash)
  const kernel =
    'sha384' in o.kernel
      ? o.kernel.sha384
      : await authenticodeDigest(parsePe(o.kernel), (...parts) => digest(hash, ...parts))
  const options = loadOptions(o.initrd === undefined ? o.commandLine : `${o.commandLine} initrd=initrd`)
  const [machineAndFirmware, started, given] = await Promise.all([
    extendAll([...(await machine(o)), separator, ...(await acpiAndOptions(o))], hash),
    extendAll(
      [
        kernel,
        await text('Calling EFI Application from Boot Option'),
        separator,
        await text('Exit Boot Services Invocation'),
        await text('Exit Boot Services Returned with Success'),
      ],
      hash,
    ),
    extendAll([await digest(hash, options), ...(o.initrd === undefined ? [] : [await measured(o.initrd)])], hash),
  ])
  return [machineAndFirmware, started, given, new Uint8Array(48)]
}

async function machine(o: TdDirectBoot): Promise<Uint8Array[]> {
  const { firmware, memorySize, secureBoot, secureBootVariables: variables = {} } = o
  const state = secureBoot === undefined ? new Uint8Array() : Uint8Array.of(secureBoot)
  const measure = (name: string, vendor: string, data: Uint8Array | undefined): Promise<Uint8Array> =>
    variableDigest({ name, vendor, data: data ?? new Uint8Array(), hash })
  return Promise.all([
    digest(hash, tdHob({ firmware, memorySize })),
    digest(hash, configurationVolume(firmware)),
    measure('SecureBoot', efiVendor.global, state),
    measure('PK', efiVendor.global, variables.PK),
    measure('KEK', efiVendor.global, variables.KEK),
    measure('db', efiVendor.imageSecurity, variables.db),
    measure('dbx', efiVendor.imageSecurity, variables.dbx),
  ])
}

async function acpiAndOptions({ acpi }: TdDirectBoot): Promise<Uint8Array[]> {
  return Promise.all([
    measured(acpi.loader),
    measured(acpi.rsdp),
    measured(acpi.tables),
    digest(hash, bootOrder),
    digest(hash, bootOption),
  ])
}

/** The firmware's own variables as the image holds them: TDVF section CFV. */
function configurationVolume(firmware: Uint8Array): Uint8Array {
  const section = parseTdvfSections(firmware)?.find(({ type }) => type === tdvfSectionTypes.cfv)
  const end = (section?.dataOffset ?? 0) + (section?.rawDataSize ?? 0)
  if (section === undefined || end > firmware.length) {
    throw new ParseError({ code: 'Missing', message: 'Firmware image has no configuration volume' })
  }
  return firmware.subarray(section.dataOffset, end)
}

/** UTF-16 with the terminating NUL, as the loaded image's options are measured. */
function loadOptions(commandLine: string): Uint8Array {
  const writer = new ByteWriter()
  for (let at = 0; at < commandLine.length; at++) writer.u16le(commandLine.charCodeAt(at))
  return writer.u16le(0).finish()
}

function measured(content: Measured): Promise<Uint8Array> | Uint8Array {
  return 'sha384' in content ? content.sha384 : digest(hash, content)
}
