import { concat, utf8 } from '../../../core/bytes/bytes.ts'
import { fromBase64 } from '../../../core/bytes/base64.ts'
import { inflate } from './inflate.ts'
import { littleEndian } from './aml.ts'
import { dsdtContent } from './dsdt.ts'
import { assertMachine, type Machine } from './machine.ts'
import { loaderCommands, type Tables } from './loader.ts'
import { acpiTemplate } from './template.ts'
import { predictPcr1, tableLoader } from '../pcr1.ts'

/** Tables in the recorded file, as offsets into it, in the order of every such file. */
const recorded = {
  FACS: [0, 64],
  DSDT: [64, 9187],
  FACP: [9187, 9431],
  APIC: [9431, 9551],
  HPET: [9551, 9607],
  TPM2: [9607, 9683],
  MCFG: [9683, 9743],
  WAET: [9743, 9783],
} as const
/** QEMU rounds the file up (ACPI_BUILD_TABLE_SIZE, hw/i386/acpi-build.c). */
const fileBytes = 0x2_0000
const logBytes = 0x1_0000

/**
 * The files of ACPI tables that QEMU 10.0 gives the firmware of a guest, computed. No program of the host is asked: a
 * table that it adds is in none of them.
 * @returns as predictPcr1 takes them
 * @throws ParseError InvalidValue for a machine beyond machineLimits
 * @example
 * import { machineTables } from '@strongroom/evidence/expected'
 *
 * const files = await machineTables({ technology: 'SNP', vCPUs: 2, memoryMiB: 8192, interfaces: 1 })
 * files.get('etc/acpi/tables')?.length // => 131_072
 * files.get('etc/acpi/rsdp')?.length // => 20
 */
export async function machineTables(o: Machine): Promise<Map<string, Uint8Array>> {
  assertMachine(o)
  const { tables, file } = layOut(o, await inflate(fromBase64(acpiTemplate.join(''))))
  const loader = new Uint8Array(4096)
  loader.set(loaderCommands(tables))
  const rsdp = concat(utf8('RSD PTR \0BOCHS \0'), littleEndian(tables.RSDT.at, 4))
  return new Map([
    [tableLoader, loader],
    ['etc/acpi/rsdp', rsdp],
    ['etc/acpi/tables', file],
    ['etc/tpm/log', new Uint8Array(logBytes)],
  ])
}

/**
 * PCR 1 of the boots of a machine, computed from what the machine has.
 * @throws ParseError InvalidValue for a machine beyond machineLimits
 * @example
 * import { toHex } from '@strongroom/evidence'
 * import { predictMachine } from '@strongroom/evidence/expected'
 *
 * const machine = { technology: 'SNP', vCPUs: 2, memoryMiB: 8192, interfaces: 1 } as const
 * toHex(await predictMachine(machine)).slice(0, 16) // => 'e9243f7adb2a38d8'
 */
export async function predictMachine(o: Machine): Promise<Uint8Array> {
  return await predictPcr1(await machineTables(o))
}

function layOut(o: Machine, template: Uint8Array): { tables: Tables; file: Uint8Array } {
  const of = (table: keyof typeof recorded): Uint8Array => template.slice(...recorded[table])
  const built = {
    FACS: of('FACS'),
    DSDT: table('DSDT', 1, dsdtContent(o, of('DSDT'))),
    FACP: fixedDescription(of('FACP'), o.vCPUs),
    APIC: interruptControllers(of('APIC'), o.vCPUs),
    HPET: of('HPET'),
    TPM2: of('TPM2'),
    MCFG: of('MCFG'),
    WAET: of('WAET'),
  }
  const tables: Partial<Tables> = {}
  let at = 0
  for (const [name, { length }] of Object.entries(built)) {
    tables[name as keyof Tables] = { at, length }
    at += length
  }
  // The root table names all but these two, which FACP names.
  const { FACS: _facs, DSDT: _dsdt, ...rest } = tables
  const root = table('RSDT', 1, concat(...Object.values(rest).map((each) => littleEndian(each.at, 4))))
  const file = new Uint8Array(fileBytes)
  file.set(concat(...Object.values(built), root))
  return { tables: { ...tables, RSDT: { at, length: root.length } } as Tables, file }
}

/** A table with its header (ACPI 6.5, section 5.2.6); the firmware fills in the checksum. */
function table(signature: string, revision: number, content: Uint8Array): Uint8Array {
  const length = littleEndian(36 + content.length, 4)
  const maker = utf8('BOCHS BXPC    \u0001\0\0\0BXPC\u0001\0\0\0')
  return concat(utf8(signature), length, Uint8Array.of(revision, 0), maker, content)
}

/** Offset of the flag that asks for logical destinations in clusters, which more than eight processors need. */
const clusterFlag = { at: 114, bit: 4, above: 8 } as const

function fixedDescription(template: Uint8Array, vCPUs: number): Uint8Array {
  if (vCPUs > clusterFlag.above) template[clusterFlag.at]! |= clusterFlag.bit
  return template
}

/** The recorded table, with one entry for each processor instead of one. */
function interruptControllers(template: Uint8Array, vCPUs: number): Uint8Array {
  const [start, end] = [44, 52]
  const entries = Array.from({ length: vCPUs }, (_, index) => Uint8Array.of(0, 8, index, index, 1, 0, 0, 0))
  const content = concat(template.subarray(36, start), ...entries, template.subarray(end))
  return table('APIC', 3, content)
}
