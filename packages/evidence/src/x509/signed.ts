import { equal } from '../core/bytes/bytes.ts'
import { derTag, type DerReader } from '../core/der/der-reader.ts'
import { readBitStringBytes } from '../core/der/der-values.ts'
import { readSignatureAlgorithm } from './algorithms.ts'
import { readExtensions, type Extension } from './extensions.ts'

/** How both certificates and revocation lists end: extensions in the signed part, then the signature. */

/** Extensions under an explicit context tag, to the end of the signed part; empty if there are none. @throws ParseError */
export function readClosingExtensions(tbs: DerReader, tag: number): Extension[] {
  const value = tbs.optional(derTag.context(tag, true), 'extensions')
  let extensions: Extension[] = []
  if (value !== undefined) {
    const reader = tbs.enter(value, 'extensions')
    extensions = readExtensions(reader, 'extensions')
    reader.end()
  }
  tbs.end()
  return extensions
}

/**
 * Reads the signature and nothing after it. The outer algorithm identifier is not signed: it must equal the signed one
 * (RFC 5280 sections 4.1.1.2 and 5.1.1.2).
 * @param o.der the whole input, to which offsets of `o.whole` refer
 * @throws ParseError
 */
export function readSignature(o: { whole: DerReader; der: Uint8Array; innerAlgorithm: Uint8Array }): Uint8Array {
  const start = o.whole.offset
  readSignatureAlgorithm(o.whole, 'outer signature algorithm')
  if (!equal(o.der.subarray(start, o.whole.offset), o.innerAlgorithm)) {
    o.whole.fail('InvalidValue', 'signature algorithms differ')
  }
  const signature = readBitStringBytes(o.whole, 'signature')
  o.whole.end()
  return signature
}
