import { tokenize, type Comment, type Token } from './lexer.ts'
import { policyLimits } from './limits.ts'
import { PolicyError, type Position } from './policy-error.ts'
import { checkAction, checkTest } from './static-checks.ts'
import {
  functionArity,
  type Action,
  type ClaimProperty,
  type ClaimVerb,
  type CommentPlace,
  type Condition,
  type Expression,
  type FunctionName,
  type Operator,
  type Policy,
  type PolicyVersion,
  type PropertyAssignment,
  type PropertyTest,
  type Rule,
  type Segment,
} from './syntax.ts'

const versions: readonly string[] = ['1.0', '1.1', '1.2']
const properties: readonly string[] = ['type', 'value', 'valueType', 'issuer']
const operators: readonly string[] = ['==', '!=', '<', '<=', '>', '>=']
const verbsOf: Record<Segment, readonly string[]> = {
  configurationrules: ['issueproperty'],
  // Azure's sample for key attestation uses issue here; nothing in this section reaches a token.
  authorizationrules: ['permit', 'deny', 'add', 'issue'],
  issuancerules: ['add', 'issue', 'issueproperty'],
}

/**
 * Reads a policy of version 1.0, 1.1 or 1.2.
 * @throws PolicyError `PolicyParsingError` with line, column, what was found and what the grammar expects there.
 * @example
 * import { parsePolicy } from '@strongroom/policy'
 *
 * const policy = parsePolicy('version=1.0; authorizationrules { => permit(); }; issuancerules { };')
 * policy.version // => '1.0'
 * parsePolicy('permit();') // throws PolicyError PolicyParsingError
 */
export function parsePolicy(text: string): Policy {
  const { tokens, comments } = tokenize(text)
  return new Parser(tokens, comments).policy()
}

class Parser {
  readonly #tokens: Token[]
  #index = 0
  #version: PolicyVersion = '1.0'
  readonly #path: string[] = ['policy']
  #rules = 0

  readonly #comments: Comment[]
  #commentIndex = 0
  readonly #placed: Partial<Record<CommentPlace, string[]>> = {}

  constructor(tokens: Token[], comments: Comment[]) {
    this.#tokens = tokens
    this.#comments = comments
  }

