import { ServiceError } from '@strongroom/platform'

/** An expression over one row. */
export type Expression =
  | { kind: 'literal'; value: string | number | boolean | null }
  | { kind: 'column'; name: string }
  | { kind: 'member'; of: Expression; name: Expression }
  | { kind: 'call'; name: string; args: Expression[] }
  | { kind: 'binary'; operator: string; left: Expression; right: Expression }
  /** Joined by `and` (every) or `or` (some). */
  | { kind: 'every' | 'some'; of: Expression[] }
  | { kind: 'in'; left: Expression; negated: boolean; folded: boolean; values: Expression[] }

export interface Named {
  name: string
  value: Expression
}

export type Step =
  | { kind: 'where'; test: Expression }
  | { kind: 'project'; columns: Named[] }
  | { kind: 'summarize'; results: Named[]; by: Named[] }
  | { kind: 'count' }
  | { kind: 'order'; by: { value: Expression; descending: boolean }[] }
  | { kind: 'take'; count: number }

export interface Query {
  table: string
  steps: Step[]
}

/** Longer than Azure's queries in practice; the depth protects the stack. */
const lengthLimit = 16_384
const depthLimit = 64

export const invalidQuery = (message: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'InvalidQuery',
    message: `Query is invalid. ${message}`,
    target: 'query',
    expected,
    found: found.slice(0, 120),
    remedy: 'docs/guides/azure-clients.md lists the supported parts of the Kusto Query Language.',
  })

interface Token {
  kind: 'word' | 'text' | 'number' | 'sign'
  text: string
}

const pattern = new RegExp(
  [
    String.raw`\s+|\/\/[^\n]*`,
    String.raw`(?<text>@?'(?:[^'\\]|\\.)*'|@?"(?:[^"\\]|\\.)*")`,
    String.raw`(?<number>\d+(?:\.\d+)?)|(?<word>[A-Za-z_][A-Za-z0-9_]*)`,
    String.raw`(?<sign>=~|!~|==|!=|<=|>=|[|,()[\].=<>!*~-])`,
  ].join('|'),
  'y',
)

function tokensOf(query: string): Token[] {
  if (query.length > lengthLimit)
    throw invalidQuery('It is too long.', `at most ${lengthLimit} characters`, `${query.length} characters`)
  const tokens: Token[] = []
  pattern.lastIndex = 0
  while (pattern.lastIndex < query.length) {
    const at = pattern.lastIndex
    const match = pattern.exec(query)
    if (match === null) throw invalidQuery('It has an unexpected character.', 'a query', query.slice(at, at + 20))
    for (const kind of ['text', 'number', 'word', 'sign'] as const) {
      const text = match.groups?.[kind]
      if (text !== undefined) tokens.push({ kind, text })
    }
  }
  return tokens
}

function textOf(token: string): string {
  const verbatim = token.startsWith('@')
  const inner = token.slice(verbatim ? 2 : 1, -1)
  return verbatim ? inner : inner.replaceAll(/\\(.)/g, (_whole, sign: string) => ({ n: '\n', t: '\t' })[sign] ?? sign)
}

/** Operators between two values, in any case. */
const words = ['contains', 'has', 'startswith', 'endswith']
const signs = ['==', '!=', '=~', '!~', '<', '<=', '>', '>=']

/** Parses a query. @throws ServiceError InvalidQuery */
export const parseQuery = (text: string): Query => new Parser(tokensOf(text)).query()

class Parser {
  readonly #tokens: Token[]
  #at = 0
  #depth = 0

  constructor(tokens: Token[]) {
    this.#tokens = tokens
  }

