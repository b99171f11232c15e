import type {
  ClaimCondition,
  ClaimOperator,
  ReleaseAuthority,
  ReleaseCondition,
  ReleasePolicy,
} from '@strongroom/contract'
import { normalAuthority } from './authority.ts'
import { claimOperators, isOrder } from './comparison.ts'
import { duplicateName } from './duplicate-name.ts'
import { ReleasePolicyError, shown } from './policy-error.ts'

/**
 * One grammar under three names: policies of az and the portal use 1.0.0, samples of Azure's SDKs 1.0, and those that
 * the sidecar of confidential containers imports 0.2. Microsoft's region template has none.
 */
const versions: readonly unknown[] = ['1.0.0', '1.0', '0.2']

/** Real policies list some sixty authorities; nobody writes policies near these limits by hand. */
const limits = { depth: 8, conditions: 2000, claimParts: 16, claimLength: 512 }

/**
 * Parses a release policy of Key Vault's grammar, version 1.0.0. Anything unknown is refused here rather than ignored
 * later, so a policy cannot allow more than its author wrote.
 * @param text JSON
 * @throws ReleasePolicyError with the place
 * @example
 * import { readReleasePolicy } from '@strongroom/release-policy'
 *
 * const policy = readReleasePolicy(`{
 *   "version": "1.0.0",
 *   "anyOf": [{ "authority": "https://a.example", "allOf": [{ "claim": "tee", "equals": "sevsnpvm" }] }]
 * }`)
 * policy.anyOf[0]?.authority // => 'https://a.example'
 * readReleasePolicy('{"anyOf":[],}') // throws ReleasePolicyError
 */
export function readReleasePolicy(text: string): ReleasePolicy {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    // Where the JSON is broken, for example at a comma before a bracket, which some parsers accept.
    throw invalid('$', 'JSON', error instanceof Error ? shown(error.message) : 'something else')
  }
  const twice = duplicateName(text)
  if (twice !== undefined) throw invalid(shown(twice), 'each name once', 'the same name twice')
  return new Reader().policy(value)
}

class Reader {
  #conditions = 0

  policy(value: unknown): ReleasePolicy {
    const policy = fieldsOf(value, '$', ['version', 'anyOf', 'allOf'])
    if (policy.version !== undefined && !versions.includes(policy.version)) {
      throw invalid('$.version', '"1.0.0"', shown(policy.version))
    }
    const key = Object.hasOwn(policy, 'allOf') ? 'allOf' : 'anyOf'
    if (key === 'allOf' && Object.hasOwn(policy, 'anyOf')) {
      throw invalid('$', 'exactly one of anyOf and allOf', 'anyOf and allOf')
    }
    const list = this.#list(policy[key], `$.${key}`)
    // Azure's examples put a single authority here. Several could never be satisfied together: a token has one issuer.
    if (key === 'allOf' && list.length > 1) {
      throw invalid('$.allOf', 'one authority, or anyOf (a token has one issuer)', `${list.length} entries`)
    }
    return {
      version: '1.0.0',
      anyOf: list.map((entry, index) => this.#authority(entry, `$.${key}[${index}]`)),
      ...(key === 'allOf' && { writtenAs: key }),
    }
  }

  #authority(value: unknown, place: string): ReleaseAuthority {
    const { authority, ...rest } = fieldsOf(value, place, ['authority', 'allOf', 'anyOf'])
    if (typeof authority !== 'string') throw invalid(`${place}.authority`, 'an https URL', shown(authority))
    // Azure's grammar and its guides for GPU VMs name only the host.
    const url = /^https:\/\//i.test(authority) ? authority : `https://${authority}`
    if (normalAuthority(url) === undefined) {
      throw invalid(`${place}.authority`, 'an https URL without path, port and query', shown(authority))
    }
    return { authority: url, ...this.#group(rest, place, 1) }
  }

  #group(
    value: Record<string, unknown>,
    place: string,
    depth: number,
  ): { allOf: ReleaseCondition[] } | { anyOf: ReleaseCondition[] } {
    if (depth > limits.depth) throw invalid(place, `at most ${limits.depth} levels`, 'more')
    const keys = Object.keys(value)
    if (keys.length !== 1) {
      throw invalid(place, 'exactly one of allOf and anyOf', keys.length === 0 ? 'neither' : keys.join(' and '))
    }
    const key = keys[0] as 'allOf' | 'anyOf'
    const list = this.#list(value[key], `${place}.${key}`)
    const conditions = list.map((entry, index) => this.#condition(entry, `${place}.${key}[${index}]`, depth + 1))
    return key === 'allOf' ? { allOf: conditions } : { anyOf: conditions }
  }

  #condition(value: unknown, place: string, depth: number): ReleaseCondition {
    if (++this.#conditions > limits.conditions) throw invalid(place, `at most ${limits.conditions} conditions`, 'more')
    const isGroup = typeof value === 'object' && value !== null && ('allOf' in value || 'anyOf' in value)
    if (isGroup) return this.#group(fieldsOf(value, place, ['allOf', 'anyOf']), place, depth)
    const { claim, ...operands } = fieldsOf(value, place, ['claim', ...claimOperators])
    const parts = typeof claim === 'string' ? claim.split('.') : []
    if (typeof claim !== 'string' || claim.length > limits.claimLength || parts.includes('')) {
      throw invalid(`${place}.claim`, 'a path of claim names separated by dots', shown(claim))
    }
    if (parts.length > limits.claimParts) {
      throw invalid(`${place}.claim`, `at most ${limits.claimParts} parts`, shown(claim))
    }
    const [operator = 'equals', second] = claimOperators.filter((name) => Object.hasOwn(operands, name))
    if (second !== undefined) throw invalid(`${place}.${second}`, 'one operator', `${operator} and ${second}`)
    const operand = operands[operator]
    const expected = misfit(operator, operand)
    if (expected !== undefined) throw invalid(`${place}.${operator}`, expected, shown(operand))
    return { claim, [operator]: operand } as ClaimCondition
  }

  #list(value: unknown, place: string): unknown[] {
    if (!Array.isArray(value)) throw invalid(place, 'a list', shown(value))
    if (value.length === 0) throw invalid(place, 'a list with at least one entry', 'an empty list')
    if (value.length > limits.conditions)
      throw invalid(place, `at most ${limits.conditions} entries`, `${value.length}`)
    return value
  }
}

/** What an operator accepts instead of this value; undefined if it accepts it. */
function misfit(operator: ClaimOperator, operand: unknown): string | undefined {
  if (operator === 'exists') return typeof operand === 'boolean' ? undefined : 'true or false, without quotation marks'
  if (isOrder(operator) && typeof operand !== 'number')
    return 'a number, without quotation marks: only numbers have an order'
  if (typeof operand !== 'string' && typeof operand !== 'boolean' && typeof operand !== 'number') {
    return 'a string, a number, true or false'
  }
  // Beyond this, different numbers in the text become the same number here.
  const inexact = typeof operand === 'number' && Math.abs(operand) > Number.MAX_SAFE_INTEGER
  return inexact ? `a number up to ${Number.MAX_SAFE_INTEGER}` : undefined
}

function fieldsOf(value: unknown, place: string, allowed: string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(place, 'an object', shown(value))
  const foreign = Object.keys(value).find((key) => !allowed.includes(key))
  if (foreign !== undefined) throw invalid(`${place}.${shown(foreign)}`, `only ${allowed.join(', ')}`, shown(foreign))
  return value as Record<string, unknown>
}

function invalid(place: string, expected: string, found: string): ReleasePolicyError {
  return new ReleasePolicyError({ place, expected, found })
}
