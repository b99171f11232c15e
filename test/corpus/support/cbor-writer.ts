import { concat, utf8 } from '@strongroom/evidence'
import { cborHead } from '@strongroom/evidence/files'

/** CBOR values in shortest form: maps as ordered lists of pairs. */
export type Writable =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | { list: Writable[] }
  | { map: [number | string, Writable][] }
  | { tag: number; value: Writable }

export function cborBytes(value: Writable): Uint8Array {
  if (value === null) return Uint8Array.of(0xf6)
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xf5 : 0xf4)
  if (typeof value === 'number') return value >= 0 ? number(0, value) : number(1, -1 - value)
  if (typeof value === 'string') return concat(cborHead(3, utf8(value).length), utf8(value))
  if (value instanceof Uint8Array) return concat(cborHead(2, value.length), value)
  if ('list' in value) return concat(cborHead(4, value.list.length), ...value.list.map(cborBytes))
  if ('tag' in value) return concat(cborHead(6, value.tag), cborBytes(value.value))
  return concat(cborHead(5, value.map.length), ...value.map.flatMap(([key, item]) => [cborBytes(key), cborBytes(item)]))
}

function number(major: number, value: number): Uint8Array {
  if (value < 0x1_0000_0000) return cborHead(major, value)
  const bytes = new Uint8Array(9)
  bytes[0] = (major << 5) | 27
  new DataView(bytes.buffer).setBigUint64(1, BigInt(value))
  return bytes
}

/** COSE_Sign1 with ES384, signed as in RFC 9052. */
export async function sign1(payload: Uint8Array, key: CryptoKey, o: { algorithm?: number } = {}): Promise<Writable> {
  const header = cborBytes({ map: [[1, o.algorithm ?? -35]] })
  const data = cborBytes({ list: ['Signature1', header, new Uint8Array(), payload] })
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-384' }, key, Uint8Array.from(data))
  return { list: [header, { map: [] }, payload, new Uint8Array(signature)] }
}
