import { callFunction, type Reference } from './functions.ts'
import { parseQuery } from './parser.ts'
import type { Comparator, Node } from './syntax.ts'
import { isObject, isTrue, printJson, sameJson, type Charge } from './values.ts'

/**
 * The result of a JMESPath query on JSON, as JSON text. What is absent is null.
 * @param charge told of the work as it is done; an exception of it ends the search
 * @throws JmesPathError for a query that cannot be read or a function that is given what it does not take
 */
export function searchJson(query: string, document: unknown, charge: Charge): string {
  return printJson(new Search(charge).evaluate(parseQuery(query), document), charge)
}

class Search {
  readonly #charge: Charge

  constructor(charge: Charge) {
    this.#charge = charge
  }

  evaluate(node: Node, value: unknown): unknown {
    this.#charge(1)
    switch (node.kind) {
      case 'current':
        return value
      case 'field':
        return isObject(value) && Object.hasOwn(value, node.name) ? value[node.name] : null
      case 'index':
        return Array.isArray(value) ? (value.at(node.index) ?? null) : null
      case 'slice':
        return Array.isArray(value) ? this.#slice(value, node) : null
      case 'literal':
        return node.value
      case 'chain':
        return this.evaluate(node.right, this.evaluate(node.left, value))
      case 'flatten':
        return this.#flatten(this.evaluate(node.left, value))
      case 'projection':
        return this.#project(node, value)
      case 'list':
        return value === null || value === undefined ? null : node.items.map((item) => this.evaluate(item, value))
      case 'hash':
        if (value === null || value === undefined) return null
        return Object.fromEntries(node.entries.map((entry) => [entry.name, this.evaluate(entry.value, value)]))
      case 'or': {
        const left = this.evaluate(node.left, value)
        return isTrue(left) ? left : this.evaluate(node.right, value)
      }
      case 'and': {
        const left = this.evaluate(node.left, value)
        return isTrue(left) ? this.evaluate(node.right, value) : left
      }
      case 'not':
        return !isTrue(this.evaluate(node.operand, value))
      case 'compare':
        return this.#compare(node.operator, this.evaluate(node.left, value), this.evaluate(node.right, value))
      case 'call':
        return callFunction(
          node.name,
          node.arguments.map((argument) => this.evaluate(argument, value)),
          this.#charge,
        )
      case 'reference': {
        const reference: Reference = { apply: (item) => this.evaluate(node.operand, item) }
        return reference
      }
    }
  }

  #project(node: Extract<Node, { kind: 'projection' }>, value: unknown): unknown {
    const base = this.evaluate(node.left, value)
    let items: unknown[]
    if (node.of === 'object') {
      if (!isObject(base)) return null
      items = Object.values(base)
    } else {
      if (!Array.isArray(base)) return null
      items = base
    }
    const found: unknown[] = []
    for (const item of items) {
      if (node.condition !== undefined && !isTrue(this.evaluate(node.condition, item))) continue
      const result = this.evaluate(node.right, item)
      if (result !== null && result !== undefined) found.push(result)
    }
    return found
  }

  #flatten(value: unknown): unknown {
    if (!Array.isArray(value)) return null
    const flat: unknown[] = []
    for (const item of value) {
      this.#charge(Array.isArray(item) ? item.length + 1 : 1)
      if (Array.isArray(item)) for (const inner of item) flat.push(inner)
      else flat.push(item)
    }
    return flat
  }

  #slice(list: unknown[], { start, stop, step }: Extract<Node, { kind: 'slice' }>): unknown[] {
    const { length } = list
    const bound = (index: number | undefined, absent: number): number => {
      if (index === undefined) return absent
      const low = step < 0 ? -1 : 0
      const high = step < 0 ? length - 1 : length
      return Math.min(Math.max(index < 0 ? index + length : index, low), high)
    }
    const first = bound(start, step < 0 ? length - 1 : 0)
    const last = bound(stop, step < 0 ? -1 : length)
    const found: unknown[] = []
    for (let at = first; step < 0 ? at > last : at < last; at += step) found.push(list[at])
    this.#charge(found.length)
    return found
  }

  #compare(operator: Comparator, left: unknown, right: unknown): boolean | null {
    if (operator === '==') return sameJson(left, right, this.#charge)
    if (operator === '!=') return !sameJson(left, right, this.#charge)
    if (typeof left !== 'number' || typeof right !== 'number') return null
    switch (operator) {
      case '<':
        return left < right
      case '<=':
        return left <= right
      case '>':
        return left > right
      case '>=':
        return left >= right
    }
  }
}