  policy(): Policy {
    this.#place('version')
    this.#version = this.#within('version', () => this.#readVersion())
    const policy: Policy = { version: this.#version, authorizationRules: [] }
    if (this.#atKeyword('configurationrules')) {
      if (this.#version === '1.0') throw this.#failure('authorizationrules: configurationrules came with version 1.1')
      policy.configurationRules = this.#segment('configurationrules')
    }
    policy.authorizationRules = this.#segment('authorizationrules')
    if (this.#atKeyword('issuancerules')) policy.issuanceRules = this.#segment('issuancerules')
    if (this.#peek().kind !== 'end') throw this.#failure('the end of the policy')
    this.#place('end')
    if (Object.keys(this.#placed).length > 0) policy.comments = this.#placed
    return policy
  }

  #readVersion(): PolicyVersion {
    this.#keyword('version')
    this.#symbol('=')
    const token = this.#peek()
    if (token.kind !== 'decimal' || !versions.includes(token.text)) throw this.#failure('1.0, 1.1 or 1.2')
    this.#index += 1
    this.#symbol(';')
    return token.text as PolicyVersion
  }

  #segment(segment: Segment): Rule[] {
    return this.#within(segment, () => {
      this.#place(segment)
      this.#keyword(segment)
      this.#symbol('{')
      const rules: Rule[] = []
      while (!this.#at('}')) {
        if (!this.#atRule())
          throw this.#failure("'}' or a rule, which begins with '[', '!', '=>' or an identifier and ':'")
        rules.push(this.#rule(segment))
      }
      this.#place(`${segment} end`)
      this.#symbol('}')
      this.#symbol(';')
      return rules
    })
  }

  #rule(segment: Segment): Rule {
    return this.#within('rule', () => {
      const position = this.#peek().position
      if ((this.#rules += 1) > policyLimits.rules) throw this.#failure(`at most ${policyLimits.rules} rules`)
      const scope = new Map<string, boolean>()
      const conditions: Condition[] = []
      if (!this.#at('=>')) {
        do {
          if (conditions.length === policyLimits.conditionsPerRule)
            throw this.#failure(`at most ${policyLimits.conditionsPerRule} conditions in a rule`)
          conditions.push(this.#condition(scope))
        } while (this.#accept('&&'))
      }
      this.#symbol('=>')
      const action = this.#within('action', () => this.#action(segment, scope))
      const { line } = this.#peek().position
      this.#symbol(';')
      const comments = this.#commentsOf(line)
      return { conditions, action, position, ...(comments.length === 0 ? {} : { comments }) }
    })
  }

  /** @param scope identifiers of earlier conditions; false for those of negated ones, which are bound to no claim. */
  #condition(scope: Map<string, boolean>): Condition {
    return this.#within('condition', () => {
      const position = this.#peek().position
      if (this.#at('!') && this.#version !== '1.2') throw this.#failure("a condition: '!' came with version 1.2")
      const negated = this.#accept('!')
      let id: string | undefined
      if (this.#peek().kind === 'word') {
        id = this.#peek().text
        if (scope.has(id)) throw this.#failure('an identifier that no other condition of the rule has')
        this.#index += 1
        this.#symbol(':')
      }
      this.#symbol('[')
      const tests: PropertyTest[] = []
      do tests.push(this.#test(scope))
      while (this.#accept(','))
      this.#symbol(']')
      if (id !== undefined) scope.set(id, !negated)
      return { negated, ...(id === undefined ? {} : { id }), tests, position }
    })
  }

  #test(scope: Map<string, boolean>): PropertyTest {
    const position = this.#peek().position
    const property = this.#property()
    const token = this.#peek()
    if (token.kind !== 'symbol' || !operators.includes(token.text)) {
      throw this.#failure(token.text === '=' ? "'==' ('=' assigns, and only in an action)" : '==, !=, <, <=, > or >=')
    }
    this.#index += 1
    const expression = this.#expression(scope, 0)
    const test: PropertyTest = { property, operator: token.text as Operator, expression, position }
    checkTest(test, this.#where())
    return test
  }

  #action(segment: Segment, scope: Map<string, boolean>): Action {
    const token = this.#peek()
    const allowed = verbsOf[segment]
    if (token.kind !== 'word' || !allowed.includes(token.text)) {
      throw this.#failure(`${allowed.map((verb) => `${verb}()`).join(', ')} in ${segment}`)
    }
    this.#index += 1
    this.#symbol('(')
    if (token.text === 'permit' || token.text === 'deny') {
      this.#symbol(')')
      return { kind: token.text }
    }
    const action = this.#claimAction(token.text as ClaimVerb, token.position, scope)
    this.#symbol(')')
    checkAction(action, this.#where())
    return action
  }

  #claimAction(kind: ClaimVerb, position: Position, scope: Map<string, boolean>): Action {
    if (this.#atWord('claim')) {
      this.#index += 1
      this.#symbol('=')
      return { kind, claim: this.#identifier(scope), position }
    }
    const assignments: PropertyAssignment[] = []
    do {
      const property = this.#property()
      if (assignments.some((earlier) => earlier.property === property)) {
        this.#index -= 1
        throw this.#failure(`each property once`)
      }
      if (this.#at('==')) throw this.#failure("'=' ('==' compares, and only in a condition)")
      this.#symbol('=')
      assignments.push({ property, expression: this.#expression(scope, 0) })
    } while (this.#accept(','))
    return { kind, properties: assignments, position }
  }

  #expression(scope: Map<string, boolean>, depth: number): Expression {
    const token = this.#peek()
    const position = token.position
    if (token.kind === 'string' || token.kind === 'integer') {
      this.#index += 1
      return { kind: 'literal', value: token.kind === 'string' ? token.text : token.value!, position }
    }
    if (token.kind === 'decimal') throw this.#failure('an integer: the language has no fractions')
    if (token.kind !== 'word') throw this.#failure('a string, an integer, true, false, a claim property or a function')
    if (token.text === 'true' || token.text === 'false') {
      this.#index += 1
      return { kind: 'literal', value: token.text === 'true', position }
    }
    if (/^(true|false)$/i.test(token.text) && !scope.has(token.text))
      throw this.#failure('true or false, in lower case')
    if (this.#tokens[this.#index + 1]?.text === '(') return this.#call(scope, depth)
    const id = this.#identifier(scope)
    this.#symbol('.')
    return { kind: 'property', id, property: this.#property(), position }
  }

  #call(scope: Map<string, boolean>, depth: number): Expression {
    const { text, position } = this.#peek()
    if (!Object.hasOwn(functionArity, text)) throw this.#failure(`one of ${Object.keys(functionArity).join(', ')}`)
    if (this.#version !== '1.2') throw this.#failure('a value: functions came with version 1.2')
    if (depth >= policyLimits.callDepth) throw this.#failure(`at most ${policyLimits.callDepth} nested calls`)
    const name = text as FunctionName
    this.#index += 1
    this.#symbol('(')
    const args: Expression[] = []
    if (!this.#at(')')) {
      do args.push(this.#expression(scope, depth + 1))
      while (this.#accept(','))
    }
    if (args.length !== functionArity[name])
      throw this.#failure(`${functionArity[name]} arguments for ${name}, not ${args.length}`)
    this.#symbol(')')
    return { kind: 'call', name, arguments: args, position }
  }

  #identifier(scope: Map<string, boolean>): string {
    const token = this.#peek()
    const known = token.kind === 'word' ? scope.get(token.text) : undefined
    if (known === undefined) throw this.#failure('the identifier of an earlier condition of the same rule')
    if (!known) throw this.#failure('the identifier of a condition without "!": this one matches no claim')
    this.#index += 1
    return token.text
  }

  #property(): ClaimProperty {
    const token = this.#peek()
    if (token.kind !== 'word' || !properties.includes(token.text))
      throw this.#failure('type, value, valueType or issuer')
    this.#index += 1
    return token.text as ClaimProperty
  }

  /** Comments before the next token. */
  #place(place: CommentPlace): void {
    const found = this.#takeComments(this.#peek().position)
    if (found.length > 0) this.#placed[place] = found
  }

  /** Comments up to the end of a rule. Those after it on its last line belong to it, unless another rule follows on that line. */
  #commentsOf(line: number): string[] {
    const next = this.#peek().position
    return this.#takeComments(next.line === line ? next : { line: line + 1, column: 1 })
  }

  #takeComments(before: Position): string[] {
    const found: string[] = []
    for (; this.#commentIndex < this.#comments.length; this.#commentIndex += 1) {
      const { text, position } = this.#comments[this.#commentIndex]!
      if (position.line > before.line || (position.line === before.line && position.column >= before.column)) break
      found.push(text)
    }
    return found
  }

  #peek(): Token {
    return this.#tokens[this.#index]!
  }

  #at(symbol: string): boolean {
    return this.#peek().kind === 'symbol' && this.#peek().text === symbol
  }

  #atRule(): boolean {
    const next = this.#tokens[this.#index + 1]?.text
    return (
      ['[', '!', '=>'].some((symbol) => this.#at(symbol)) ||
      (this.#peek().kind === 'word' && (next === ':' || next === '['))
    )
  }

  #atWord(word: string): boolean {
    return this.#peek().kind === 'word' && this.#peek().text === word
  }

  /** Published policies also use `Version` and `Issuancerules`. */
  #atKeyword(word: string): boolean {
    return this.#peek().kind === 'word' && this.#peek().text.toLowerCase() === word
  }

  #accept(symbol: string): boolean {
    const found = this.#at(symbol)
    if (found) this.#index += 1
    return found
  }

  #symbol(symbol: string): void {
    if (!this.#accept(symbol)) throw this.#failure(`'${symbol}'`)
  }

  #keyword(word: string): void {
    if (!this.#atKeyword(word)) throw this.#failure(`'${word}'`)
    this.#index += 1
  }

  #within<T>(name: string, read: () => T): T {
    this.#path.push(name)
    const result = read()
    this.#path.pop()
    return result
  }

  #where(): string {
    return this.#path.join(' > ')
  }

  #failure(expected: string): PolicyError {
    const token = this.#peek()
    const text = token.kind === 'string' ? JSON.stringify(token.text) : token.text
    const found =
      token.kind === 'end' ? 'the end of the text' : `'${text.length > 40 ? `${text.slice(0, 40)}…` : text}'`
    return new PolicyError({
      code: 'PolicyParsingError',
      position: token.position,
      failingRule: this.#where(),
      found,
      expected,
    })
  }
}
