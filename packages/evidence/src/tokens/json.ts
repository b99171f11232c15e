import { ParseError } from '../core/errors.ts'

/** Deeper than any claim of a genuine token. */
const maximumDepth = 32

/**
 * Reads a JSON object strictly: valid UTF-8 without a byte order mark, no duplicate members at any level (RFC 8725
 * section 2.4 and RFC 7515 section 4: readers may choose different ones), nesting of 32 at most.
 * @throws ParseError InvalidEncoding, Duplicate, TooDeep
 * @example
 * import { readJsonObject, utf8 } from '@strongroom/evidence'
 *
 * readJsonObject(utf8('{"iss":"https://a.example"}'), 'token') // => { iss: 'https://a.example' }
 * // Readers would differ about which of the two counts.
 * readJsonObject(utf8('{"iss":"https://a.example","iss":"https://b.example"}'), 'token') // throws ParseError Duplicate
 */
export function readJsonObject(bytes: Uint8Array, subject: string): Record<string, unknown> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new ParseError({ code: 'InvalidEncoding', message: `${subject} is not UTF-8 JSON` })
  }
  const value = readJson(text, subject)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ParseError({ code: 'InvalidEncoding', message: `${subject} is not a JSON object` })
  }
  return value as Record<string, unknown>
}

/** Like `readJsonObject`, for any value and an already decoded text. @throws ParseError InvalidEncoding, Duplicate, TooDeep */
export function readJson(text: string, subject: string): unknown {
  try {
    refuseDeepOrDoubled(text, subject)
    return JSON.parse(text) as unknown
  } catch (cause) {
    if (cause instanceof ParseError && (cause.code !== 'Duplicate' || isJson(text))) throw cause
    throw new ParseError({ code: 'InvalidEncoding', message: `${subject} is not UTF-8 JSON` })
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Follows structure only; JSON.parse decides whether the text is JSON. */
function refuseDeepOrDoubled(text: string, subject: string): void {
  const levels: (Set<string> | undefined)[] = []
  let name: string | undefined
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '{') levels.push(new Set())
    else if (character === '[') levels.push(undefined)
    else if (character === '}' || character === ']') levels.pop()
    else if (character === '"') {
      const end = endOfString(text, at)
      name = text.slice(at, end + 1)
      at = end
    } else if (character === ':' && name !== undefined) {
      // Escapes can spell one name in many ways.
      const plain = JSON.parse(name) as string
      const seen = levels.at(-1)
      if (seen?.has(plain) === true) {
        throw new ParseError({ code: 'Duplicate', message: `${subject} has a member twice`, offset: at, found: plain })
      }
      seen?.add(plain)
    }
    if (levels.length > maximumDepth)
      throw new ParseError({ code: 'TooDeep', message: `${subject} is too deep`, offset: at })
  }
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at
  }
  throw new ParseError({ code: 'InvalidEncoding', message: 'Text ends inside a string', offset: start })
}
