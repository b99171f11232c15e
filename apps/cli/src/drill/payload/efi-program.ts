import type { Mark } from '../host/mark.ts'

export const efiSubsystems = { application: 10, bootServiceDriver: 11 } as const

/**
 * Writes each byte of the text after the code to the serial port (0x3F8), when the port is ready, and returns
 * EFI_SUCCESS. x86-64; the text ends with a zero byte.
 */
const code = Buffer.from(
  [
    '56', // push rsi
    '488d3519000000', // lea rsi, [rip + 0x19]: the text
    '66bafd03', // wait: mov dx, 0x3fd
    'ec', // in al, dx
    'a820', // test al, 0x20
    '74f7', // jz wait
    'ac', // lodsb
    '84c0', // test al, al
    '7407', // jz end
    '66baf803', // mov dx, 0x3f8
    'ee', // out dx, al
    'ebeb', // jmp wait
    '31c0', // end: xor eax, eax
    '5e', // pop rsi
    'c3', // ret
  ].join(''),
  'hex',
)

const alignment = 0x200
const headerBytes = 0x200
const codeAddress = 0x1000
const relocationAddress = 0x2000

/** A UEFI program (PE32+) that writes the mark to the serial console, which shows that the firmware started it. */
export function efiProgram(mark: Mark, subsystem: number = efiSubsystems.application): Buffer {
  const text = Buffer.alloc(alignment)
  code.copy(text)
  text.write(`\r\n${mark.text}\r\n\0`, code.length, 'latin1')
  // One empty block: loaders refuse to relocate a program without any.
  const relocations = Buffer.alloc(alignment)
  relocations.writeUInt32LE(codeAddress, 0)
  relocations.writeUInt32LE(12, 4)
  return Buffer.concat([headers(subsystem), text, relocations])
}

function headers(subsystem: number): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.write('MZ', 0, 'latin1')
  header.writeUInt32LE(0x40, 0x3c)
  header.write('PE\0\0', 0x40, 'latin1')
  // COFF: x86-64, two sections, optional header of 240 bytes, executable with large addresses.
  header.writeUInt16LE(0x8664, 0x44)
  header.writeUInt16LE(2, 0x46)
  header.writeUInt16LE(240, 0x54)
  header.writeUInt16LE(0x22, 0x56)
  const optional = 0x58
  header.writeUInt16LE(0x20b, optional)
  header.writeUInt32LE(alignment, optional + 4)
  header.writeUInt32LE(alignment, optional + 8)
  header.writeUInt32LE(codeAddress, optional + 16)
  header.writeUInt32LE(codeAddress, optional + 20)
  header.writeUInt32LE(0x1000, optional + 32)
  header.writeUInt32LE(alignment, optional + 36)
  header.writeUInt32LE(0x3000, optional + 56)
  header.writeUInt32LE(headerBytes, optional + 60)
  header.writeUInt16LE(subsystem, optional + 68)
  header.writeUInt32LE(16, optional + 108)
  // Base relocations are the sixth data directory.
  header.writeUInt32LE(relocationAddress, optional + 112 + 5 * 8)
  header.writeUInt32LE(12, optional + 112 + 5 * 8 + 4)
  section(header, optional + 240, '.text', { address: codeAddress, file: headerBytes, flags: 0x60000020 })
  section(header, optional + 280, '.reloc', {
    address: relocationAddress,
    file: headerBytes + alignment,
    flags: 0x42000040,
  })
  return header
}

function section(header: Buffer, at: number, name: string, o: { address: number; file: number; flags: number }): void {
  header.write(name, at, 'latin1')
  header.writeUInt32LE(alignment, at + 8)
  header.writeUInt32LE(o.address, at + 12)
  header.writeUInt32LE(alignment, at + 16)
  header.writeUInt32LE(o.file, at + 20)
  header.writeUInt32LE(o.flags >>> 0, at + 36)
}

/** An expansion ROM with one UEFI driver (PCI Firmware Specification 3.0 section 5.1; UEFI 2.10 section 14.4.2). */
export function optionRom(driver: Buffer, o: { vendor: number; device: number }): Buffer {
  const start = 0x40
  const rom = Buffer.alloc(Math.ceil((start + driver.length) / 512) * 512)
  rom.writeUInt16LE(0xaa55, 0)
  rom.writeUInt16LE(rom.length / 512, 2)
  rom.writeUInt32LE(0x0ef1, 4)
  rom.writeUInt16LE(efiSubsystems.bootServiceDriver, 8)
  rom.writeUInt16LE(0x8664, 10)
  rom.writeUInt16LE(start, 0x16)
  rom.writeUInt16LE(0x1c, 0x18)
  const data = 0x1c
  rom.write('PCIR', data, 'latin1')
  rom.writeUInt16LE(o.vendor, data + 4)
  rom.writeUInt16LE(o.device, data + 6)
  rom.writeUInt16LE(0x1c, data + 10)
  rom[data + 12] = 3
  rom.writeUInt16LE(rom.length / 512, data + 16)
  rom[data + 20] = 3
  rom[data + 21] = 0x80
  driver.copy(rom, start)
  return rom
}
