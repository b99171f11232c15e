import type { ReleasePolicy } from '@strongroom/contract'
import { readReleasePolicy, ReleasePolicyError } from '@strongroom/release-policy'
import { badParameter, shown } from '../core/errors.ts'

const sizeLimit = 64 * 1024
const contentTypePattern = /^application\/json(; ?charset=utf-8)?$/i

/**
 * Parses a release policy from the wire.
 * @param data base64url
 * @throws ServiceError 400 BadParameter with the place
 */
export function parseReleasePolicy(data: unknown, contentType?: unknown): ReleasePolicy {
  if (contentType !== undefined && (typeof contentType !== 'string' || !contentTypePattern.test(contentType))) {
    throw invalid('release_policy.contentType', 'application/json; charset=utf-8', shown(contentType))
  }
  const known = typeof data === 'string' ? read.get(data) : undefined
  if (known !== undefined) return known
  if (typeof data !== 'string' || !/^[A-Za-z0-9_-]+={0,2}$/.test(data)) {
    throw invalid(
      'release_policy.data',
      'a policy as base64url',
      typeof data === 'string' ? 'other characters' : shown(data),
    )
  }
  const bytes = Buffer.from(data, 'base64url')
  if (bytes.length > sizeLimit) {
    throw invalid('release_policy.data', `at most ${sizeLimit} bytes`, `${bytes.length} bytes`)
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalid('release_policy.data', 'JSON in UTF-8', 'something else')
  }
  try {
    return kept(data, readReleasePolicy(text))
  } catch (error) {
    if (error instanceof ReleasePolicyError) throw invalid(error.place, error.expected, error.found)
    throw error
  }
}

/**
 * One text always has one meaning, and each release parses its key's policy again, so the most recent ones are cached.
 * Few, and no long ones.
 */
const read = new Map<string, ReleasePolicy>()
const readLimit = { policies: 64, length: 16 * 1024 }

function kept(data: string, policy: ReleasePolicy): ReleasePolicy {
  if (data.length > readLimit.length) return policy
  for (const oldest of read.keys()) {
    if (read.size < readLimit.policies) break
    read.delete(oldest)
  }
  read.set(data, policy)
  return policy
}

function invalid(target: string, expected: string, found: string): ReturnType<typeof badParameter> {
  return badParameter(`The key release policy is invalid at ${target}: expected ${expected}, found ${found}.`, {
    target,
    expected,
    found,
    remedy: 'Correct the release policy at this place. `strongroom vault policy lint` checks one locally.',
  })
}
