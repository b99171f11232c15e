import { JmesPathError } from './syntax.ts'

export type TokenKind = 'identifier' | 'quoted' | 'literal' | 'number' | 'symbol' | 'end'

export interface Token {
  kind: TokenKind
  text: string
  /** Content of quoted identifiers, literals and numbers. */
  value?: unknown
  offset: number
}

const symbols = [
  '[?',
  '[]',
  '||',
  '&&',
  '==',
  '!=',
  '<=',
  '>=',
  '.',
  '*',
  '[',
  ']',
  '{',
  '}',
  '(',
  ')',
  ',',
  ':',
  '|',
  '&',
  '!',
  '<',
  '>',
  '@',
]
const blank = /[ \t\n\r]+/y
const identifier = /[A-Za-z_][A-Za-z0-9_]*/y
const number = /-?[0-9]+/y
const quoted = /"(?:[^"\\]|\\.)*"/y
const raw = /'(?:[^'\\]|\\[^])*'/y
const literal = /`(?:[^`\\]|\\[^])*`/y

/** @throws JmesPathError */
export function tokenizeQuery(text: string): Token[] {
  const tokens: Token[] = []
  let offset = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset
    return pattern.exec(text)?.[0]
  }
  while (offset < text.length) {
    const space = match(blank)
    if (space !== undefined) {
      offset += space.length
      continue
    }
    const token = read(text, offset, match)
    tokens.push(token)
    offset += token.text.length
  }
  tokens.push({ kind: 'end', text: '', offset })
  return tokens
}

function read(text: string, offset: number, match: (pattern: RegExp) => string | undefined): Token {
  const name = match(identifier)
  if (name !== undefined) return { kind: 'identifier', text: name, offset }
  const digits = match(number)
  if (digits !== undefined) return { kind: 'number', text: digits, value: Number(digits), offset }
  const name2 = match(quoted)
  if (name2 !== undefined) return { kind: 'quoted', text: name2, value: json(name2, offset), offset }
  const string = match(raw)
  if (string !== undefined) {
    const value = string.slice(1, -1).replaceAll(/\\(['\\])/g, '$1')
    return { kind: 'literal', text: string, value, offset }
  }
  const value = match(literal)
  if (value !== undefined) {
    const content = value.slice(1, -1).replaceAll('\\`', '`')
    return { kind: 'literal', text: value, value: json(content.trim(), offset), offset }
  }
  const symbol = symbols.find((candidate) => text.startsWith(candidate, offset))
  if (symbol === undefined) throw new JmesPathError(`query, character ${offset + 1}: '${text[offset]}' has no meaning`)
  return { kind: 'symbol', text: symbol, offset }
}

function json(text: string, offset: number): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new JmesPathError(`query, character ${offset + 1}: the literal is not JSON`)
  }
}
