import { describeKey, sameKey } from '../azure/runtime-claims.ts'
import { checkCrl } from '../checks/check-certificates.ts'
import type { CheckId } from '../checks/catalogue.ts'
import { type Check, failed, skipped } from '../checks/check.ts'
import { VerificationError } from '../core/errors.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { describeName } from '../x509/name.ts'
import { parseTpm2bPublic, type TpmPublicKey } from '../tpm/public.ts'
import type { Ledger } from './pieces/ledger.ts'
import { named, type Piece, type PieceKind, type PieceOf } from './pieces/piece.ts'
import { attempt, type Pool } from './pieces/pool.ts'
import { attestationAreas, givenKeys } from './tpm-quotes.ts'

interface Judged {
  pieces: readonly Piece[]
  pool: Pool
  /** Of the paravisor reports at hand. */
  attestationKeys: readonly TpmPublicKey[]
  /** True if everything else holds. While a chain is missing, the owner of a list is unknown. */
  holds: boolean
}

/**
 * Input that nothing needed. It is a fault where it would have been a check (a list, an attestation key, an unreadable
 * certificate); otherwise it prevents a verdict, so that an irrelevant file cannot switch a check off.
 */
export async function leftovers(o: Judged): Promise<Check[]> {
  const checks: Check[] = []
  for (const piece of of(o, 'crl')) {
    const crl = o.pool.crls.find(({ raw }) => raw === piece.bytes)
    if (crl === undefined) {
      checks.push(named(piece, await checkCrl({ crl: piece.bytes, anchors: [], at: new Date(0) })))
    } else if (!o.pool.ledger.has(piece.bytes)) {
      const message = 'No authority in this evidence issued this revocation list'
      const facts = { code: 'CrlIssuerMismatch', message, found: describeName(crl.issuer) } as const
      const fault = o.holds ? failed('file.used', new VerificationError(facts)) : skipped('file.used', message)
      checks.push(named(piece, fault))
    }
  }
  for (const piece of of(o, 'certificates'))
    for (const der of piece.certificates)
      checks.push(...unreadable(piece, 'certificates.format', () => parseCertificate(der)))
  for (const piece of of(o, 'tpm-public'))
    checks.push(...unreadable(piece, 'file.kind', () => parseTpm2bPublic(piece.bytes)))
  checks.push(...foreignKeys(o), ...unusedFiles(o))
  return checks
}

function unreadable(piece: Piece, id: CheckId, read: () => unknown): Check[] {
  try {
    read()
    return []
  } catch (error) {
    return [named(piece, failed(id, error))]
  }
}

function of<K extends PieceKind>(o: Judged, kind: K): PieceOf<K>[] {
  return o.pieces.filter((piece): piece is PieceOf<K> => piece.kind === kind)
}

/** Attestation keys of machines whose evidence was not given. */
function foreignKeys(o: Judged): Check[] {
  const expected = o.attestationKeys.map(describeKey).join(' or ') || 'the key of a quote that was given'
  const given = givenKeys((kind) => of(o, kind))
  const used = given.filter(({ piece }) => o.pool.ledger.has(piece.kind === 'public-key' ? piece.spki : piece.bytes))
  const known = [...o.attestationKeys, ...used.map(({ key }) => key)]
  return given.flatMap(({ piece, key }) => {
    if (known.some((own) => sameKey(own, key))) return []
    const message = 'This attestation key does not belong to a machine whose evidence was given'
    const facts = { code: 'BindingMismatch', message, expected, found: describeKey(key) } as const
    return [named(piece, failed('file.used', new VerificationError(facts)))]
  })
}

/** Files of which nothing was used. */
function unusedFiles(o: Judged): Check[] {
  const { ledger } = o.pool
  const keys = [...attestationAreas((kind) => of(o, kind)), ...givenKeys((kind) => of(o, kind))]
  const judged = new Set<Piece>(keys.map(({ piece }) => piece))
  const files = new Map<string, Piece[]>()
  for (const piece of o.pieces) {
    const file = piece.file ?? piece.name
    files.set(file, [...(files.get(file) ?? []), piece])
  }
  return [...files].flatMap(([file, own]) => {
    if (own.some((piece) => piece.kind !== 'unused' && (judged.has(piece) || isUsed(piece, ledger)))) return []
    const message = `${file}: nothing else needs it; remove it, or add the evidence it belongs to`
    return own.slice(0, 1).map((piece) => named(piece, skipped('file.used', message)))
  })
}

/** Also true if another check reports what is wrong with it. */
function isUsed(piece: Piece, ledger: Ledger): boolean {
  const { kind } = piece
  if (kind === 'certificates')
    return piece.certificates.some((der) => ledger.has(der) || attempt(() => parseCertificate(der)) === undefined)
  if (kind === 'tcb-info' || kind === 'qe-identity') return ledger.has(piece.text)
  if (kind === 'tpm-public' || kind === 'tpm-signature' || kind === 'signature') return ledger.has(piece.bytes)
  // No other check mentions a key that belongs to no TPM and no platform.
  if (kind === 'public-key') return false
  return kind !== 'jwks' || ledger.has(JSON.stringify(piece.value))
}