  query(): Query {
    // A query may begin with its first step: its table is then Resources.
    const first = this.#peek()
    const named = first?.kind === 'word' && !this.#startsStep(first.text)
    const table = named ? this.#word() : 'Resources'
    const steps: Step[] = []
    if (!named && first !== undefined) steps.push(this.#step())
    while (this.#takes('|')) steps.push(this.#step())
    const rest = this.#peek()
    if (rest !== undefined) this.#fail("'|' or the end")
    return { table, steps }
  }

  #startsStep(word: string): boolean {
    return ['where', 'project', 'summarize', 'count', 'order', 'sort', 'take', 'limit'].includes(word.toLowerCase())
  }

  #step(): Step {
    const name = this.#word().toLowerCase()
    switch (name) {
      case 'where':
        return { kind: 'where', test: this.#expression() }
      case 'project':
        return { kind: 'project', columns: this.#named() }
      case 'summarize':
        return this.#summarize()
      case 'count':
        return { kind: 'count' }
      case 'order':
      case 'sort':
        this.#keyword('by')
        return { kind: 'order', by: this.#orders() }
      case 'take':
      case 'limit':
        return { kind: 'take', count: this.#number() }
      default:
        return this.#fail('where, project, summarize, count, order by, take or limit')
    }
  }

  #summarize(): Step {
    const by = (): Named[] => (this.#takesWord('by') ? this.#named() : [])
    if (this.#takesWord('by')) return { kind: 'summarize', results: [], by: this.#named() }
    const results = this.#named()
    return { kind: 'summarize', results, by: by() }
  }

  #named(): Named[] {
    const all: Named[] = []
    do {
      const [first, second] = [this.#peek(), this.#tokens[this.#at + 1]]
      if (first?.kind === 'word' && second?.text === '=') {
        // Assigned to a row, it would be its prototype.
        if (first.text === '__proto__') this.#fail('another name of a column')
        this.#at += 2
        all.push({ name: first.text, value: this.#expression() })
      } else {
        const value = this.#expression()
        all.push({ name: nameOf(value), value })
      }
    } while (this.#takes(','))
    return all
  }

  #orders(): { value: Expression; descending: boolean }[] {
    const all: { value: Expression; descending: boolean }[] = []
    do {
      const value = this.#expression()
      const ascending = this.#takesWord('asc')
      if (!ascending) this.#takesWord('desc')
      all.push({ value, descending: !ascending })
    } while (this.#takes(','))
    return all
  }

  #expression(): Expression {
    this.#depth += 1
    if (this.#depth > depthLimit) this.#fail(`at most ${depthLimit} levels`)
    const expression = this.#joined('some', 'or', () => this.#joined('every', 'and', () => this.#comparison()))
    this.#depth -= 1
    return expression
  }

  /** A list, not a tree: evaluating a chain of thousands takes no stack. */
  #joined(kind: 'every' | 'some', word: string, next: () => Expression): Expression {
    const of = [next()]
    while (this.#takesWord(word)) of.push(next())
    return of.length === 1 ? of[0]! : { kind, of }
  }

  #comparison(): Expression {
    const left = this.#value()
    const sign = this.#peek()
    if (sign?.kind === 'sign' && signs.includes(sign.text)) {
      this.#at += 1
      return { kind: 'binary', operator: sign.text, left, right: this.#value() }
    }
    const negated = this.#takes('!')
    const word = this.#peek()?.kind === 'word' ? this.#peek()!.text.toLowerCase() : ''
    if (words.includes(word)) {
      this.#at += 1
      return { kind: 'binary', operator: negated ? `!${word}` : word, left, right: this.#value() }
    }
    if (word === 'in') {
      this.#at += 1
      const folded = this.#takes('~')
      this.#expect('(')
      return { kind: 'in', left, negated, folded, values: this.#list(')') }
    }
    return negated ? this.#fail('an operator after !') : left
  }

  #value(): Expression {
    let value = this.#primary()
    for (let members = 0; ; members++) {
      if (members > depthLimit) this.#fail(`at most ${depthLimit} levels`)
      if (this.#takes('.')) value = { kind: 'member', of: value, name: { kind: 'literal', value: this.#word() } }
      else if (this.#takes('[')) {
        value = { kind: 'member', of: value, name: this.#expression() }
        this.#expect(']')
      } else return value
    }
  }

  #primary(): Expression {
    const token = this.#peek()
    if (token === undefined) return this.#fail('an expression')
    this.#at += 1
    if (token.kind === 'text') return { kind: 'literal', value: textOf(token.text) }
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) }
    if (token.text === '-') return { kind: 'literal', value: -this.#number() }
    if (token.text === '(') {
      const inner = this.#expression()
      this.#expect(')')
      return inner
    }
    if (token.kind !== 'word') {
      this.#at -= 1
      return this.#fail('an expression')
    }
    if (this.#takes('(')) return { kind: 'call', name: token.text.toLowerCase(), args: this.#list(')') }
    const constant = { true: true, false: false, null: null }[token.text.toLowerCase()]
    return constant === undefined ? { kind: 'column', name: token.text } : { kind: 'literal', value: constant }
  }

  #list(end: string): Expression[] {
    const all: Expression[] = []
    if (this.#takes(end)) return all
    do all.push(this.#expression())
    while (this.#takes(','))
    this.#expect(end)
    return all
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at]
  }

  #takes(sign: string): boolean {
    const token = this.#peek()
    if (token?.kind !== 'sign' || token.text !== sign) return false
    this.#at += 1
    return true
  }

  #takesWord(word: string): boolean {
    const token = this.#peek()
    if (token?.kind !== 'word' || token.text.toLowerCase() !== word) return false
    this.#at += 1
    return true
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) this.#fail(`'${sign}'`)
  }

  #keyword(word: string): void {
    if (!this.#takesWord(word)) this.#fail(word)
  }

  #word(): string {
    const token = this.#peek()
    if (token?.kind !== 'word') return this.#fail('a name')
    this.#at += 1
    return token.text
  }

  #number(): number {
    const token = this.#peek()
    if (token?.kind !== 'number') return this.#fail('a number')
    this.#at += 1
    return Number(token.text)
  }

  #fail(expected: string): never {
    const found = this.#tokens.slice(this.#at, this.#at + 4).map(({ text }) => text)
    throw invalidQuery(`Expected ${expected}.`, expected, found.length === 0 ? 'the end' : found.join(' '))
  }
}

/** Default column name: Kusto's rule for paths and aggregates. */
function nameOf(value: Expression): string {
  if (value.kind === 'column') return value.name
  if (value.kind === 'member') {
    const name = value.name.kind === 'literal' ? String(value.name.value) : ''
    return `${nameOf(value.of)}_${name}`
  }
  if (value.kind !== 'call') return 'Column1'
  const [first] = value.args
  return `${value.name}_${first?.kind === 'column' || first?.kind === 'member' ? nameOf(first) : ''}`
}
