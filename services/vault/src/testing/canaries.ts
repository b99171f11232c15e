/** A test's secret, and every encoding in which it could leak. */
export interface Canary {
  name: string
  needles: Buffer[]
}

/** As bytes, reversed (numbers in memory), and in hexadecimal and both base64 alphabets at each alignment. */
export function canaryOf(name: string, secret: Uint8Array): Canary {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString('hex')
  const needles = [bytes, Buffer.from(bytes).reverse(), Buffer.from(hex), Buffer.from(hex.toUpperCase())]
  for (let shift = 0; shift < 3; shift++) {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    // The first and last groups contain bits of the neighbours.
    const inner = shifted.slice(shift === 0 ? 0 : 4, shifted.length - 4)
    for (const text of [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]) needles.push(Buffer.from(text))
  }
  // In a heap snapshot or a log, text appears unchanged; V8 may store it with two bytes per character.
  needles.push(Buffer.from(bytes.toString('latin1'), 'utf16le'), Buffer.from(hex, 'utf16le'))
  return { name, needles: needles.filter((needle) => needle.length >= 12) }
}

/** Names of the canaries found in these bytes. */
export function foundIn(haystack: Uint8Array, canaries: Canary[]): string[] {
  const bytes = Buffer.from(haystack.buffer, haystack.byteOffset, haystack.byteLength)
  return canaries.filter(({ needles }) => needles.some((needle) => bytes.includes(needle))).map(({ name }) => name)
}
