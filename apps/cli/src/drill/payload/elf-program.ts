import type { Mark } from '../host/mark.ts'

const base = 0x400000
const headerBytes = 64 + 56

/** write(1, text, length), then pause() forever: x86-64, position independent (Linux system calls 1 and 34). */
const code = (length: number): Buffer => {
  const bytes = Buffer.from(
    [
      'b801000000', // mov eax, 1
      'bf01000000', // mov edi, 1
      '488d3511000000', // lea rsi, [rip + 0x11]: the text
      'ba00000000', // mov edx, length
      '0f05', // syscall
      'b822000000', // pause: mov eax, 34
      '0f05', // syscall
      'ebf7', // jmp pause
      '90', // nop
    ].join(''),
    'hex',
  )
  bytes.writeUInt32LE(length, 18)
  return bytes
}

/** A self-contained Linux program: as an initrd's first one it writes the mark to the console. */
export function elfProgram(mark: Mark): Buffer {
  const text = Buffer.from(`\r\n${mark.text}\r\n`, 'latin1')
  const program = Buffer.concat([code(text.length), text])
  const header = Buffer.alloc(headerBytes)
  // ELF64, little-endian, executable, x86-64 (System V ABI, Object Files).
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  header.writeUInt16LE(2, 16)
  header.writeUInt16LE(62, 18)
  header.writeUInt32LE(1, 20)
  header.writeBigUInt64LE(BigInt(base + headerBytes), 24)
  header.writeBigUInt64LE(64n, 32)
  header.writeUInt16LE(64, 52)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(1, 56)
  // One segment, read and executed: the whole file.
  header.writeUInt32LE(1, 64)
  header.writeUInt32LE(5, 68)
  header.writeBigUInt64LE(BigInt(base), 80)
  header.writeBigUInt64LE(BigInt(base), 88)
  header.writeBigUInt64LE(BigInt(headerBytes + program.length), 96)
  header.writeBigUInt64LE(BigInt(headerBytes + program.length), 104)
  header.writeBigUInt64LE(0x1000n, 112)
  return Buffer.concat([header, program])
}
