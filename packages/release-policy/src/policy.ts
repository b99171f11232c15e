import type { ReleaseAuthority, ReleaseCondition, ReleasePolicy } from '@strongroom/contract'
import { normalAuthority } from './authority.ts'
import { duplicateName } from './duplicate-name.ts'
import { ReleasePolicyError, shown } from './policy-error.ts'

/** Real policies list some sixty authorities; nothing near these bounds is written by hand. */
const limits = { depth: 8, conditions: 2000, claimParts: 16, claimLength: 512 }

/**
 * Reads a release policy of Key Vault's grammar, version 1.0.0. What is not understood is refused here and not ignored
 * later, so that no policy means more than its author wrote.
 * @param text JSON
 * @throws ReleasePolicyError with the place
 */
export function readReleasePolicy(text: string): ReleasePolicy {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('$', 'JSON', 'something else')
  }
  const twice = duplicateName(text)
  if (twice !== undefined) throw invalid(shown(twice), 'each name once', 'the same name twice')
  return new Reader().policy(value)
}

class Reader {
  #conditions = 0

  policy(value: unknown): ReleasePolicy {
    const policy = fieldsOf(value, '$', ['version', 'anyOf'])
    // Samples of Azure's SDKs say 1.0, az's and the portal's say 1.0.0, Microsoft's region template says nothing.
    if (policy.version !== undefined && policy.version !== '1.0.0' && policy.version !== '1.0') {
      throw invalid('$.version', '"1.0.0"', shown(policy.version))
    }
    const list = this.#list(policy.anyOf, '$.anyOf')
    return { version: '1.0.0', anyOf: list.map((entry, index) => this.#authority(entry, `$.anyOf[${index}]`)) }
  }

  #authority(value: unknown, place: string): ReleaseAuthority {
    const { authority, ...rest } = fieldsOf(value, place, ['authority', 'allOf', 'anyOf'])
    if (typeof authority !== 'string') throw invalid(`${place}.authority`, 'an https URL', shown(authority))
    if (normalAuthority(authority) === undefined) {
      throw invalid(`${place}.authority`, 'an https URL without path, port and query', shown(authority))
    }
    return { authority, ...this.#group(rest, place, 1) }
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
    const { claim, equals } = fieldsOf(value, place, ['claim', 'equals'])
    const parts = typeof claim === 'string' ? claim.split('.') : []
    if (typeof claim !== 'string' || claim.length > limits.claimLength || parts.includes('')) {
      throw invalid(`${place}.claim`, 'a path of claim names divided by dots', shown(claim))
    }
    if (parts.length > limits.claimParts) {
      throw invalid(`${place}.claim`, `at most ${limits.claimParts} parts`, shown(claim))
    }
    if (typeof equals !== 'string' && typeof equals !== 'boolean' && typeof equals !== 'number') {
      throw invalid(`${place}.equals`, 'a string, a number, true or false', shown(equals))
    }
    // Beyond this, different numbers of the text are the same number here.
    if (typeof equals === 'number' && Math.abs(equals) > Number.MAX_SAFE_INTEGER) {
      throw invalid(`${place}.equals`, `a number up to ${Number.MAX_SAFE_INTEGER}`, shown(equals))
    }
    return { claim, equals }
  }

  #list(value: unknown, place: string): unknown[] {
    if (!Array.isArray(value)) throw invalid(place, 'a list', shown(value))
    if (value.length === 0) throw invalid(place, 'a list with at least one entry', 'an empty list')
    if (value.length > limits.conditions)
      throw invalid(place, `at most ${limits.conditions} entries`, `${value.length}`)
    return value
  }
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
