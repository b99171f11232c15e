import type { Mark } from '../host/mark.ts'
import { markingUnit } from '../host/mark.ts'
import { acpiTable } from '../payload/acpi-table.ts'
import { cpio } from '../payload/cpio.ts'
import { efiProgram, efiSubsystems, optionRom } from '../payload/efi-program.ts'
import { elfProgram } from '../payload/elf-program.ts'
import type { Choices } from './choices.ts'

/** Code and texts that leave a mark where anything runs them, and bytes that mean nothing. */
const files: Record<string, (mark: () => Mark) => Buffer> = {
  archive: (mark) => cpio({ init: { mode: 0o100755, content: elfProgram(mark()) } }),
  driver: (mark) => optionRom(efiProgram(mark(), efiSubsystems.bootServiceDriver), { vendor: 0x8086, device: 0x10d3 }),
  long: () => Buffer.alloc(1024 ** 2, 'A'),
  nothing: () => Buffer.alloc(0),
  noise: () => Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 2_654_435_761) >>> 24)),
  program: (mark) => elfProgram(mark()),
  script: (mark) => Buffer.from(`#!/bin/sh\n${mark().shell}\n`),
  table: (mark) => acpiTable(mark()),
  uefi: (mark) => efiProgram(mark()),
  unit: (mark) => Buffer.from(markingUnit(mark())),
}
const texts: Record<string, (mark: () => Mark) => string> = {
  blank: () => '',
  long: () => 'A'.repeat(4000),
  shell: (mark) => mark().shell,
  substitution: (mark) => `$(${mark().shell})`,
  unit: (mark) => markingUnit(mark()).replaceAll('\n', '\\n'),
}
const numbers = ['0', '1', '2', '3', '64', '255', '4096', '65536', '4294967295', '-1']

export const aFile = (choices: Choices): string => `{file:${choices.pick(Object.keys(files))}}`
export const aText = (choices: Choices): string => `{text:${choices.pick(Object.keys(texts))}}`
export const aNumber = (choices: Choices): string => choices.pick(numbers)

/** Something else in place of a value, of its own form where it has one. */
export function anotherValue(choices: Choices, value: string): string {
  if (value === 'on' || value === 'off') return value === 'on' ? 'off' : 'on'
  if (/^-?\d+[KMG]?$/.test(value)) return aNumber(choices)
  if (value.includes('/')) return aFile(choices)
  return choices.chance(0.5) ? aText(choices) : aNumber(choices)
}

/** Where payloads come from and go: the life's host. */
export interface PayloadPlace {
  mark(name: string): Mark
  file(name: string, content?: Uint8Array | string): Promise<string>
}

/** The value with its payloads in place. @param escape of a text inside the value */
export async function filled(
  value: string,
  place: PayloadPlace,
  escape: (text: string) => string = (text) => text,
): Promise<string> {
  let made = value
  for (const [whole, kind, name = ''] of value.matchAll(/\{(file|text):([a-z]+)\}/g)) {
    const mark = (): Mark => place.mark(`${name} of the host`)
    const put = kind === 'file' ? await place.file(`payload-${name}`, files[name]!(mark)) : escape(texts[name]!(mark))
    made = made.replace(whole, () => put)
  }
  return made
}
