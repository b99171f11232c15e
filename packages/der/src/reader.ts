/**
 * Reads what this project, or the cryptographic library under it, has written. Input from others goes through the
 * evidence package's strict reader.
 */

/** The values inside a constructed value, each whole. @throws RangeError */
export function children(value: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = contentOf(value).start; at < value.length;) {
    const child = value.subarray(at)
    const { end } = contentOf(child)
    found.push(child.subarray(0, end))
    at += end
  }
  return found
}

/** Where the content of the first value in `bytes` is. */
function contentOf(bytes: Uint8Array): { start: number; end: number } {
  let length = bytes[1] ?? 0
  let start = 2
  if (length > 0x80) {
    start += length & 0x7f
    length = 0
    for (const octet of bytes.subarray(2, start)) length = length * 256 + octet
  }
  const end = start + length
  if (end > bytes.length) throw new RangeError('a DER value ends too early')
  return { start, end }
}

/** A certificate's subject name, unchanged: names are compared bit by bit. @param certificate of version 3 */
export function subjectOf(certificate: Uint8Array): Uint8Array {
  return children(children(certificate)[0]!)[5]!
}

/** The issuer's name and the serial number of a version 3 certificate, unchanged. */
export function issuerAndSerialNumber(certificate: Uint8Array): [issuer: Uint8Array, serialNumber: Uint8Array] {
  const fields = children(children(certificate)[0]!)
  return [fields[3]!, fields[1]!]
}

/** Key bits of a SubjectPublicKeyInfo. Their SHA-1 is its identifier, by the first method of RFC 5280 section 4.2.1.2. */
export function keyBits(spki: Uint8Array): Uint8Array {
  const bits = children(spki)[1]!
  return bits.subarray(contentOf(bits).start + 1)
}
