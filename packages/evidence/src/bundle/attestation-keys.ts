import { spkiOfJwk } from '../core/jwk.ts'
import { claimsOf } from '../tokens/bundle.ts'
import { isEar } from '../tokens/ear.ts'
import { type Jwk, parseJwks } from '../tokens/keys.ts'
import { jwkOfTpmKey } from '../tpm/spki.ts'
import type { KeyPins } from '../tokens/pinned.ts'
import type { EvidencePolicy } from './evidence-policy.ts'
import { parseHclReport } from '../azure/hcl-report.ts'
import { attestationKeyOf, parseRuntimeClaims } from '../azure/runtime-claims.ts'
import type { TpmEvidence } from '../checks/check-tpm.ts'
import type { TpmPublicKey } from '../tpm/public.ts'
import { parseTpmtSignature, verifyTpmSignature } from '../tpm/signature.ts'
import { parsePublicKey, type PublicKey } from '../x509/public-key.ts'
import type { PieceKind, PieceOf } from './pieces/piece.ts'
import { attempt, type Pool } from './pieces/pool.ts'

/** The attestation key that a paravisor's report names; undefined if it cannot be read. */
export function keyIn(hcl: PieceOf<'hcl-report'>): TpmPublicKey | undefined {
  return attempt(() => attestationKeyOf(parseRuntimeClaims(parseHclReport(hcl.bytes).claims)))
}

/** The TDREPORT in a TDX paravisor's report; undefined for other hardware or if it cannot be read. */
export function tdReportIn(hcl: PieceOf<'hcl-report'>): Uint8Array | undefined {
  const report = attempt(() => parseHclReport(hcl.bytes))
  return report?.reportType === 'TDX' ? report.hardwareReport : undefined
}

/** A public key in TPM form; undefined if no TPM can have such a key: TPM exponents have 32 bits (TPM 2.0 part 2, section 12.2.3.5). */
export function tpmKeyOf(key: PublicKey): TpmPublicKey | undefined {
  if (key.kind === 'EC') {
    const size = (key.point.length - 1) / 2
    return { kind: 'ecc', curve: key.curve, x: key.point.subarray(1, 1 + size), y: key.point.subarray(1 + size) }
  }
  if (key.exponent.length > 4) return undefined
  return { kind: 'rsa', modulus: key.modulus, exponent: key.exponent.reduce((value, byte) => value * 256 + byte, 0) }
}

/** Whether a key signed a quote, to find a quote's key among the pieces. */
export async function signs(key: TpmPublicKey, quote: TpmEvidence): Promise<boolean> {
  if (quote.signature === undefined) return false
  try {
    const signature = quote.signature instanceof Uint8Array ? parseTpmtSignature(quote.signature) : quote.signature
    await verifyTpmSignature({ key, signature, message: quote.message })
    return true
  } catch {
    return false
  }
}

type Of = <K extends PieceKind>(kind: K) => PieceOf<K>[]

/** Keys of issuers that the user gave in files of their own. */
export interface TokenKeys {
  /** For this token; undefined without any. */
  of(token: string): Jwk[] | undefined
  /** Undefined where the policy has none. */
  pins?: KeyPins | undefined
}

/**
 * Keys of the sets that the user gave as separate files and, for attestation results, whose verifiers publish no set,
 * keys as PEM. With pins, keys count wherever they stand.
 */
export function tokenKeys({ of, pool, policy }: { of: Of; pool: Pool; policy: EvidencePolicy }): TokenKeys {
  const { ledger } = pool
  const pins = pinsOf(policy, pool)
  const pinned = pins !== undefined
  if (of('token').length === 0) return { of: () => undefined }
  const sets = of('jwks').filter(({ nested }) => pinned || !nested)
  ledger.use(...sets.map(({ value }) => JSON.stringify(value)))
  const published = sets.flatMap(({ value }): Jwk[] => attempt(() => parseJwks(value)) ?? [])
  const files = of('public-key').filter(({ nested }) => pinned || !nested)
  return {
    pins,
    of(token) {
      const ear = pinned || isEar(claimsOf(token) ?? {})
      if (!ear) return sets.length === 0 ? undefined : published
      ledger.use(...files.map(({ spki }) => spki))
      const pem = files.flatMap(({ spki }): Jwk[] => jwkOf(spki))
      return sets.length === 0 && files.length === 0 ? undefined : [...published, ...pem]
    },
  }
}

function pinsOf({ token: { keys, roots } = {} }: EvidencePolicy, pool: Pool): KeyPins | undefined {
  if (keys === undefined && roots === undefined) return undefined
  const chainFrom: KeyPins['chainFrom'] = (leaf, own) => {
    const chain = pool.chainFrom(leaf, own)
    pool.ledger.use(...chain.map(({ raw }) => raw))
    return chain
  }
  return { keys, roots, chainFrom }
}

function jwkOf(spki: Uint8Array): Jwk[] {
  const key = attempt(() => tpmKeyOf(parsePublicKey(spki)))
  return key === undefined ? [] : [{ ...jwkOfTpmKey(key) }]
}

/** Keys that may be a CCA platform's: PEM, or keys of a set; `used` is what the ledger calls the file's content. */
export async function platformKeys(of: Of): Promise<{ key: PublicKey; used: Uint8Array | string }[]> {
  const pem = of('public-key').filter(({ nested }) => !nested)
  const keys = pem.flatMap(({ spki }) => {
    const key = attempt(() => parsePublicKey(spki))
    return key === undefined ? [] : [{ key, used: spki }]
  })
  const sets = of('jwks').filter(({ nested }) => !nested)
  const found = await Promise.all(
    sets.map(async ({ value }) => {
      const own = await Promise.all((attempt(() => parseJwks(value)) ?? []).map(keyOfJwk))
      return own.flatMap((key) => (key === undefined ? [] : [{ key, used: JSON.stringify(value) }]))
    }),
  )
  return [...keys, ...found.flat()]
}

/** A public key on a NIST curve; undefined for others, and for private keys: whoever has the file can sign. */
async function keyOfJwk(jwk: Jwk): Promise<PublicKey | undefined> {
  const spki = jwk['kty'] === 'EC' && jwk['d'] === undefined ? await spkiOfJwk(jwk) : undefined
  return spki && parsePublicKey(spki)
}
