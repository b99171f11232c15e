import { digest } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { isEar } from './ear.ts'
import { readJsonObject } from './json.ts'
import { parseJws } from './jws.ts'

type Claims = Readonly<Record<string, unknown>>

/** SHA-256 digests of the detached tokens that the main token of a bundle names (RFC 9711, 4.2.18 and 5); undefined for other tokens. */
export function detachedDigests(claims: Claims): string[] | undefined {
  const modules = claims['submods']
  // Submodules of an attestation result are what its verifier found, not digests of tokens.
  if (isEar(claims)) return undefined
  if (typeof modules !== 'object' || modules === null || Array.isArray(modules)) return undefined
  return Object.values(modules).map((entry: unknown) => {
    const [kind, found] = Array.isArray(entry) ? (entry as unknown[]) : []
    const [algorithm, value] = Array.isArray(found) ? (found as unknown[]) : []
    // A token named in another way cannot be compared: it matches none.
    const good = kind === 'DIGEST' && algorithm === 'SHA-256' && typeof value === 'string'
    return good ? value.toLowerCase() : 'a digest that is not SHA-256'
  })
}

/** How tokens that are given together refer to each other. */
export interface TokenBundle {
  /** SHA-256 of each token's text. */
  given: ReadonlySet<string>
  /** Digests that main tokens name; undefined without a main token. */
  named: ReadonlySet<string> | undefined
}

export async function bundleOf(tokens: readonly string[]): Promise<TokenBundle> {
  const given = new Set(await Promise.all(tokens.map((token) => tokenDigest(token))))
  const lists = tokens.map((token) => claimsOf(token)).flatMap((claims) => (claims && detachedDigests(claims)) ?? [])
  const main = tokens.some((token) => detachedDigests(claimsOf(token) ?? {}) !== undefined)
  return { given, named: main ? new Set(lists) : undefined }
}

export async function tokenDigest(token: string): Promise<string> {
  return toHex(await digest('SHA-256', utf8(token)))
}

/** Undefined for unreadable tokens: the check that judges them reports why. */
export function claimsOf(token: string): Claims | undefined {
  try {
    return readJsonObject(parseJws(token).payload, 'claims')
  } catch {
    return undefined
  }
}
