import { ParseError } from '../errors.ts'

const urlAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const standardAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const urlValues = valuesOf(urlAlphabet)
const standardValues = valuesOf(standardAlphabet)

/**
 * base64url without padding (RFC 4648 section 5).
 * @example
 * import { toBase64Url } from '@strongroom/evidence'
 *
 * toBase64Url(Uint8Array.of(255)) // => '_w'
 */
export function toBase64Url(bytes: Uint8Array): string {
  return encode(bytes, urlAlphabet)
}

/**
 * base64 with padding (RFC 4648 section 4).
 * @example
 * import { toBase64 } from '@strongroom/evidence'
 *
 * toBase64(Uint8Array.of(255)) // => '/w=='
 */
export function toBase64(bytes: Uint8Array): string {
  const text = encode(bytes, standardAlphabet)
  return text + '='.repeat((4 - (text.length % 4)) % 4)
}

/**
 * Strict: no padding, no white space, no leftover bits, so each value has exactly one encoding. @throws ParseError
 * InvalidEncoding
 * @example
 * import { fromBase64Url, toHex } from '@strongroom/evidence'
 *
 * toHex(fromBase64Url('AQL_')) // => '0102ff'
 * fromBase64Url('AQL/') // throws ParseError InvalidEncoding
 */
export function fromBase64Url(text: string): Uint8Array {
  return decode(text, urlValues)
}

/**
 * Strict: padding required, no white space, no leftover bits. @throws ParseError InvalidEncoding
 * @example
 * import { fromBase64, toHex } from '@strongroom/evidence'
 *
 * toHex(fromBase64('AQL/')) // => '0102ff'
 * fromBase64('AQI') // throws ParseError InvalidEncoding
 */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) refuse('Base64 text is not a multiple of four characters', text.length)
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  return decode(text.slice(0, text.length - padding), standardValues)
}

function valuesOf(alphabet: string): Int8Array {
  const values = new Int8Array(128).fill(-1)
  for (let index = 0; index < alphabet.length; index++) values[alphabet.charCodeAt(index)] = index
  return values
}

function encode(bytes: Uint8Array, alphabet: string): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += alphabet.charAt(group >> 18) + alphabet.charAt((group >> 12) & 63)
    if (left > 1) text += alphabet.charAt((group >> 6) & 63)
    if (left > 2) text += alphabet.charAt(group & 63)
  }
  return text
}

function decode(text: string, values: Int8Array): Uint8Array {
  const rest = text.length % 4
  if (rest === 1) refuse('Base64 text has an impossible length', text.length)
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  const valueAt = (at: number): number => {
    const value = values[text.charCodeAt(at)] ?? -1
    if (value < 0) refuse(`Not a base64 character at ${at}`, at)
    return value
  }
  let filled = 0
  const whole = text.length - rest
  for (let at = 0; at < whole; at += 4) {
    const group = (valueAt(at) << 18) | (valueAt(at + 1) << 12) | (valueAt(at + 2) << 6) | valueAt(at + 3)
    bytes[filled++] = group >> 16
    bytes[filled++] = group >> 8
    bytes[filled++] = group
  }
  if (rest === 0) return bytes
  const group = (valueAt(whole) << 12) | (valueAt(whole + 1) << 6) | (rest === 3 ? valueAt(whole + 2) : 0)
  // 18 bits hold one byte and ten zeros, or two bytes and two zeros.
  if ((group & (rest === 2 ? 0x3ff : 3)) !== 0) refuse('Base64 text has bits left over', text.length)
  bytes[filled++] = group >> 10
  if (rest === 3) bytes[filled++] = group >> 2
  return bytes
}

function refuse(message: string, offset: number): never {
  throw new ParseError({ code: 'InvalidEncoding', message, offset })
}
