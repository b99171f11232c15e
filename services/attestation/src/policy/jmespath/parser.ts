import { tokenizeQuery, type Token } from './lexer.ts'
import { JmesPathError, type Comparator, type Node } from './syntax.ts'

/** How strongly an operator binds what stands to its left (the reference implementations' table). */
const binding: Record<string, number> = {
  '|': 1,
  '||': 2,
  '&&': 3,
  '==': 5,
  '!=': 5,
  '<': 5,
  '<=': 5,
  '>': 5,
  '>=': 5,
  '[]': 9,
  '[?': 21,
  '.': 40,
  '[': 55,
}
/** Weaker operators end the right side of a projection. */
const projectionStop = 10
const notBinding = 45
const depthLimit = 50

/** @throws JmesPathError */
export function parseQuery(text: string): Node {
  return new Parser(tokenizeQuery(text)).whole()
}

class Parser {
  readonly #tokens: Token[]
  #index = 0
  #depth = 0

  constructor(tokens: Token[]) {
    this.#tokens = tokens
  }

  whole(): Node {
    const node = this.#expression(0)
    if (this.#peek().kind !== 'end') throw this.#failure('the end of the query')
    return node
  }

  #expression(power: number): Node {
    if ((this.#depth += 1) > depthLimit) throw this.#failure(`at most ${depthLimit} nested expressions`)
    let left = this.#prefix()
    while (this.#peek().kind === 'symbol' && power < (binding[this.#peek().text] ?? 0)) left = this.#infix(left)
    this.#depth -= 1
    return left
  }

  #prefix(): Node {
    const token = this.#next()
    if (token.kind === 'literal') return { kind: 'literal', value: token.value }
    if (token.kind === 'quoted') return { kind: 'field', name: String(token.value) }
    if (token.kind === 'identifier')
      return this.#accept('(') ? this.#call(token.text) : { kind: 'field', name: token.text }
    const current: Node = { kind: 'current' }
    switch (token.text) {
      case '@':
        return current
      case '*':
        return { kind: 'projection', of: 'object', left: current, right: this.#projected() }
      case '!':
        return { kind: 'not', operand: this.#expression(notBinding) }
      case '&':
        return { kind: 'reference', operand: this.#expression(0) }
      case '(': {
        const inner = this.#expression(0)
        this.#expect(')')
        return inner
      }
      case '{':
        return this.#hash()
      case '[]':
        return { kind: 'projection', of: 'list', left: { kind: 'flatten', left: current }, right: this.#projected() }
      case '[?':
        return this.#filter(current)
      case '[':
        return this.#at('*') || this.#peek().kind === 'number' || this.#at(':') ? this.#bracket(current) : this.#list()
      default:
        if (token.kind !== 'end') this.#index -= 1
        throw this.#failure('an expression')
    }
  }

  #infix(left: Node): Node {
    const { text } = this.#next()
    switch (text) {
      case '.':
        if (this.#accept('*')) return { kind: 'projection', of: 'object', left, right: this.#projected() }
        return { kind: 'chain', left, right: this.#afterDot() }
      case '|':
        return { kind: 'chain', left, right: this.#expression(binding['|']!) }
      case '||':
        return { kind: 'or', left, right: this.#expression(binding['||']!) }
      case '&&':
        return { kind: 'and', left, right: this.#expression(binding['&&']!) }
      case '[]':
        return { kind: 'projection', of: 'list', left: { kind: 'flatten', left }, right: this.#projected() }
      case '[?':
        return this.#filter(left)
      case '[':
        return this.#bracket(left)
      default:
        return { kind: 'compare', operator: text as Comparator, left, right: this.#expression(binding[text]!) }
    }
  }

  /** What may follow a dot: a name, a call, a list or a hash; operators that bind more weakly stay outside. */
  #afterDot(): Node {
    const { kind, text } = this.#peek()
    if (kind === 'identifier' || kind === 'quoted' || text === '{') return this.#expression(binding['.']!)
    if (this.#accept('[')) return this.#list()
    throw this.#failure('a name, *, [ or { after the dot')
  }

  /** The part of a query that runs on each element of a projection. */
  #projected(): Node {
    const { kind, text } = this.#peek()
    if (kind === 'end' || (binding[text] ?? 0) < projectionStop) return { kind: 'current' }
    if (this.#accept('.')) {
      const star = this.#peek()
      if (star.text === '*') return this.#expression(binding['.']!)
      return this.#continue(this.#afterDot())
    }
    return this.#continue({ kind: 'current' })
  }

  #continue(left: Node): Node {
    let node = left
    while (this.#peek().kind === 'symbol' && projectionStop < (binding[this.#peek().text] ?? 0))
      node = this.#infix(node)
    return node
  }

  #filter(left: Node): Node {
    const condition = this.#expression(0)
    this.#expect(']')
    return { kind: 'projection', of: 'filter', left, condition, right: this.#projected() }
  }

  /** After '[': a number, a slice or a star. */
  #bracket(left: Node): Node {
    if (this.#accept('*')) {
      this.#expect(']')
      return { kind: 'projection', of: 'list', left, right: this.#projected() }
    }
    const parts: (number | undefined)[] = [this.#number()]
    while (this.#accept(':')) parts.push(this.#number())
    this.#expect(']')
    if (parts.length === 1) {
      if (parts[0] === undefined) throw this.#failure('an index')
      return { kind: 'chain', left, right: { kind: 'index', index: parts[0] } }
    }
    const [start, stop, step = 1] = parts
    if (parts.length > 3 || step === 0) throw this.#failure('a slice start:stop:step with a step that is not 0')
    const sliced: Node = { kind: 'chain', left, right: { kind: 'slice', start, stop, step } }
    return { kind: 'projection', of: 'list', left: sliced, right: this.#projected() }
  }

  #number(): number | undefined {
    return this.#peek().kind === 'number' ? Number(this.#next().value) : undefined
  }

  #list(): Node {
    const items: Node[] = []
    do items.push(this.#expression(0))
    while (this.#accept(','))
    this.#expect(']')
    return { kind: 'list', items }
  }

  #hash(): Node {
    const entries: { name: string; value: Node }[] = []
    do {
      const token = this.#next()
      if (token.kind !== 'identifier' && token.kind !== 'quoted') throw this.#failure('a name')
      this.#expect(':')
      entries.push({ name: token.kind === 'quoted' ? String(token.value) : token.text, value: this.#expression(0) })
    } while (this.#accept(','))
    this.#expect('}')
    return { kind: 'hash', entries }
  }

  #call(name: string): Node {
    const args: Node[] = []
    if (!this.#at(')')) {
      do args.push(this.#expression(0))
      while (this.#accept(','))
    }
    this.#expect(')')
    return { kind: 'call', name, arguments: args }
  }

  #peek(): Token {
    return this.#tokens[this.#index]!
  }

  #next(): Token {
    const token = this.#peek()
    if (token.kind !== 'end') this.#index += 1
    return token
  }

  #at(symbol: string): boolean {
    return this.#peek().kind === 'symbol' && this.#peek().text === symbol
  }

  #accept(symbol: string): boolean {
    const found = this.#at(symbol)
    if (found) this.#index += 1
    return found
  }

  #expect(symbol: string): void {
    if (!this.#accept(symbol)) throw this.#failure(`'${symbol}'`)
  }

  #failure(expected: string): JmesPathError {
    const { kind, text, offset } = this.#peek()
    const found = kind === 'end' ? 'the end of the query' : `'${text.slice(0, 40)}'`
    return new JmesPathError(`query, character ${offset + 1}: found ${found}, expected ${expected}`)
  }
}
