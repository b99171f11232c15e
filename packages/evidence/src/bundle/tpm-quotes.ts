import { sameKey } from '../azure/runtime-claims.ts'
import type { checkTpmCreation } from '../checks/check-creation.ts'
import type { Check } from '../checks/check.ts'
import type { TpmEvidence } from '../checks/check-tpm.ts'
import { parseTpmsAttest } from '../tpm/attest.ts'
import { isAttestationKey, parseTpm2bPublic, type TpmPublic, type TpmPublicKey } from '../tpm/public.ts'
import { parsePublicKey } from '../x509/public-key.ts'
import type { Certificate } from '../x509/certificate.ts'
import { keyIn, signs, tpmKeyOf } from './attestation-keys.ts'
import { bareSignature } from './pieces/binary.ts'
import type { EvidencePolicy } from './evidence-policy.ts'
import type { Ledger } from './pieces/ledger.ts'
import { namesTpmKey } from '../tpm/named-keys.ts'
import { named, type Piece, type PieceKind, type PieceOf } from './pieces/piece.ts'
import { attempt, type Pool } from './pieces/pool.ts'
import { cannotApply } from './unanswered.ts'

/** A quote with its key and, if a paravisor's report names that key, the report. */
export interface JudgedQuote {
  piece: Piece
  quote: TpmEvidence
  owner?: TpmPublicKey
}

/** An attestation key given as a separate file. */
interface GivenKey {
  piece: PieceOf<'tpm-public'> | PieceOf<'public-key'>
  key: TpmPublicKey
  /** What a quote is verified with: for a TPM2B_PUBLIC, the attributes count too. */
  material: Uint8Array | TpmPublicKey
}

type Of = <K extends PieceKind>(kind: K) => PieceOf<K>[]

/**
 * TPM2B_PUBLIC that are attestation keys, or were given as separate files and so are meant as one: a TPM's other keys
 * sign nothing here. `area` is undefined if it cannot be read.
 */
export function attestationAreas(of: Of): { piece: PieceOf<'tpm-public'>; area: TpmPublic | undefined }[] {
  return of('tpm-public')
    .map((piece) => ({ piece, area: attempt(() => parseTpm2bPublic(piece.bytes)) }))
    .filter(({ piece, area }) => area === undefined || isAttestationKey(area) || !piece.nested)
}

/** Keys that are given as a TPM2B_PUBLIC of an attestation key or as a PEM file. */
export function givenKeys(of: Of): GivenKey[] {
  const areas = attestationAreas(of).flatMap(({ piece, area }): GivenKey[] =>
    area === undefined ? [] : [{ piece, key: area.key, material: piece.bytes }],
  )
  const keys = of('public-key').flatMap((piece): GivenKey[] => {
    const key = attempt(() => tpmKeyOf(parsePublicKey(piece.spki)))
    return key === undefined ? [] : [{ piece, key, material: key }]
  })
  return [...areas, ...keys]
}

/** The TPM2B_PUBLIC to compare with a paravisor's report: that of its key, or any if there is no other report. */
export function publicOf(hcl: PieceOf<'hcl-report'>, of: Of): Uint8Array | undefined {
  const own = keyIn(hcl)
  const areas = attestationAreas(of)
  const same = areas.find(({ area }) => own !== undefined && area !== undefined && sameKey(area.key, own))
  const any = of('hcl-report').length === 1 ? areas[0] : undefined
  return (same ?? any)?.piece.bytes
}

/** TPM quotes, assembled from separate files where needed, each with the key that signed it. */
export async function tpmQuotes(o: {
  of: Of
  pool: Pool
  ledger: Ledger
  policy: EvidencePolicy
  /** Its roots are those of attestation keys' certificates if the policy names none. */
  authority?: EvidencePolicy['release'] | undefined
  at: Date
}): Promise<JudgedQuote[]> {
  const { of, policy, ledger } = o
  const { nonce, pcrs: expectedPcrs } = policy.tpm ?? {}
  const shared = { nonce, expectedPcrs, bootPolicy: policy.boot }
  const quotes = of('tpm-quote').map((piece): JudgedQuote => {
    const { message, signature, pcrs, akPublic, bank, eventLog, nonce: own } = piece
    const registers = pcrs.size === 0 ? {} : { pcrs }
    const quote = { message, signature, ...registers, bank, akPublic, eventLog, ...shared, statedNonce: own }
    return { piece, quote }
  })
  const signatures = [...of('tpm-signature'), ...of('signature')]
  for (const [index, piece] of of('tpm-attest').entries()) {
    const found = signatures[index]
    ledger.use(found?.bytes)
    const signature = found?.kind === 'signature' ? bareSignature(found.bytes) : found?.bytes
    quotes.push({ piece, quote: { message: piece.bytes, signature, ...shared } })
  }
  for (const each of quotes) await findKey(each, o)
  return quotes
}

