import type { DecisionBundle } from '@strongroom/contract'
import { claimsForPolicy, claimsOfToken, valueTypeOf, type Claim, type Issuer } from '@strongroom/policy'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { readBytes } from '../evidence/files.ts'

const decisionFormat: DecisionBundle['format'] = 'strongroom-attestation-decision'
const issuers: readonly string[] = ['AttestationService', 'AttestationPolicy', 'CustomClaim'] satisfies Issuer[]
const compactToken = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

/**
 * Claims to evaluate a policy over, from one of: a token (compact JWT, its signature is not verified here), an answer
 * of the attestation service (`{ "token": … }`), a decision with its evidence (`strongroom decision export`), a JSON
 * object of claims by name (as the service's), or a JSON array of `{ "type", "value", "valueType"?, "issuer"? }`, with
 * issuer CustomClaim by default, as in Azure's grammar.
 */
export async function readClaims(path: string): Promise<Claim[]> {
  const text = new TextDecoder().decode(await readBytes(path)).trim()
  if (compactToken.test(text)) return claimsOfToken(payloadOf(text, path))
  const json = parseJson(text, path)
  if (Array.isArray(json)) return json.map((entry, index) => readClaim(entry, `${path}, entry ${index + 1}`))
  if (typeof json !== 'object' || json === null) throw notClaims(path, typeof json)
  const { token, format } = json as { token?: unknown; format?: unknown }
  if (format === decisionFormat) return claimsOfDecision(json as Partial<DecisionBundle>, path)
  if (typeof token === 'string' && compactToken.test(token)) return claimsOfToken(payloadOf(token, path))
  if (typeof token !== 'string' || Object.keys(json).length > 1) return claimsForPolicy(json as Record<string, unknown>)
  throw notClaims(path, 'an answer sealed to a guest’s TPM, which alone can unseal it')
}

function claimsOfDecision({ claims, policyClaims }: Partial<DecisionBundle>, path: string): Claim[] {
  if (typeof claims === 'object' && claims !== null) return claimsOfToken(claims)
  if (typeof policyClaims === 'object' && policyClaims !== null) return claimsForPolicy(policyClaims)
  throw notClaims(path, 'a decision on refused evidence, which has no stored claims')
}

function payloadOf(token: string, path: string): Record<string, unknown> {
  const payload = parseJson(Buffer.from(token.split('.')[1]!, 'base64url').toString('utf8'), path)
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload))
    return payload as Record<string, unknown>
  throw notClaims(path, 'a token without claims')
}

function readClaim(entry: unknown, where: string): Claim {
  if (typeof entry !== 'object' || entry === null) throw notClaims(where, JSON.stringify(entry))
  const { type, value, valueType, issuer = 'CustomClaim', readOnly } = entry as Record<string, unknown>
  const known = typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
  if (typeof type !== 'string' || type === '' || !known || !issuers.includes(issuer as string))
    throw notClaims(where, JSON.stringify(entry).slice(0, 200))
  const claim: Claim = { type, value: value as Claim['value'], issuer: issuer as Issuer }
  if (valueType !== undefined && valueType !== valueTypeOf(claim.value))
    throw notClaims(where, `a value of type ${valueTypeOf(claim.value)} with valueType ${JSON.stringify(valueType)}`)
  return readOnly === true ? { ...claim, readOnly } : claim
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw notClaims(path, 'text that is neither JSON nor a token', cause)
  }
}

function notClaims(where: string, found: string, cause?: unknown): CliError {
  return new CliError({
    code: 'InvalidArgument',
    message: `${where} does not contain claims.`,
    exitCode: exitCodes.usage,
    expected:
      'a token, a JSON object of claims, or a JSON array of { "type", "value", "issuer" } with strings, integers and Booleans as values',
    found,
    remedy: 'See docs/reference/policies.md#attestation-policies for the forms.',
    cause,
  })
}
