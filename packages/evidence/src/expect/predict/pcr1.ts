import { concat, utf8 } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { parseGuid } from '../../core/bytes/guid.ts'
import { ParseError } from '../../core/errors.ts'
import { extendAll, separatorDigest } from './pcr.ts'

/**
 * File in which QEMU names the files with its ACPI tables for the firmware, and what to do with them.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { acpiFiles, tableLoader } from '@strongroom/evidence/expected'
 *
 * // The other files are named in it.
 * acpiFiles(await readFile(`acpi/${tableLoader.slice('etc/'.length)}`)).includes('etc/acpi/tables') // => true
 */
export const tableLoader = 'etc/table-loader'
const entryBytes = 128
const nameBytes = 56
const allocate = 1
/** QEMU's is never longer; nothing longer is requested from a host. */
const loaderLimit = 65_536

/**
 * Files that the firmware fetches for its ACPI tables, in order (ALLOCATE of QEMU's linker and loader, hw/acpi/bios-linker-loader.c).
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { acpiFiles } from '@strongroom/evidence/expected'
 *
 * acpiFiles(await readFile('acpi/table-loader')) // => ['etc/acpi/rsdp', 'etc/tpm/log', 'etc/acpi/tables']
 */
export function acpiFiles(loader: Uint8Array): string[] {
  if (loader.length % entryBytes !== 0 || loader.length > loaderLimit)
    throw new ParseError({
      code: 'InvalidValue',
      message: `table loader: ${loader.length} bytes are not a list of commands`,
    })
  const view = new DataView(loader.buffer, loader.byteOffset, loader.length)
  const names: string[] = []
  for (let at = 0; at < loader.length; at += entryBytes) {
    if (view.getUint32(at, true) !== allocate) continue
    const name = loader.subarray(at + 4, at + 4 + nameBytes)
    const end = name.indexOf(0)
    names.push(new TextDecoder('latin1').decode(end < 0 ? name : name.subarray(0, end)))
  }
  return names
}

const u16 = (...values: number[]): Uint8Array => Uint8Array.from(values.flatMap((value) => [value & 0xff, value >> 8]))
const text = (value: string): Uint8Array => u16(...utf8(value), 0)
const endOfPath = Uint8Array.of(0x7f, 0xff, 4, 0)
const active = 1
const hidden = 8
const category = 0x100

/** EFI_LOAD_OPTION (UEFI 2.10, section 3.1.3). */
function loadOption(o: { attributes: number; title: string; path: Uint8Array; data?: Uint8Array }): Uint8Array {
  const path = concat(o.path, endOfPath)
  return concat(u16(o.attributes, 0, path.length), text(o.title), path, o.data ?? new Uint8Array())
}

/** PciRoot(0)/Pci(1,0), where every guest has its OS disk (section 10.3). */
const osDisk = Uint8Array.of(2, 1, 12, 0, 0xd0, 0x41, 3, 10, 0, 0, 0, 0, 1, 1, 6, 0, 0, 1)
const volume = '7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1'
const menu = '462caa21-7614-4503-836e-8ab6f4662331'
/** EDK II's mark on the options that it created. */
const ownOption = '8108ac4e-9f11-4d59-850e-e21a522c59b2'

/** The boot options that OVMF keeps once QEMU has chosen the boot disk: that disk, and its own menu, which boots nothing. */
function bootVariables(): Uint8Array[] {
  const menuPath = concat(Uint8Array.of(4, 7, 20, 0), parseGuid(volume), Uint8Array.of(4, 6, 20, 0), parseGuid(menu))
  return [
    u16(1, 0),
    loadOption({ attributes: active, title: 'UEFI Misc Device', path: osDisk, data: parseGuid(ownOption) }),
    loadOption({ attributes: active | hidden | category, title: 'UiApp', path: menuPath }),
  ]
}

/**
 * PCR 1 of a boot under OVMF 2025.02: the list of ACPI files and each of them as QEMU provides it, before
 * interpretation; BootOrder and the options in it; the separator. Code in a table runs in the guest's kernel (BadAML),
 * so a register must change if a host adds or changes a table.
 * @param files by name, including tableLoader and the files it names
 * @throws ParseError Missing
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromHex, toHex } from '@strongroom/evidence'
 * import { predictPcr1, tableLoader } from '@strongroom/evidence/expected'
 *
 * const files = new Map([
 *   [tableLoader, await readFile('acpi/table-loader')],
 *   ['etc/acpi/rsdp', fromHex('525344205054522000424f4348532000b4260000')],
 *   ['etc/acpi/tables', await readFile('acpi/tables')],
 *   ['etc/tpm/log', new Uint8Array(65_536)],
 * ])
 * toHex(await predictPcr1(files)) // => '95d17c83406edeb22d47f766c5e0502b2d6f624b3937af8c934f6f64ae9a6282'
 */
export async function predictPcr1(files: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
  const need = (name: string): Uint8Array => {
    const bytes = files.get(name)
    if (bytes === undefined) throw new ParseError({ code: 'Missing', message: `ACPI tables: there is no file ${name}` })
    return bytes
  }
  const measured = [tableLoader, ...acpiFiles(need(tableLoader))].map(need)
  const digests = await Promise.all([...measured, ...bootVariables()].map((bytes) => digest('SHA-256', bytes)))
  return await extendAll([...digests, await separatorDigest()])
}
