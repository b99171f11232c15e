import {
  TreeInterpreter,
  TYPE_STRING,
  type JSONArray,
  type JSONObject,
  type JSONValue,
} from '@jmespath-community/jmespath'
import type { QueryNode } from './compile.ts'
import { perStep, weigh, type Charge } from './json.ts'
import { QueryError } from './query-error.ts'

type Visited = ReturnType<typeof TreeInterpreter.visit>
/** The library exports one shared interpreter; its class is needed because a budget belongs to one run. */
const Interpreter = TreeInterpreter.constructor as new () => typeof TreeInterpreter

/** Longest text that a function may create, in characters. */
const textLimit = 1_048_576

/**
 * The library's interpreter with metering: each visited node is charged, and values are weighed before anything
 * iterates over them. It reads own members only; the library would find `constructor` in every object.
 */
class MeteredInterpreter extends Interpreter {
  charge: Charge = () => {}

  constructor() {
    super()
    this.runtime.registerFunction(
      'equals_ignore_case',
      ([left, right]) => (left as string).toLowerCase() === (right as string).toLowerCase(),
      [{ types: [TYPE_STRING] }, { types: [TYPE_STRING] }],
    )
    const call = this.runtime.callFunction.bind(this.runtime)
    this.runtime.callFunction = (name, args) => {
      this.#weighCall(name, args)
      return call(name, args)
    }
  }

  override visit(node: QueryNode, value: JSONValue | QueryNode): Visited {
    this.charge(1)
    if (node.type === 'Field')
      return isObject(value) && Object.hasOwn(value, node.name) ? (value[node.name] ?? null) : null
    if (node.type === 'MultiSelectList') return value === null ? null : super.visit(node, value)
    if (node.type === 'MultiSelectHash') {
      if (value === null) return null
      return Object.fromEntries(node.children.map((entry) => [entry.name, this.visit(entry.value, value) as JSONValue]))
    }
    if (node.type === 'Flatten') {
      const list = this.visit(node.child, value)
      if (!Array.isArray(list)) return null
      this.charge(list.reduce<number>((sum, item) => sum + (Array.isArray(item) ? item.length + 1 : 1), 0) / 8)
      return list.flat()
    }
    if (node.type === 'Slice') {
      // Slices of texts are left to the library.
      if (!Array.isArray(value)) return null
      this.charge(value.length / 8)
      return super.visit(node, value)
    }
    if (node.type === 'NotExpression') return this.#isFalse(this.visit(node.child, value))
    if (node.type === 'OrExpression' || node.type === 'AndExpression') {
      const left = this.visit(node.left, value)
      return this.#isFalse(left) === (node.type === 'OrExpression') ? this.visit(node.right, value) : left
    }
    if (node.type === 'FilterProjection') {
      const base = this.visit(node.left, value)
      if (!Array.isArray(base)) return null
      const fitting = base.filter((item) => !this.#isFalse(this.visit(node.condition, item)))
      return fitting.map((item) => this.visit(node.right, item)).filter((item) => item !== null) as JSONArray
    }
    if (node.type !== 'Comparator') return super.visit(node, value)
    const [left, right] = [this.#literal(node.left, value), this.#literal(node.right, value)]
    return super.visit({ ...node, left, right }, value)
  }

  /** An operand, evaluated and weighed: a comparison traverses all of it. */
  #literal(node: QueryNode, value: JSONValue | QueryNode): QueryNode {
    const operand = this.visit(node, value) as JSONValue
    if (typeof operand === 'object') weigh(operand, this.charge)
    return { type: 'Literal', value: operand }
  }

  /** Whether an object is empty takes a look at all its names. */
  #isFalse(value: Visited): boolean {
    if (Array.isArray(value)) return value.length === 0
    if (!isObject(value)) return value === null || value === undefined || value === false || value === ''
    const { length } = Object.keys(value)
    this.charge(length / perStep.values)
    return length === 0
  }

  #weighCall(name: string, args: readonly unknown[]): void {
    if (name === 'length' || name === 'type' || name === 'not_null') return
    let weight = 0
    const counted: Charge = (cost) => {
      weight += cost
      this.charge(cost)
    }
    for (const argument of args) weigh(argument as JSONValue, counted)
    const [first, second] = args
    if (name === 'to_string' && weight * perStep.characters > textLimit)
      throw new QueryError(`to_string() makes more than ${textLimit} characters`)
    // Compared with each other about as often as their number can be halved, by their texts.
    if (name === 'sort' && Array.isArray(first)) this.charge((first.length * Math.log2(first.length + 1)) / 4)
    // Adding a member to an object costs several times as much as reading it.
    if (name === 'merge') for (const each of args) if (isObject(each)) this.charge(Object.keys(each).length)
    if (
      name === 'join' &&
      typeof first === 'string' &&
      Array.isArray(second) &&
      first.length * second.length > textLimit
    )
      throw new QueryError(`join() makes more than ${textLimit} characters`)
  }
}

function isObject(value: unknown): value is JSONObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const interpreter = new MeteredInterpreter()

/** Runs a compiled query without keeping state. @throws QueryError if a function gets an argument it does not accept */
export function interpret(node: QueryNode, document: JSONValue, charge: Charge): JSONValue | JSONArray {
  interpreter.charge = charge
  return interpreter.search(node, document)
}
