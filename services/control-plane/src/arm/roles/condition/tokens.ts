import { malformed, notEvaluated } from './condition.ts'

export interface Token {
  /** Signs are their own kind; `end` is last. */
  kind: '(' | ')' | '{' | '}' | ',' | '!' | '&&' | '||' | 'word' | 'text' | 'attribute' | 'end'
  /** A text without its quotes, an attribute as `source[name]`. */
  text: string
  at: number
}

/** Azure's limit, in characters. */
const longest = 8_192

const blank = /\s+/y
const sign = /&&|\|\||[(){},!]/y
/** Keywords, operators with their quantifier, and GUIDs. */
const word = /[A-Za-z0-9][A-Za-z0-9:-]*/y
const quoted = /'[^']*'/y
const attribute = /@[A-Za-z]+\[[^\]]*\]/y

/** @throws ServiceError InvalidRoleAssignmentCondition, NotSupported */
export function tokensOf(text: string): Token[] {
  if (text.length > longest) throw malformed(longest, `the end after at most ${longest} characters`, `${text.length}`)
  const tokens: Token[] = []
  let at = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(text)?.[0]
  }
  while (at < text.length) {
    const skipped = match(blank)
    if (skipped !== undefined) {
      at += skipped.length
      continue
    }
    const token = tokenAt(match, at)
    if (token === undefined) throw malformed(at, 'an expression', text.slice(at))
    const { raw, ...rest } = token
    tokens.push(rest)
    at += raw.length
  }
  return [...tokens, { kind: 'end', text: 'the end', at }]
}

function tokenAt(match: (pattern: RegExp) => string | undefined, at: number): (Token & { raw: string }) | undefined {
  const signed = match(sign)
  if (signed !== undefined) return { kind: signed as Token['kind'], text: signed, at, raw: signed }
  const text = match(quoted)
  if (text?.includes('\\') === true) throw notEvaluated('The escape in', text, 'texts without a backslash')
  if (text !== undefined) return { kind: 'text', text: text.slice(1, -1), at, raw: text }
  const named = match(attribute)
  if (named !== undefined) return { kind: 'attribute', text: named.slice(1), at, raw: named }
  const plain = match(word)
  return plain === undefined ? undefined : { kind: 'word', text: plain, at, raw: plain }
}
