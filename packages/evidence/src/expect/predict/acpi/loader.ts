import { concat, utf8 } from '../../../core/bytes/bytes.ts'
import { littleEndian } from './aml.ts'

const files = { root: 'etc/acpi/rsdp', log: 'etc/tpm/log', tables: 'etc/acpi/tables' } as const
const command = { allocate: 1, addPointer: 2, addChecksum: 3 } as const
const entryBytes = 128
const nameBytes = 56
const zone = { high: 1, lowBios: 2 } as const
/** Offset of the checksum in the header of every table. */
const checksumAt = 9

/** Where a table lies in the file. */
interface Placed {
  at: number
  length: number
}
export type Tables = Record<'FACS' | 'DSDT' | 'FACP' | 'APIC' | 'HPET' | 'TPM2' | 'MCFG' | 'WAET' | 'RSDT', Placed>

/** What the firmware does with the files, in QEMU's order (hw/acpi/bios-linker-loader.c). */
export function loaderCommands(tables: Tables): Uint8Array {
  const { FACP, DSDT, APIC, HPET, TPM2, MCFG, WAET, RSDT } = tables
  const pointers = [FACP, APIC, HPET, TPM2, MCFG, WAET].map((_, index) =>
    pointer(files.tables, files.tables, RSDT.at + 36 + 4 * index, 4),
  )
  return concat(
    allocate(files.root, 16, zone.lowBios),
    allocate(files.log, 1, zone.high),
    allocate(files.tables, 64, zone.high),
    checksum(DSDT),
    // FACS, DSDT, and DSDT in the wider member.
    pointer(files.tables, files.tables, FACP.at + 36, 4),
    pointer(files.tables, files.tables, FACP.at + 40, 4),
    pointer(files.tables, files.tables, FACP.at + 140, 8),
    checksum(FACP),
    checksum(APIC),
    checksum(HPET),
    pointer(files.tables, files.log, TPM2.at + 68, 8),
    checksum(TPM2),
    checksum(MCFG),
    checksum(WAET),
    ...pointers,
    checksum(RSDT),
    pointer(files.root, files.tables, 16, 4),
    entry(command.addChecksum, nameOf(files.root), numbers(8, 0, 20)),
  )
}

const allocate = (file: string, alignment: number, where: number): Uint8Array =>
  entry(command.allocate, nameOf(file), numbers(alignment), Uint8Array.of(where))

const pointer = (from: string, to: string, at: number, bytes: number): Uint8Array =>
  entry(command.addPointer, nameOf(from), nameOf(to), numbers(at), Uint8Array.of(bytes))

const checksum = ({ at, length }: Placed): Uint8Array =>
  entry(command.addChecksum, nameOf(files.tables), numbers(at + checksumAt, at, length))

function entry(code: number, ...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entryBytes)
  bytes.set(concat(littleEndian(code, 4), ...parts))
  return bytes
}

function nameOf(file: string): Uint8Array {
  const bytes = new Uint8Array(nameBytes)
  bytes.set(utf8(file))
  return bytes
}

const numbers = (...values: number[]): Uint8Array => concat(...values.map((value) => littleEndian(value, 4)))
