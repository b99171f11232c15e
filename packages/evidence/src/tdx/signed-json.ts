import { ParseError } from '../core/errors.ts'

/** Text of the signed value and its signature in hexadecimal. */
export interface SignedText {
  body: string
  signature: string
}

const maximumLength = 1 << 20

/**
 * Splits an answer of Intel's service, `{"<member>":{…},"signature":"…"}`, without reserialising it: the signature
 * covers the exact text of the member's value.
 * @throws ParseError for any other shape, including a duplicate member
 */
export function splitSignedJson(text: string, member: string): SignedText {
  if (text.length > maximumLength)
    throw new ParseError({ code: 'TooLarge', message: `${member} is too large`, found: String(text.length) })
  // Signature bytes and text positions agree only where every character is one byte.
  // oxlint-disable-next-line no-control-regex -- the range of ASCII is meant
  if (!/^[\u0000-\u007f]*$/.test(text))
    throw new ParseError({ code: 'InvalidEncoding', message: `${member} is not ASCII` })
  const scanner = new Scanner(text, member)
  const found = new Map<string, string>()
  scanner.take('{')
  for (;;) {
    const name = parseJson(scanner.value(), `member name of ${member}`)
    if (name !== member && name !== 'signature') return scanner.fail('has a member that is not known')
    if (found.has(name)) scanner.fail(`has the member ${name} twice`)
    scanner.take(':')
    found.set(name, scanner.value())
    if (scanner.takeIf(',')) continue
    scanner.take('}')
    break
  }
  scanner.end()
  const body = found.get(member)
  const signatureText = found.get('signature')
  if (body === undefined || signatureText === undefined) return scanner.fail('lacks its body or its signature')
  const signature = parseJson(signatureText, 'signature')
  if (typeof signature !== 'string' || !/^[0-9a-fA-F]{128}$/.test(signature))
    return scanner.fail('has a signature that is not 64 bytes of hexadecimal')
  return { body, signature }
}

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d]

/** JSON.parse that throws ParseError. */
export function parseJson(text: string, field: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new ParseError({ code: 'InvalidEncoding', message: `${field} is not JSON`, cause })
  }
}

/** Finds where a JSON value ends; JSON.parse decides whether it is well formed. */
class Scanner {
  readonly #text: string
  readonly #subject: string
  #at = 0

  constructor(text: string, subject: string) {
    this.#text = text
    this.#subject = subject
  }

  take(character: string): void {
    if (!this.takeIf(character)) this.fail(`lacks ${character}`)
  }

  takeIf(character: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  end(): void {
    this.#space()
    if (this.#at < this.#text.length) this.fail('has text after its end')
  }

  /** Text of the next value: only strings, objects and arrays occur at this level. */
  value(): string {
    this.#space()
    const start = this.#at
    let depth = 0
    do {
      const character = this.#text.charCodeAt(this.#at)
      if (Number.isNaN(character)) this.fail('ends inside a value')
      if (character === quote) this.#string()
      else {
        if (character === openBrace || character === openBracket) depth++
        else if (character === closeBrace || character === closeBracket) depth--
        else if (depth === 0) this.fail('has a value of another kind')
        this.#at++
      }
    } while (depth > 0)
    return this.#text.slice(start, this.#at)
  }

  fail(message: string): never {
    throw new ParseError({ code: 'InvalidEncoding', message: `${this.#subject} ${message}`, offset: this.#at })
  }

  #string(): void {
    this.#at++
    for (;;) {
      const character = this.#text.charCodeAt(this.#at)
      if (Number.isNaN(character)) this.fail('ends inside a string')
      this.#at += character === backslash ? 2 : 1
      if (character === quote) return
    }
  }

  #space(): void {
    while (this.#at < this.#text.length && ' \t\r\n'.includes(this.#text.charAt(this.#at))) this.#at++
  }
}
