import { createHash } from 'node:crypto'
import { parsePolicy, PolicyError, type Policy } from '@strongroom/policy'
import { CliError, exitCodes, type ExitCode } from '../core/cli-error.ts'
import { readBytes } from '../evidence/files.ts'

const compactJws = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

/** The text of a policy file: either plain, or from the envelope (JWS) that is sent to a provider. */
export async function readPolicyText(path: string): Promise<{ text: string; inEnvelope: boolean }> {
  const text = decode(await readBytes(path), path)
  if (!compactJws.test(text.trim())) return { text, inEnvelope: false }
  const payload = Buffer.from(text.trim().split('.')[1]!, 'base64url').toString('utf8')
  let encoded: unknown
  try {
    encoded = (JSON.parse(payload) as Record<string, unknown> | null)?.['AttestationPolicy']
  } catch (cause) {
    throw notPolicy(path, 'a JWS whose payload is not JSON', cause)
  }
  if (typeof encoded !== 'string') throw notPolicy(path, 'a JWS without AttestationPolicy')
  return { text: decode(Buffer.from(encoded, 'base64url'), path), inEnvelope: true }
}

/** @throws CliError PolicyParsingError with the line that is wrong and a mark under the place */
export function readPolicy(text: string, exitCode: ExitCode): Policy {
  try {
    return parsePolicy(text)
  } catch (error) {
    if (error instanceof PolicyError) throw policyFailure(error, text, exitCode)
    throw error
  }
}

export function policyFailure(error: PolicyError, text: string, exitCode: ExitCode): CliError {
  const { line, column } = error.position
  const source = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)[line - 1] ?? ''
  // Long lines are truncated around the place; tabs keep their width.
  const from = Math.max(0, column - 60)
  const mark = source.slice(from, column - 1).replaceAll(/[^\t]/g, ' ')
  return new CliError({
    code: error.code,
    exitCode,
    message: `${error.message}\n  ${source.slice(from, from + 120)}\n  ${mark}^`,
    expected: error.expected,
    found: error.found,
    remedy: `Correct the policy at line ${line}, column ${column}.`,
    cause: error,
  })
}

/** `x-ms-policy-hash` of tokens issued under this text: base64url(SHA-256(UTF-8 of base64url(UTF-8 of the text))). */
export function hashOfPolicy(text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'utf8').toString('base64url')).digest('base64url')
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw notPolicy(path, 'bytes that are not UTF-8', cause)
  }
}

function notPolicy(path: string, found: string, cause?: unknown): CliError {
  return new CliError({
    code: 'InvalidArgument',
    message: `${path} does not contain a policy.`,
    exitCode: exitCodes.usage,
    expected: 'the text of a policy in UTF-8, or a JWS with AttestationPolicy',
    found,
    remedy: 'Pass the file with the policy.',
    cause,
  })
}
