import { malformed, notEvaluated, type Attribute, type AttributeName, type Condition } from './condition.ts'
import { operatorNamed } from './operators.ts'
import { tokensOf, type Token } from './tokens.ts'

/** Protects the stack; portals write three levels. */
const deepest = 32
const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const attributeForm = /^(request|resource)\[microsoft\.authorization\/roleassignments:([a-z]+)\]$/
const names: readonly AttributeName[] = ['roleDefinitionId', 'principalId', 'principalType']
const attributes =
  '@Request or @Resource, of Microsoft.Authorization/roleAssignments, RoleDefinitionId, PrincipalId or PrincipalType'

/**
 * Whatever is not evaluated is refused, so that no stored condition is without effect.
 * @throws ServiceError InvalidRoleAssignmentCondition; NotSupported with the name of what is not evaluated
 */
export const parseCondition = (text: string): Condition => new Parser(tokensOf(text)).whole()

class Parser {
  readonly #tokens: Token[]
  #next = 0

  constructor(tokens: Token[]) {
    this.#tokens = tokens
  }

  whole(): Condition {
    const condition = this.#either(0)
    this.#expect('end', 'AND, OR or the end')
    return condition
  }

  #either(depth: number): Condition {
    const of = [this.#both(depth)]
    while (this.#take('||', 'or')) of.push(this.#both(depth))
    return of.length === 1 ? of[0]! : { kind: 'or', of }
  }

  #both(depth: number): Condition {
    const of = [this.#one(depth)]
    while (this.#take('&&', 'and')) of.push(this.#one(depth))
    return of.length === 1 ? of[0]! : { kind: 'and', of }
  }

  #one(depth: number): Condition {
    if (depth > deepest) throw this.#wrong(`at most ${deepest} levels`)
    if (this.#take('!', 'not')) return { kind: 'not', of: this.#one(depth + 1) }
    if (this.#take('(')) {
      const inner = this.#either(depth + 1)
      this.#expect(')', 'AND, OR or )')
      return inner
    }
    if (this.#peek.kind === 'attribute') return this.#comparison()
    if (this.#take('exists')) return { kind: 'exists', attribute: this.#attribute() }
    return this.#function()
  }

  #function(): Condition {
    const { text } = this.#expect('word', 'an expression')
    if (this.#peek.kind !== '{') throw this.#wrong(`{ after ${text.slice(0, 40)}`)
    if (text.toLowerCase() !== 'actionmatches') throw notEvaluated('The function', text, 'ActionMatches')
    this.#expect('{', '{')
    const pattern = this.#expect('text', 'an action in quotes').text
    this.#expect('}', '}')
    return { kind: 'action', pattern }
  }

  #attribute(): Attribute {
    const { text } = this.#expect('attribute', 'an attribute')
    const [, source, given] = attributeForm.exec(text.toLowerCase()) ?? []
    const name = names.find((each) => each.toLowerCase() === given)
    if (name === undefined) throw notEvaluated('The attribute', `@${text}`, attributes)
    return { source: source as Attribute['source'], name }
  }

  #comparison(): Condition {
    const attribute = this.#attribute()
    const { text } = this.#expect('word', 'an operator')
    const { operator, set, every } = operatorNamed(text)
    const type = attribute.name === 'principalType' ? 'text' : 'GUID'
    if (operator.type !== type) throw notEvaluated(`The comparison of a ${type} by`, text, `an operator for a ${type}`)
    const values = set ? this.#set(type) : [this.#value(type)]
    return { kind: 'compare', attribute, operator, every, values }
  }

  #set(type: 'GUID' | 'text'): string[] {
    this.#expect('{', '{')
    const values = [this.#value(type)]
    while (this.#take(',')) values.push(this.#value(type))
    this.#expect('}', ', or }')
    return values
  }

  #value(type: 'GUID' | 'text'): string {
    const { kind, text } = this.#peek
    if (kind === 'attribute') throw notEvaluated('The attribute on the right', `@${text}`, 'a value')
    const fits = type === 'GUID' ? (kind === 'word' || kind === 'text') && guid.test(text) : kind === 'text'
    if (!fits) throw this.#wrong(type === 'GUID' ? 'a GUID' : 'a text in quotes')
    this.#next += 1
    return text
  }

  get #peek(): Token {
    return this.#tokens[this.#next]!
  }

  /** @param keywords a sign, or words in lower case */
  #take(...keywords: string[]): boolean {
    const { kind, text } = this.#peek
    if (!keywords.includes(kind) && !(kind === 'word' && keywords.includes(text.toLowerCase()))) return false
    this.#next += 1
    return true
  }

  #expect(kind: Token['kind'], expected: string): Token {
    const token = this.#peek
    if (token.kind !== kind) throw this.#wrong(expected)
    if (kind !== 'end') this.#next += 1
    return token
  }

  #wrong(expected: string): Error {
    const { at, text } = this.#peek
    return malformed(at, expected, text)
  }
}
