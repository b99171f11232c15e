import type { Mark } from '../host/mark.ts'

const name = (text: string): Buffer => Buffer.from(text.padEnd(4, '_'), 'latin1')
/** A package length of two bytes (ACPI 6.5 section 20.2.4). */
const length = (bytes: number): Buffer => Buffer.from([0x40 | ((bytes + 2) & 0x0f), (bytes + 2) >> 4])

/**
 * A secondary table whose code runs as soon as the kernel loads it: it writes the mark to the serial port. Code that
 * can write there can write to memory (BadAML).
 */
export function acpiTable(mark: Mark): Buffer {
  const region = Buffer.concat([
    Buffer.from([0x5b, 0x80]),
    name('COM1'),
    // SystemIO, 0x3F8, one byte.
    Buffer.from([0x01, 0x0b, 0xf8, 0x03, 0x01]),
  ])
  const fields = Buffer.concat([name('COM1'), Buffer.from([0x01]), name('DATA'), Buffer.from([0x08])])
  const field = Buffer.concat([Buffer.from([0x5b, 0x81]), length(fields.length), fields])
  const stores = [...Buffer.from(`\r\n${mark.text}\r\n`, 'latin1')].map((byte) =>
    Buffer.concat([Buffer.from([0x70, 0x0a, byte]), name('DATA')]),
  )
  const body = Buffer.concat([region, field, ...stores])
  const header = Buffer.alloc(36)
  header.write('SSDT', 0, 'latin1')
  header.writeUInt32LE(header.length + body.length, 4)
  header[8] = 2
  header.write('DRILL ', 10, 'latin1')
  header.write('BADAML  ', 16, 'latin1')
  header.writeUInt32LE(1, 24)
  header.write('DRIL', 28, 'latin1')
  header.writeUInt32LE(1, 32)
  const table = Buffer.concat([header, body])
  table[9] = (256 - (table.reduce((sum, byte) => sum + byte, 0) & 0xff)) & 0xff
  return table
}
