import {
  fromHex,
  genuineAmdAnchors,
  genuineIntelAnchors,
  utf8,
  VerificationCache,
  webPrimitives,
  type TrustAnchors,
} from '@strongroom/evidence'
import { explain, type Explanation } from '@strongroom/evidence/explain'
import {
  describeUnused,
  detect,
  genuineAwsAnchors,
  judge,
  type Judgement,
  type Piece,
} from '@strongroom/evidence/files'
import { gunzip } from './gunzip.ts'
import { whatIsLacking, type Lacking } from './lacking.ts'
import { placeOf, type Place } from './place.ts'

/** The chunk that verifies: loaded when there is something to verify. */

export interface Given {
  name: string
  bytes: Uint8Array
}

export interface Inspected {
  judgement: Judgement
  lacking: Lacking
  /** What the verdict does not depend on, in words. */
  unused: string[]
  pieces: InspectedPiece[]
  at: Date
}

export interface InspectedPiece {
  explanation: Explanation
  raw: Uint8Array | undefined
  /** For each field: its position in the bytes, if it can be determined. */
  places: (Place | undefined)[]
  /** For textual evidence. */
  text: string | undefined
}

/** The command line's limits: of the largest file, of all together, and their number. */
const most = { file: 32 * 1024 * 1024, all: 64 * 1024 * 1024, files: 128 }
/** Milliseconds that a judgement may take. */
const deadline = 10_000

/** Trusted roots: AMD's, Intel's and AWS's, like `strongroom evidence verify`. */
const genuine: TrustAnchors = {
  simulated: false,
  amd: [...genuineAmdAnchors],
  intel: [...genuineIntelAnchors],
  aws: [...genuineAwsAnchors],
}

/** Which limit these files exceed, in words; undefined if none. */
export function tooMuch(files: readonly { size: number }[]): string | undefined {
  if (files.length > most.files) return `These are ${files.length} files. Choose at most ${most.files} at once.`
  if (files.some(({ size }) => size > most.file)) return `A file is larger than any evidence (${most.file} bytes).`
  if (files.reduce((sum, { size }) => sum + size, 0) > most.all)
    return `The files are larger than any evidence (${most.all} bytes together).`
  return undefined
}

/** The pieces of a file, explained. */
export const piecesOf = ({ name, bytes }: Given): InspectedPiece[] => detect(name, bytes, { gunzip }).map(inspected)

/**
 * Recognises, explains and judges files together, as `strongroom evidence verify` does.
 * @param o.nonce hexadecimal: the challenge (nonce) that TPM quotes must contain
 */
export async function inspect(files: readonly Given[], o: { at: Date; nonce?: string }): Promise<Inspected> {
  const pieces = files.flatMap(({ name, bytes }) => detect(name, bytes, { gunzip }))
  const end = performance.now() + deadline
  const judgement = await judge({
    pieces,
    anchors: genuine,
    at: o.at,
    policy: o.nonce === undefined ? {} : { tpm: { nonce: fromHex(o.nonce) } },
    expired: () => performance.now() > end,
    primitives: webPrimitives,
    cache: new VerificationCache(),
  })
  const unused = judgement.unused.map(describeUnused)
  return { judgement, lacking: whatIsLacking(judgement), unused, at: o.at, pieces: pieces.map(inspected) }
}

function inspected(piece: Piece): InspectedPiece {
  const explanation = explain(piece)
  const raw = rawOf(piece)
  const places = explanation.fields.map(({ value }) => (raw === undefined ? undefined : placeOf(raw, value)))
  return { explanation, raw, places, text: textOf(piece) }
}

function rawOf(piece: Piece): Uint8Array | undefined {
  if ('bytes' in piece) return piece.bytes
  if (piece.kind === 'public-key') return piece.spki
  if (piece.kind === 'tpm-quote') return piece.message
  return piece.kind === 'certificates' ? piece.certificates[0] : undefined
}

const textOf = (piece: Piece): string | undefined => ('text' in piece ? piece.text : undefined)

export const pasted = (text: string): Given => ({ name: 'pasted text', bytes: utf8(text) })
