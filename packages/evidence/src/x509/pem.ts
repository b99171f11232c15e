import { fromBase64 } from '../core/bytes/base64.ts'
import { ParseError } from '../core/errors.ts'

const begin = '-----BEGIN '
const dashes = '-----'
/** Far above any vendor's chain. */
const maximumLength = 1 << 20

/**
 * DER of every block with this label in the text, in order. Text between blocks is allowed, as vendors write it.
 * A NUL at the end is allowed: Intel's certification data ends with one.
 * @throws ParseError InvalidEncoding, TooLarge, Missing (no block at all)
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parsePem } from '@strongroom/evidence'
 *
 * const [ask] = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * ask?.length // => 1677
 * parsePem('no certificate') // throws ParseError Missing
 */
export function parsePem(text: string, label = 'CERTIFICATE'): Uint8Array[] {
  return readBlocks(text, label, false)
}

/**
 * DER of a chain that is part of evidence: certificates and white space, nothing else. Unsigned, unread bytes must not
 * be able to carry anything. A NUL at the end is allowed: Intel's certification data ends with one.
 * @throws ParseError as parsePem, and TrailingBytes
 */
export function parsePemChain(text: string): Uint8Array[] {
  return readBlocks(text, 'CERTIFICATE', true)
}

function readBlocks(text: string, label: string, strict: boolean): Uint8Array[] {
  if (text.length > maximumLength) throw new ParseError({ code: 'TooLarge', message: 'PEM text is too large' })
  const blocks: Uint8Array[] = []
  let done = 0
  let at = text.indexOf(begin)
  while (at >= 0) {
    if (strict) requireBlank(text, done, at)
    const labelStart = at + begin.length
    const labelEnd = text.indexOf(dashes, labelStart)
    const found = labelEnd < 0 ? '' : text.slice(labelStart, labelEnd)
    if (!/^[A-Z0-9 ]{1,64}$/.test(found)) {
      throw new ParseError({ code: 'InvalidEncoding', message: 'PEM block has no label', offset: at })
    }
    const trailer = `-----END ${found}-----`
    const bodyStart = labelEnd + dashes.length
    const bodyEnd = text.indexOf(trailer, bodyStart)
    if (bodyEnd < 0) throw new ParseError({ code: 'Truncated', message: `PEM block ${found} has no end`, offset: at })
    if (found === label) blocks.push(fromBase64(text.slice(bodyStart, bodyEnd).replaceAll(/[\r\n\t ]/g, '')))
    else if (strict) throw new ParseError({ code: 'UnknownType', message: `PEM block ${found} in a chain`, offset: at })
    done = bodyEnd + trailer.length
    at = text.indexOf(begin, done)
  }
  if (strict) requireBlank(text, done, text.endsWith('\0') ? text.length - 1 : text.length)
  if (blocks.length === 0) throw new ParseError({ code: 'Missing', message: `No PEM block ${label}` })
  return blocks
}

function requireBlank(text: string, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    if (!' \t\r\n'.includes(text.charAt(at))) {
      throw new ParseError({ code: 'TrailingBytes', message: 'PEM chain has text outside its blocks', offset: at })
    }
  }
}