/** Statements by keys that no certificate endorses, where the policy names the roots of such certificates. */
export function uncertified(signed: readonly JudgedQuote[], policy: EvidencePolicy): Check[] {
  if (policy.tpm?.roots === undefined) return []
  return signed.flatMap(({ piece, owner, quote: { akPublic, keyBoundBy: by } }) => {
    // A key that the policy names is known without a certificate.
    if (by === 'caller' || typeof by === 'object' || (owner ?? akPublic) === undefined) return []
    const found = owner === undefined ? 'a key without one' : 'a key that the paravisor’s report binds'
    return [named(piece, cannotApply('tpm.roots', 'the certificate of the attestation key', found))]
  })
}

/** Whether this states that the TPM created an object, and so is not a quote of registers. */
export function isCreation(message: Uint8Array): boolean {
  return attempt(() => parseTpmsAttest(message))?.type === 'creation'
}

/** Whether a piece is a quote of registers: other statements show none and answer no challenge, whatever container holds them. */
export function isQuote(piece: Piece): boolean {
  if (piece.kind === 'tpm-quote') return !isCreation(piece.message)
  return piece.kind === 'tpm-attest' && !isCreation(piece.bytes)
}

/** With the objects it may be about and, if a paravisor's report names the key, bound by that report. */
export function creationOf({ quote, owner }: JudgedQuote, of: Of): Parameters<typeof checkTpmCreation>[0] {
  const objects = of('tpm-public').map(({ bytes }) => bytes)
  return { ...quote, objects, ...(owner === undefined ? {} : { akPublic: owner, keyBoundBy: 'claims' as const }) }
}

async function findKey(each: JudgedQuote, o: Parameters<typeof tpmQuotes>[0]): Promise<void> {
  const { quote } = each
  for (const hcl of o.of('hcl-report')) {
    const key = keyIn(hcl)
    if (key !== undefined && (await signs(key, quote))) each.owner = key
  }
  if (each.owner !== undefined) return
  // A key that came with the quote also counts as bound if it was given separately.
  const given = givenKeys(o.of).toSorted((left, right) => Number(left.piece.nested) - Number(right.piece.nested))
  let chosen = quote.akPublic === undefined ? given[0] : undefined
  for (const candidate of given) {
    if (!(await signs(candidate.key, quote))) continue
    chosen = candidate
    break
  }
  if (chosen !== undefined) {
    const { piece, material } = chosen
    quote.akPublic = material
    if (await namesTpmKey(o.policy.keys ?? [], chosen.key)) quote.keyBoundBy = 'caller'
    else if (!piece.nested) quote.keyBoundBy = 'file'
    o.ledger.use(piece.kind === 'public-key' ? piece.spki : piece.bytes)
    return
  }
  for (const certificate of await signersOf(quote, o.pool.certificates)) {
    const key = tpmKeyOf(certificate.publicKey)
    if (key === undefined) continue
    quote.akPublic = key
    const chain = o.pool.chainFrom(certificate).map(({ raw }) => raw)
    o.ledger.use(...chain)
    quote.keyBoundBy = { chain, roots: o.policy.tpm?.roots ?? o.authority?.roots, at: o.at }
  }
}

/** EKU of an attestation key (TCG, EK Credential Profile and AIK certificates: tcg-kp-AIKCertificate). */
const attestationKeyUsage = '2.23.133.8.3'

/** Certificates of the key that signed; if none did, the only attestation key's, so that the bad signature is named. */
async function signersOf(quote: TpmEvidence, certificates: readonly Certificate[]): Promise<Certificate[]> {
  const keys = await Promise.all(
    certificates.map(async (certificate) => {
      const key = tpmKeyOf(certificate.publicKey)
      return key !== undefined && (await signs(key, quote)) ? [certificate] : []
    }),
  )
  const signers = keys.flat()
  if (signers.length > 0) return signers
  const stated = certificates.filter(({ extendedKeyUsage: usage }) => usage?.includes(attestationKeyUsage))
  return stated.length === 1 ? stated : []
}
