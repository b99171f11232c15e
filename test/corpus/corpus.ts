import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Check } from '../../packages/evidence/src/checks/check.ts'
import type { TrustAnchors } from '../../packages/evidence/src/x509/trust-anchors.ts'
import { genuineAmdAnchors } from '../../packages/evidence/src/snp/products.ts'
import { parseCertificate } from '../../packages/evidence/src/x509/certificate.ts'
import { genuineIntelAnchors } from '../../packages/evidence/src/tdx/collateral.ts'
import { detect } from '../../packages/evidence/src/bundle/detect.ts'
import { baseline, type EvidencePolicy } from '../../packages/evidence/src/bundle/evidence-policy.ts'
import { judge, type Judgement } from '../../packages/evidence/src/bundle/judge.ts'
import type { Piece, PieceOf } from '../../packages/evidence/src/bundle/pieces/piece.ts'
import { corpusDirectory, hasCorpus } from '../../packages/evidence/src/testing/corpus-directory.ts'

export const corpus = corpusDirectory
export const present = hasCorpus

export interface Entry {
  path: string
  kind: string
  expected: {
    outcome?: string
    negative?: string
    signerCert?: string
    validFrom?: string | number
    validTo?: string | number
    pckValidFrom?: string | null
    exp?: number
    keys?: string
    nonceHex?: string
    windows?: { frm: string; to: string }[]
    tcb?: { collateral: string; atTimesFrom: string; platformStatus: string; converged: string }[]
  }
  parsed: { collateral?: { signer?: string; signatureOk?: boolean }[]; log?: object }
}

export interface Mutation {
  base: string
  edits: {
    offset?: number
    xor?: number
    truncate?: number
    replace?: [string, string]
    reserialize?: string
    jsonField?: string
    note?: string
  }[]
  expect: string
  field: string
  signer?: string
}

export const anchors: TrustAnchors = { simulated: false, amd: [...genuineAmdAnchors], intel: [...genuineIntelAnchors] }
export const read = (path: string): Uint8Array => new Uint8Array(readFileSync(join(corpus, path)))
export const manifest = present ? (JSON.parse(new TextDecoder().decode(read('MANIFEST.json'))) as Entry[]) : []
export const negatives = present
  ? (JSON.parse(new TextDecoder().decode(read('NEGATIVES.json'))) as {
      mutations: Mutation[]
      policyAndTime: { base: string; at?: string; policy?: string; collateral?: string; expect: string }[]
    })
  : { mutations: [], policyAndTime: [] }
export const of = (...kinds: string[]): [string, Entry][] =>
  manifest.filter((entry) => kinds.includes(entry.kind)).map((entry) => [entry.path, entry])
export const at = (time: string | number): Date =>
  new Date((typeof time === 'number' ? time * 1000 : Date.parse(time)) + 1000)

/** AMD's chains and Intel's authorities: available to a verifier in every case. */
let authorities: Piece[] = []
/** The corpus's revocation lists and Intel texts. */
export let collateral: Piece[] = []
/** Fills `authorities` and `collateral`; call it before the tests. */
export function loadPieces(): void {
  if (!present) return
  const pieces = (entries: [string, Entry][]): Piece[] => entries.flatMap(([path]) => detect(path, read(path)))
  authorities = pieces(of('cert-chain')).filter((piece) => piece.kind === 'certificates' && !isEndorsement(piece))
  collateral = pieces(of('crl', 'tdx-collateral')).filter((piece) => piece.kind !== 'unknown')
}

/** A chip's key is in one of the chains; it fits only its own report. */
function isEndorsement(piece: PieceOf<'certificates'>): boolean {
  return piece.certificates.some((der) => parseCertificate(der).subject.commonName?.endsWith('EK') === true)
}

/** Intel texts valid at this time. */
export function collateralAt(time: Date): Piece[] {
  const windows = new Map(manifest.map(({ path, expected }) => [path, expected.windows ?? []]))
  const current = ({ frm, to }: { frm: string; to: string }): boolean =>
    Date.parse(frm) <= time.getTime() && time.getTime() <= Date.parse(to)
  return collateral.filter(({ name }) =>
    [...windows].some(([path, spans]) => name.startsWith(path) && spans.length > 0 && spans.every(current)),
  )
}

/** Codes of every failed check, so that a case is compared with its stated reason and not with the order of checks. */
export function failedCodes(check: Check): string[] {
  const own = check.outcome === 'failed' && check.code !== undefined ? [check.code] : []
  return [...own, ...check.children.flatMap(failedCodes)]
}

/** Judges a case like a user with the authorities. `own` are its own files; `more` is to choose from. */
export async function judgeFiles(
  own: readonly (string | Piece)[],
  time: Date,
  o: { policy?: EvidencePolicy; more?: readonly Piece[] } = {},
): Promise<Judgement> {
  const pieces = own.flatMap((each) => (typeof each === 'string' ? detect(each, read(each)) : [each]))
  const { policy } = o
  return judge({
    pieces,
    library: [...authorities, ...(o.more ?? [])],
    anchors,
    at: time,
    ...(policy === undefined ? {} : { policy }),
  })
}

export function find(check: Check, id: string): Check | undefined {
  if (check.id === id) return check
  for (const child of check.children) {
    const found = find(child, id)
    if (found !== undefined) return found
  }
  return undefined
}
export const shows = (judgement: Judgement, id: string): string | undefined => find(judgement.check, id)?.outcome
export const debugAllowed: EvidencePolicy = {
  snp: { ...baseline.snp, allow: { ...baseline.snp.allow, debug: true } },
}
export const isNegative = (entry: Entry): boolean => entry.expected.negative !== undefined
