import { ParseError } from '../errors.ts'

const pairs: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/**
 * Lower-case hexadecimal, two digits per byte.
 * @example
 * import { toHex } from '@strongroom/evidence'
 *
 * toHex(Uint8Array.of(1, 255)) // => '01ff'
 */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at++) text += pairs[bytes[at] ?? 0] ?? ''
  return text
}

/**
 * Reads hexadecimal in either case, no separators. @throws ParseError InvalidEncoding
 * @example
 * import { fromHex } from '@strongroom/evidence'
 *
 * Array.from(fromHex('01fF')) // => [1, 255]
 * fromHex('1') // throws ParseError InvalidEncoding
 */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0) {
    throw new ParseError({ code: 'InvalidEncoding', message: 'Hexadecimal text has an odd number of digits' })
  }
  const bytes = new Uint8Array(text.length / 2)
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = (digit(text, 2 * index) << 4) | digit(text, 2 * index + 1)
  }
  return bytes
}

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code >= 48 && code <= 57) return code - 48
  if (code >= 97 && code <= 102) return code - 87
  if (code >= 65 && code <= 70) return code - 55
  throw new ParseError({ code: 'InvalidEncoding', message: `Not a hexadecimal digit at character ${at}`, offset: at })
}
