import type { ReleaseAuthority, ReleaseCondition, ReleasePolicy } from '@strongroom/contract'
import { badParameter, shown } from '../errors.ts'

/** Real policies list some sixty authorities; nothing near these bounds is written by hand. */
const limits = { bytes: 64 * 1024, depth: 8, conditions: 2000, claimParts: 16 }

const contentTypePattern = /^application\/json(; ?charset=utf-8)?$/i

/**
 * Reads a release policy as it comes over the wire. What is not understood is refused here and not ignored later, so
 * that no policy means more than its author wrote.
 * @param data base64url
 * @throws ServiceError 400 BadParameter with the place
 */
export function parseReleasePolicy(data: unknown, contentType?: unknown): ReleasePolicy {
  if (contentType !== undefined && (typeof contentType !== 'string' || !contentTypePattern.test(contentType))) {
    throw invalid('release_policy.contentType', 'application/json; charset=utf-8', shown(contentType))
  }
  if (typeof data !== 'string' || !/^[A-Za-z0-9_-]+={0,2}$/.test(data)) {
    throw invalid(
      'release_policy.data',
      'a policy as base64url',
      typeof data === 'string' ? 'other characters' : shown(data),
    )
  }
  const bytes = Buffer.from(data, 'base64url')
  if (bytes.length > limits.bytes) {
    throw invalid('release_policy.data', `at most ${limits.bytes} bytes`, `${bytes.length} bytes`)
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw invalid('release_policy.data', 'JSON in UTF-8', 'something else')
  }
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
    if (typeof claim !== 'string' || claim.length > 512 || claim.split('.').some((part) => part === '')) {
      throw invalid(`${place}.claim`, 'a path of claim names divided by dots', shown(claim))
    }
    if (claim.split('.').length > limits.claimParts) {
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

/**
 * An authority as its token's issuer is compared: origin without trailing slash; undefined where it is none. Real
 * policies write it with and without the slash.
 */
export function normalAuthority(text: string): string | undefined {
  const match = /^https:\/\/([a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?)\/?$/i.exec(text)
  return match ? `https://${match[1]!.toLowerCase()}` : undefined
}

function fieldsOf(value: unknown, place: string, allowed: string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(place, 'an object', shown(value))
  const foreign = Object.keys(value).find((key) => !allowed.includes(key))
  if (foreign !== undefined) throw invalid(`${place}.${shown(foreign)}`, `only ${allowed.join(', ')}`, shown(foreign))
  return value as Record<string, unknown>
}

function invalid(target: string, expected: string, found: string): ReturnType<typeof badParameter> {
  return badParameter(`The key release policy is invalid at ${target}: expected ${expected}, found ${found}.`, {
    target,
    expected,
    found,
    remedy: 'Correct the release policy at this place.',
  })
}
