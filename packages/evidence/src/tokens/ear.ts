import { readJsonObject } from './json.ts'
import type { Jws } from './jws.ts'
import type { TokenAlgorithm } from './algorithms.ts'

type Claims = Readonly<Record<string, unknown>>

/** Profiles of EAT attestation results: Veraison, Trustee of Confidential Containers, and the IETF's draft. */
const profile =
  /^tag:(github\.com,2023:veraison\/ear|github\.com,2024:confidential-containers\/Trustee|ietf\.org,20\d\d:rats\/ear(#\w{1,16})?)$/

/** Verifiers of these results sign with a key of their own choice. Never a keyed hash. */
export const earAlgorithms: readonly TokenAlgorithm[] = ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'RS256', 'RS384']

/** Whether a token is an EAT attestation result (EAR, draft-ietf-rats-ear), as Veraison and Trustee issue them. */
export function isEar(claims: Claims): boolean {
  const stated = claims['eat_profile']
  return (typeof stated === 'string' && profile.test(stated)) || Object.hasOwn(claims, 'ear.verifier-id')
}

/** Unreadable claims are of no kind: the check that reads them says why. */
export function isEarToken(jws: Jws): boolean {
  try {
    return isEar(readJsonObject(jws.payload, 'token claims'))
  } catch {
    return false
  }
}

/** What the verifier found, one of each submodule; a result without any states nothing. `affirming` may be written as 2. */
export function earStatuses(claims: Claims): { path: string; value: unknown; holds: boolean }[] {
  if (!isEar(claims)) return []
  const modules = claims['submods']
  const entries =
    typeof modules === 'object' && modules !== null && !Array.isArray(modules) ? Object.entries(modules) : []
  if (entries.length === 0) return [{ path: 'submods', value: modules ?? null, holds: false }]
  return entries.map(([name, module]: [string, unknown]) => {
    const value = (module as Claims | null)?.['ear.status'] ?? null
    return { path: `submods.${name}.ear.status`, value, holds: value === 'affirming' || value === 2 }
  })
}

/** Who made the result, for display: an EAR names its verifier, and need not name an issuer. */
export function earVerifier(claims: Claims): string | undefined {
  const id = claims['ear.verifier-id']
  if (typeof id !== 'object' || id === null) return undefined
  const { developer, build } = id as Claims
  return [developer, build].filter((part) => typeof part === 'string').join(', ') || undefined
}
