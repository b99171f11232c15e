import { ByteWriter, concat, parseGuid, utf8 } from '@strongroom/evidence'
import type { SnpOwner } from '@strongroom/evidence/expected'

/** Firmware of a TD: a page with a TDVF descriptor of one section, its offset at the end (TDVF design guide, section 11). */
export function tdvfFirmware(): Uint8Array {
  const guid = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))
  const descriptor = new ByteWriter()
    .bytes(guid('f345e84732f94a4c9b8a1e1d6c62e3a4'))
    .bytes(utf8('TDVF'))
    .u32le(16 + 32)
    .u32le(1)
    .u32le(1)
    .u32le(0)
    .u32le(4096)
    .u64le(0xfffff000n)
    .u64le(4096n)
    .u32le(0)
    .u32le(1)
    .finish()
  const body = new Uint8Array(4096)
  body.set(descriptor, 1024)
  // Table of GUIDs under the reset block: the descriptor's offset from the end, then the table's length.
  const offset = 4096 - 1024 - 16
  const table = new ByteWriter().u32le(offset).u16le(22).bytes(guid('357b6ce4d6f7ad47ac5e6f5c6b6bcb5d')).finish()
  body.set(table, 4096 - 32 - 18 - table.length)
  return body
}

export async function owner(): Promise<SnpOwner> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
  const { publicKey, privateKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  return {
    spki: new Uint8Array(await crypto.subtle.exportKey('spki', publicKey)),
    sign: async (data) => new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, Uint8Array.from(data))),
  }
}

export function measuredVariable(): Uint8Array {
  const writer = new ByteWriter().bytes(parseGuid('8be4df61-93ca-11d2-aa0d-00e098032b8c')).u64le(2n).u64le(1n)
  return writer.u16le(0x50).u16le(0x4b).u8(1).finish()
}

/** A formatted store with one active variable. */
export function variableStore(): Uint8Array {
  const volume = new ByteWriter().zero(16).bytes(parseGuid('fff12b8d-7696-4c8b-a985-2747075b4f50')).u64le(4096n)
  volume
    .u32le(0x4856465f)
    .u32le(0)
    .u16le(72)
    .zero(72 - volume.length)
  volume.bytes(parseGuid('aaf32c78-947b-439a-a180-2e144ec37792')).u32le(1024).u8(0x5a).u8(0xfe).zero(6)
  volume.u16le(0x55aa).u8(0x3f).u8(0).u32le(7).zero(28).u32le(6).u32le(4)
  volume
    .bytes(parseGuid('8be4df61-93ca-11d2-aa0d-00e098032b8c'))
    .bytes(Uint8Array.of(0x50, 0, 0x4b, 0, 0, 0, 1, 2, 3, 4))
  return volume.bytes(new Uint8Array(4096 - volume.length).fill(0xff)).finish()
}

export function tpmQuote(): Uint8Array {
  return new ByteWriter()
    .u32be(0xff544347)
    .u16be(0x8018)
    .u16be(34)
    .bytes(new Uint8Array(34).fill(1))
    .u16be(4)
    .bytes(new Uint8Array(4).fill(2))
    .zero(17)
    .zero(8)
    .u32be(1)
    .u16be(0x000b)
    .u8(3)
    .bytes(Uint8Array.of(0x81, 0x08, 0))
    .u16be(32)
    .bytes(new Uint8Array(32).fill(4))
    .finish()
}

export function tpmPublic(): Uint8Array {
  const area = new ByteWriter()
    .u16be(0x0001)
    .u16be(0x000b)
    .u32be(0x00050072)
    .u16be(0)
    .u16be(0x0010)
    .u16be(0x0014)
    .u16be(0x000b)
    .u16be(2048)
    .u32be(0)
    .u16be(256)
    .bytes(new Uint8Array(256).fill(0xc3))
    .finish()
  return new ByteWriter().u16be(area.length).bytes(area).finish()
}

export function platformClaim(): Uint8Array {
  const signature = concat(Uint8Array.of(0, 0x14, 0, 0x0b, 1, 0), new Uint8Array(256).fill(3))
  const writer = new ByteWriter().u32le(0x414c5054).u32le(1).u32le(0x0b)
  writer
    .u32le(signature.length)
    .u32le(4)
    .u32le(24 * 32)
    .bytes(signature)
  return writer
    .bytes(Uint8Array.of(1, 2, 3, 4))
    .zero(24 * 32)
    .finish()
}

export function eventLog(): Uint8Array {
  const header = new ByteWriter()
    .bytes(utf8('Spec ID Event03\0'))
    .u32le(0)
    .u8(0)
    .u8(2)
    .u8(0)
    .u8(2)
    .u32le(1)
    .u16le(0x000b)
    .u16le(32)
    .u8(0)
    .finish()
  const first = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(header.length).bytes(header).finish()
  const separator = new ByteWriter()
    .u32le(7)
    .u32le(4)
    .u32le(1)
    .u16le(0x000b)
    .bytes(new Uint8Array(32).fill(5))
    .u32le(4)
    .zero(4)
    .finish()
  return concat(first, separator, separator)
}

export function peImage(): Uint8Array {
  const image = new Uint8Array(0x400)
  const view = new DataView(image.buffer)
  image.set(utf8('MZ'))
  view.setUint32(0x3c, 0x80, true)
  image.set(utf8('PE\0\0'), 0x80)
  view.setUint16(0x84, 0x8664, true)
  view.setUint16(0x86, 1, true)
  view.setUint16(0x94, 0xf0, true)
  view.setUint16(0x98, 0x20b, true)
  view.setUint32(0x98 + 60, 0x200, true)
  view.setUint32(0x98 + 108, 16, true)
  image.set(utf8('.text\0\0\0'), 0x188)
  view.setUint32(0x190, 0x200, true)
  view.setUint32(0x198, 0x200, true)
  view.setUint32(0x19c, 0x200, true)
  return image
}

/** A write of dbx whose signature holds for nothing. */
export function authenticatedVariable(): Uint8Array {
  return new ByteWriter()
    .u16le(2026)
    .bytes(Uint8Array.of(11, 29, 6, 0, 0))
    .zero(9)
    .u32le(24 + 4)
    .u16le(0x0200)
    .u16le(0x0ef1)
    .bytes(parseGuid('4aafd29d-68df-49ee-8aa9-347d375665a7'))
    .bytes(Uint8Array.of(0x30, 2, 5, 0))
    .bytes(signatureList())
    .finish()
}

export function signatureList(): Uint8Array {
  const type = Uint8Array.from(Buffer.from('2616c4c14c509240aca941f936934328', 'hex'))
  return new ByteWriter()
    .bytes(type)
    .u32le(28 + 48)
    .u32le(0)
    .u32le(48)
    .zero(16)
    .bytes(new Uint8Array(32).fill(6))
    .finish()
}
