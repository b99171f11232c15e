import { policyLimits } from './limits.ts'
import { PolicyError, type Position } from './policy-error.ts'

type TokenKind = 'word' | 'string' | 'integer' | 'decimal' | 'symbol' | 'end'

export interface Token {
  kind: TokenKind
  /** The characters as written; for strings the content with escapes resolved. */
  text: string
  value?: number
  position: Position
}

/** The longest first. */
const symbols = '=> == != <= >= && = < > ! { } [ ] ( ) , ; : .'.split(' ')
const escapes: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', n: '\n', r: '\r', t: '\t' }

const wordPattern = /[A-Za-z_][A-Za-z0-9_]*/y
const hexPattern = /0[xX][0-9A-Fa-f]+/y
const numberPattern = /-?[0-9]+(\.[0-9]+)?/y
const blankPattern = /[ \t]+/y
const commentPattern = /\/\/[^\r\n]*/y
/** Common mistakes, and what the language has instead. */
const slips: readonly [RegExp, string][] = [
  [/[\u2018-\u201f']/y, 'a straight double quotation mark: "'],
  [/\/\*/y, 'a comment that begins with // and ends with its line'],
  [/\|/y, "'&&': the language has no 'or'; write another rule"],
  [/&/y, "'&&'"],
  [/->/y, "'=>'"],
]

/** A comment without its `//`; runs to the end of its line. */
export interface Comment {
  text: string
  position: Position
}

/** Splits a policy text into tokens and comments; the last token is `end`. */
export function tokenize(text: string): { tokens: Token[]; comments: Comment[] } {
  if (new TextEncoder().encode(text).length > policyLimits.textBytes)
    throw failure(
      { line: 1, column: 1 },
      'a text that is too large',
      `at most ${policyLimits.textBytes} bytes of UTF-8`,
    )
  return new Lexer(text).run()
}

class Lexer {
  readonly #text: string
  #offset = 0
  #line = 1
  #lineStart = 0
  readonly #tokens: Token[] = []
  readonly #comments: Comment[] = []

  constructor(text: string) {
    this.#text = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }

  run(): { tokens: Token[]; comments: Comment[] } {
    while (this.#offset < this.#text.length) this.#next()
    this.#tokens.push({ kind: 'end', text: '', position: this.#position() })
    return { tokens: this.#tokens, comments: this.#comments }
  }

  #next(): void {
    const character = this.#text[this.#offset]!
    if (character === '\n' || character === '\r') return this.#newLine()
    if (this.#match(blankPattern) !== undefined) return
    const position = this.#position()
    if (this.#text.startsWith('//', this.#offset)) return this.#comment(position)
    if (character === '"') return this.#string(position)
    const word = this.#match(wordPattern)
    if (word !== undefined) return this.#push({ kind: 'word', text: word, position })
    const hex = this.#match(hexPattern)
    if (hex !== undefined) return this.#number(hex, 'integer', position)
    const number = this.#match(numberPattern)
    if (number !== undefined) return this.#number(number, number.includes('.') ? 'decimal' : 'integer', position)
    const symbol = symbols.find((candidate) => this.#text.startsWith(candidate, this.#offset))
    if (symbol === undefined) throw this.#stray(position)
    this.#offset += symbol.length
    this.#push({ kind: 'symbol', text: symbol, position })
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#offset += found.length
    return found
  }

  #newLine(): void {
    this.#offset += this.#text.startsWith('\r\n', this.#offset) ? 2 : 1
    this.#line += 1
    this.#lineStart = this.#offset
  }

  #comment(position: Position): void {
    const text = this.#match(commentPattern)!
    this.#comments.push({ text: text.slice(2).trim(), position })
  }

  #string(start: Position): void {
    const parts: string[] = []
    this.#offset += 1
    let length = 0
    for (;;) {
      const character = this.#text[this.#offset]
      if (character === undefined || character === '\n' || character === '\r')
        throw failure(start, 'a string without an end', 'a closing " on the same line')
      if (character === '"') break
      if ((length += 1) > policyLimits.stringCharacters)
        throw failure(start, 'a string that is too long', `at most ${policyLimits.stringCharacters} characters`)
      if (character === '\\') parts.push(this.#escape())
      else {
        parts.push(character)
        this.#offset += 1
      }
    }
    this.#offset += 1
    this.#push({ kind: 'string', text: parts.join(''), position: start })
  }

  #escape(): string {
    const position = this.#position()
    const letter = this.#text[this.#offset + 1] ?? ''
    if (letter === 'u') {
      const digits = this.#text.slice(this.#offset + 2, this.#offset + 6)
      if (!/^[0-9A-Fa-f]{4}$/.test(digits)) throw failure(position, `"\\u${digits}"`, '\\u and four hexadecimal digits')
      this.#offset += 6
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    const resolved = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined
    if (resolved === undefined) throw failure(position, `"\\${letter}"`, String.raw`one of \" \\ \/ \n \r \t \uXXXX`)
    this.#offset += 2
    return resolved
  }

  #number(text: string, kind: 'integer' | 'decimal', position: Position): void {
    const value = Number(text)
    if (kind === 'integer' && !Number.isSafeInteger(value))
      throw failure(
        position,
        show(text),
        `an integer between -${Number.MAX_SAFE_INTEGER} and ${Number.MAX_SAFE_INTEGER}`,
      )
    // "-0" would print as "0" and then differ from the input.
    this.#push({ kind, text, value: value === 0 ? 0 : value, position })
  }

  #stray(position: Position): PolicyError {
    for (const [pattern, expected] of slips) {
      pattern.lastIndex = this.#offset
      const found = pattern.exec(this.#text)
      if (found !== null) return failure(position, show(found[0]), expected)
    }
    return failure(position, show(this.#text[this.#offset]!), 'a character of the policy language')
  }

  #push(token: Token): void {
    this.#tokens.push(token)
  }

  #position(): Position {
    return { line: this.#line, column: this.#offset - this.#lineStart + 1 }
  }
}

const show = (text: string): string => `'${text.length > 40 ? `${text.slice(0, 40)}…` : text}'`

function failure(position: Position, found: string, expected: string): PolicyError {
  return new PolicyError({ code: 'PolicyParsingError', position, failingRule: 'policy > text', found, expected })
}
