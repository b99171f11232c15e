/**
 * Joins byte strings in order.
 * @example
 * import { concat, toHex } from '@strongroom/evidence'
 *
 * toHex(concat(Uint8Array.of(1), Uint8Array.of(2, 3))) // => '010203'
 */
export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/**
 * Compares in time that depends on the lengths only, so that a digest or MAC cannot be guessed byte by byte.
 * @example
 * import { equal } from '@strongroom/evidence'
 *
 * equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2)) // => true
 * equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3)) // => false
 */
export function equal(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  let difference = 0
  for (let index = 0; index < left.length; index++) difference |= (left[index] ?? 0) ^ (right[index] ?? 0)
  return difference === 0
}

/**
 * True when every byte is zero; true for no bytes.
 * @example
 * import { isZero } from '@strongroom/evidence'
 *
 * isZero(new Uint8Array(64)) // => true
 * isZero(Uint8Array.of(0, 1)) // => false
 */
export function isZero(bytes: Uint8Array): boolean {
  let seen = 0
  for (const byte of bytes) seen |= byte
  return seen === 0
}

/**
 * Bytes in reverse order, in a new array: AMD writes big integers with the least significant byte first.
 * @example
 * import { reversed } from '@strongroom/evidence'
 *
 * reversed(Uint8Array.of(1, 2, 3)) // => Uint8Array.of(3, 2, 1)
 */
export function reversed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes).reverse()
}

const encoder = new TextEncoder()

/**
 * UTF-8 bytes of a string.
 * @example
 * import { utf8 } from '@strongroom/evidence'
 *
 * utf8('é') // => Uint8Array.of(0xc3, 0xa9)
 */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}
