/** Concatenates; the inputs are copied. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/**
 * For public values: hashes of a tree that everyone may see.
 * @example
 * import { sameBytes } from '@strongroom/transparency'
 *
 * sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)) // => true
 * sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1)) // => false
 */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

/**
 * base64 with padding (RFC 4648 section 4).
 * @example
 * import { toBase64 } from '@strongroom/transparency'
 *
 * toBase64(Uint8Array.of(255, 255)) // => '//8='
 */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

/**
 * Strict: the one canonical spelling or undefined.
 * @example
 * import { fromBase64 } from '@strongroom/transparency'
 *
 * fromBase64('AQID') // => Uint8Array.of(1, 2, 3)
 * fromBase64('AQI') // => undefined
 */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  return toBase64(bytes) === text ? bytes : undefined
}
