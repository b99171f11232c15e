import { TemplateError } from './template-error.ts'

/** One expression of the template language, as in `[…]`. */
export type Expression =
  | { kind: 'literal'; value: string | number }
  | { kind: 'call'; name: string; args: Expression[] }
  | { kind: 'member'; of: Expression; name: string }
  | { kind: 'index'; of: Expression; at: Expression }

/** Azure's limit of 24,576 characters; the depth protects the stack. */
const lengthLimit = 24_576
const depthLimit = 64

/** Whether a text is an expression: `[…]`, but not `[[…`, which is an escaped `[…`. */
export const isExpression = (text: string): boolean =>
  text.startsWith('[') && text.endsWith(']') && !text.startsWith('[[')

/** The value of a text that is not an expression. */
export const literalText = (text: string): string => (text.startsWith('[[') ? text.slice(1) : text)

const parsed = new Map<string, Expression>()

/** @throws TemplateError with the place of the mistake */
export function parseExpression(text: string): Expression {
  const known = parsed.get(text)
  if (known !== undefined) return known
  if (text.length > lengthLimit) {
    throw new TemplateError(`The expression is longer than ${lengthLimit} characters`, { found: String(text.length) })
  }
  const expression = new Parser(text).whole()
  if (parsed.size > 5_000) parsed.clear()
  parsed.set(text, expression)
  return expression
}

class Parser {
  readonly #text: string
  #at = 1

  constructor(text: string) {
    this.#text = text
  }

  whole(): Expression {
    const expression = this.#expression(0)
    this.#space()
    if (this.#at === this.#text.length - 1) return expression
    return this.#fail('the end of the expression')
  }

  #expression(depth: number): Expression {
    if (depth > depthLimit) return this.#fail(`at most ${depthLimit} levels`)
    let expression = this.#primary(depth)
    // The evaluator goes as deep into a chain of members as into nested calls.
    for (let members = 0; ; members++) {
      if (members > depthLimit) return this.#fail(`at most ${depthLimit} levels`)
      this.#space()
      const sign = this.#text[this.#at]
      if (sign === '.') {
        this.#at += 1
        expression = { kind: 'member', of: expression, name: this.#name() }
      } else if (sign === '[') {
        this.#at += 1
        const at = this.#expression(depth + 1)
        this.#expect(']')
        expression = { kind: 'index', of: expression, at }
      } else return expression
    }
  }

  #primary(depth: number): Expression {
    this.#space()
    const sign = this.#text[this.#at] ?? ''
    if (sign === "'") return { kind: 'literal', value: this.#quoted() }
    if (/[-+0-9]/.test(sign)) return { kind: 'literal', value: this.#number() }
    let name = this.#name()
    // A template's own function: namespace.member(…).
    if (this.#text[this.#at] === '.') {
      this.#at += 1
      name = `${name}.${this.#name()}`
    }
    this.#expect('(')
    const args: Expression[] = []
    this.#space()
    if (this.#text[this.#at] === ')') this.#at += 1
    else {
      for (;;) {
        args.push(this.#expression(depth + 1))
        this.#space()
        if (this.#text[this.#at] === ')') break
        this.#expect(',')
      }
      this.#at += 1
    }
    return { kind: 'call', name: name.toLowerCase(), args }
  }

  /** A quote inside is doubled. */
  #quoted(): string {
    let value = ''
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const sign = this.#text[this.#at]!
      if (sign !== "'") value += sign
      else if (this.#text[this.#at + 1] === "'") {
        value += "'"
        this.#at += 1
      } else {
        this.#at += 1
        return value
      }
    }
    return this.#fail("a closing '")
  }

  #number(): number {
    const found = /^[-+]?\d+/.exec(this.#text.slice(this.#at, this.#at + 32))?.[0]
    if (found === undefined || !Number.isSafeInteger(Number(found))) return this.#fail('a whole number')
    this.#at += found.length
    return Number(found)
  }

  #name(): string {
    this.#space()
    const found = /^[A-Za-z_][A-Za-z0-9_]*/.exec(this.#text.slice(this.#at, this.#at + 256))?.[0]
    if (found === undefined) return this.#fail('a name')
    this.#at += found.length
    return found
  }

  #expect(sign: string): void {
    this.#space()
    if (this.#text[this.#at] !== sign) this.#fail(`'${sign}'`)
    this.#at += 1
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1
  }

  #fail(expected: string): never {
    const found = this.#text.slice(this.#at, this.#at + 20)
    throw new TemplateError(
      `The template language expression '${this.#text.slice(0, 200)}' is not valid: expected ${expected} at position ${this.#at}`,
      { expected, found: found === '' ? 'the end' : found },
    )
  }
}

/** Every call in the expression, outermost first. */
export function callsIn(expression: Expression): Extract<Expression, { kind: 'call' }>[] {
  switch (expression.kind) {
    case 'literal':
      return []
    case 'call':
      return [expression, ...expression.args.flatMap(callsIn)]
    case 'member':
      return callsIn(expression.of)
    case 'index':
      return [...callsIn(expression.of), ...callsIn(expression.at)]
  }
}
