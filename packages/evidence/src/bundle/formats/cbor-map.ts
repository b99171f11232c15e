import { type CborMap, type CborValue, parseCbor } from '../../cbor/cbor.ts'
import { isTagged } from '../../cbor/cose-sign1.ts'
import { ParseError } from '../../core/errors.ts'
import type { InnerDetector } from '../pieces/inner.ts'
import { detectMembers } from './json.ts'
import type { Piece } from '../pieces/piece.ts'

/** A map in CBOR (RFC 8949, 3.1) whose first member has a text as its name. */
export function isNamedMap(bytes: Uint8Array): boolean {
  const [first = 0, second = 0] = bytes
  return first >>> 5 === 5 && first !== 0xa0 && second >>> 5 === 3
}

/** Evidence in such a map, as Veraison sends that of Linux's configfs-tsm; undefined if it holds none. */
export function detectMap(name: string, bytes: Uint8Array, depth: number, inner: InnerDetector): Piece[] | undefined {
  try {
    const members = plain(parseCbor(bytes, 'CBOR', { openMap: true }))
    const pieces = detectMembers(name, members as object, depth + 1, inner)
    return pieces.some(({ kind }) => kind !== 'unused') ? pieces : undefined
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    // Other bytes are of no known kind.
    if (!['Duplicate', 'TooDeep', 'TooLarge'].includes(error.code)) return undefined
    return [{ name, kind: 'unreadable', code: error.code, reason: error.message }]
  }
}

/** Maps as objects, numbers as names; bytes stay bytes. @throws ParseError Duplicate for the number 1 and the text `1` */
function plain(value: CborValue): unknown {
  if (value instanceof Uint8Array) return value
  if (Array.isArray(value)) return (value as readonly CborValue[]).map(plain)
  if (!(value instanceof Map)) return isTagged(value) ? plain(value.value) : value
  const entries = [...(value as CborMap)].map(([name, each]) => [String(name), plain(each)] as const)
  if (new Set(entries.map(([name]) => name)).size < entries.length)
    throw new ParseError({ code: 'Duplicate', message: 'CBOR has a member twice' })
  return Object.fromEntries(entries)
}
