import { ParseError } from '../errors.ts'
import { reversed } from './bytes.ts'
import { fromHex, toHex } from './hex.ts'

/** Lengths of a GUID's parts: first those stored least significant byte first, then those stored as written. */
const parts = [4, 2, 2, 2, 6] as const

/**
 * GUID as lower-case text, from its 16 bytes in firmware (UEFI specification, EFI_GUID).
 * @example
 * import { formatGuid, fromHex } from '@strongroom/evidence'
 *
 * // db, the variable of allowed keys, has this vendor.
 * formatGuid(fromHex('cbb219d73a3d9645a3bcdad00e67656f')) // => 'd719b2cb-3d3a-4596-a3bc-dad00e67656f'
 */
export function formatGuid(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new ParseError({ code: 'WrongLength', message: 'GUID is not 16 bytes' })
  const texts: string[] = []
  let at = 0
  for (const [index, length] of parts.entries()) {
    // A view, as the slice of a Node Buffer would be too: `reversed` copies it.
    const part = bytes.subarray(at, at + length)
    texts.push(toHex(index < 3 ? reversed(part) : part))
    at += length
  }
  return texts.join('-')
}

/**
 * UUID as lower-case text, from 16 bytes in the order of the text (RFC 4122, 4.1.2), as in AMD's certificate table.
 * @example
 * import { formatUuid, fromHex } from '@strongroom/evidence'
 *
 * formatUuid(fromHex('63da758de6644564adc5f4b93be8accd')) // => '63da758d-e664-4564-adc5-f4b93be8accd'
 */
export function formatUuid(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new ParseError({ code: 'WrongLength', message: 'UUID is not 16 bytes' })
  let at = 0
  return parts.map((length) => toHex(bytes.subarray(at, (at += length)))).join('-')
}

/**
 * Bytes of a GUID's text in either case. @throws ParseError InvalidEncoding
 * @example
 * import { parseGuid, toHex } from '@strongroom/evidence'
 *
 * toHex(parseGuid('d719b2cb-3d3a-4596-a3bc-dad00e67656f')) // => 'cbb219d73a3d9645a3bcdad00e67656f'
 */
export function parseGuid(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)) {
    throw new ParseError({ code: 'InvalidEncoding', message: 'Text is not a GUID', found: text.slice(0, 64) })
  }
  const bytes = fromHex(text.replaceAll('-', ''))
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
  return bytes
}
