import { concat, utf8 } from '../../../core/bytes/bytes.ts'

/** Terms of the ACPI Machine Language (ACPI 6.5, section 20.2), in the encoding that QEMU chooses (hw/acpi/aml-build.c). */

/** Bytes with the least significant one first. */
export function littleEndian(value: number, bytes: 2 | 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, BigInt(value), true)
  return new Uint8Array(view.buffer, 0, bytes)
}

/** A number below 65536 as an argument: the shortest form. */
export function integer(value: number): Uint8Array {
  if (value < 2) return Uint8Array.of(value)
  return value < 0x100 ? Uint8Array.of(0x0a, value) : concat(Uint8Array.of(0x0b), littleEndian(value, 2))
}

/** A term whose length precedes its content, in as few bytes as possible (section 20.2.4). */
function sized(opcode: readonly number[], ...content: Uint8Array[]): Uint8Array {
  const body = concat(...content)
  const more = body.length + 1 < 0x40 ? 0 : body.length + 2 < 0x1000 ? 1 : 2
  const length = body.length + 1 + more
  const first = more === 0 ? length : (more << 6) | (length & 0xf)
  const rest = [length >> 4, length >> 12].slice(0, more).map((byte) => byte & 0xff)
  return concat(Uint8Array.from([...opcode, first, ...rest]), body)
}

export const scope = (path: string, ...terms: Uint8Array[]): Uint8Array => sized([0x10], name(path), ...terms)
export const device = (path: string, ...terms: Uint8Array[]): Uint8Array => sized([0x5b, 0x82], name(path), ...terms)
export const ifThen = (condition: Uint8Array, ...terms: Uint8Array[]): Uint8Array => sized([0xa0], condition, ...terms)
export const whileLoop = (...terms: Uint8Array[]): Uint8Array => sized([0xa2], ...terms)
export const call = (method: string, ...args: Uint8Array[]): Uint8Array => concat(name(method), ...args)
export const returns = (value: Uint8Array): Uint8Array => concat(Uint8Array.of(0xa4), value)
export const isEqual = (left: Uint8Array, right: Uint8Array): Uint8Array => concat(Uint8Array.of(0x93), left, right)
export const notify = (object: string, value: Uint8Array): Uint8Array =>
  concat(Uint8Array.of(0x86), name(object), value)
export const named = (path: string, value: Uint8Array): Uint8Array => concat(Uint8Array.of(0x08), name(path), value)
export const dword = (value: number): Uint8Array => concat(Uint8Array.of(0x0c), littleEndian(value, 4))
/** An argument of the method. */
export const arg = (index: number): Uint8Array => Uint8Array.of(0x68 + index)

/** At most 255 bytes. */
export const buffer = (...bytes: number[]): Uint8Array => sized([0x11], integer(bytes.length), Uint8Array.from(bytes))

export const method = (path: string, o: { args: number; serialized?: boolean }, ...terms: Uint8Array[]): Uint8Array =>
  sized([0x14], name(path), Uint8Array.of(o.args + (o.serialized === true ? 8 : 0)), ...terms)

/** Without power-management registers. */
export const processor = (path: string, id: number, ...terms: Uint8Array[]): Uint8Array =>
  sized([0x5b, 0x83], name(path), Uint8Array.of(id), new Uint8Array(5), ...terms)

/** One name of four characters, or two with a dot, each perhaps from the root (section 20.2.2). */
function name(path: string): Uint8Array {
  const [, root = '', segments = ''] = /^(\\?)(.*)$/.exec(path) ?? []
  return utf8(root + (segments.includes('.') ? `.${segments.replace('.', '')}` : segments))
}
