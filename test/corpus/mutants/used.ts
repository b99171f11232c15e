import { createHash } from 'node:crypto'
import { parsePem } from '@strongroom/evidence'
import type { Judgement, Piece, Unused } from '@strongroom/evidence/files'
import { attempt } from '../../../packages/evidence/src/bundle/pieces/pool.ts'
import { splitSignedJson } from '../../../packages/evidence/src/tdx/signed-json.ts'

/**
 * What a judgement used, as a digest of each unit: a certificate, a list, a text, or the bytes of a statement without
 * those that the judgement names as unused.
 */
export function usedUnits(pieces: readonly Piece[], { unused }: Judgement): Set<string> {
  return new Set(pieces.flatMap((piece) => unitsOf(piece, unused)).map((unit) => digestOf(unit)))
}

type Unit = readonly (string | Uint8Array)[]

const digestOf = (unit: Unit): string => {
  const hash = createHash('sha256')
  for (const part of unit) hash.update(`${part.length}:`).update(part)
  return hash.digest('base64')
}

function unitsOf(piece: Piece, unused: readonly Unused[]): Unit[] {
  const name = piece.name.trim()
  const own = unused.filter(({ of }) => of === name)
  const whole = own.filter(({ ranges }) => ranges === undefined).map(({ what }) => what)
  const without = (bytes: Uint8Array, of: string): Uint8Array =>
    cut(
      bytes,
      unused.filter((part) => part.of === of),
    )
  const names = (word: string): boolean => whole.some((what) => what.startsWith(word))
  switch (piece.kind) {
    case 'unused':
    case 'unknown':
    case 'unreadable':
      return []
    case 'certificates': {
      const count = piece.certificates.length
      return piece.certificates.flatMap((der, index) =>
        names(count === 1 ? 'certificate (' : `certificate ${index + 1} (`) ? [] : [['certificate', der]],
      )
    }
    case 'tcb-info':
      return names('TCB info') ? [] : [[piece.kind, ...signedUnit(piece.text, 'tcbInfo')]]
    case 'qe-identity':
      return names('QE identity') ? [] : [[piece.kind, ...signedUnit(piece.text, 'enclaveIdentity')]]
    case 'token':
    case 'release':
    case 'image-measurements':
      return [[piece.kind, piece.text]]
    case 'jwks':
      return names('key set') ? [] : keyUnits(name, piece.value, unused)
    case 'public-key':
      return names('public key') ? [] : [[piece.kind, piece.spki]]
    case 'tpm-quote': {
      const { message, signature, pcrs, nonce, eventLog, akPublic, bank } = piece
      const said = { bank, nonce, akPublic }
      return [
        [piece.kind, message, signature instanceof Uint8Array ? signature : JSON.stringify(signature)],
        ...[...pcrs].map(([index, value]): Unit => ['register', message, String(index), value]),
        ...Object.entries(said).flatMap(([name, value]): Unit[] =>
          value === undefined ? [] : [[name, message, value]],
        ),
        ...(eventLog === undefined ? [] : [['log', without(eventLog, `${name} event log`)]]),
      ]
    }
    case 'tdx-quote':
      return [quoteUnit(without(piece.bytes, name))]
    case 'cca-token':
    case 'crl':
    case 'event-log':
    case 'hcl-report':
    case 'nitro-document':
    case 'runtime-claims':
    case 'signature':
    case 'snp-report':
    case 'svsm-manifest':
    case 'td-report':
    case 'tpm-attest':
    case 'tpm-public':
    case 'tpm-signature': {
      const word = { crl: 'revocation list' }[piece.kind as string] ?? piece.kind
      return names(word) ? [] : [[piece.kind === 'event-log' ? 'log' : piece.kind, without(piece.bytes, name)]]
    }
  }
}

/** The chain at the end of a quote is a PEM text: its white space, and a NUL or blank behind it, encode the same certificates. */
function quoteUnit(bytes: Uint8Array): Unit {
  const at = Buffer.from(bytes).indexOf('-----BEGIN CERTIFICATE-----')
  if (at < 0) return ['tdx-quote', bytes]
  return ['tdx-quote', bytes.subarray(0, at), ...parsePem(Buffer.from(bytes.subarray(at)).toString('latin1'))]
}

/** Intel's text and its signature, whose hexadecimal may be in either case. */
function signedUnit(text: string, member: string): Unit {
  const split = attempt(() => splitSignedJson(text, member))
  return split === undefined ? [text] : [split.body, split.signature.toLowerCase()]
}

/** Each member of each key that is not named. */
function keyUnits(name: string, value: unknown, unused: readonly Unused[]): Unit[] {
  const named = new Set(unused.map(({ of }) => of))
  const { keys = [] } = value as { keys?: Record<string, unknown>[] }
  return keys.flatMap((key, index) =>
    named.has(`${name} keys ${index}`)
      ? []
      : Object.entries(key)
          .filter(([member]) => !named.has(`${name} keys ${index} ${member}`))
          .map(([member, part]): Unit => ['key', member, JSON.stringify(part)]),
  )
}

/** Bytes without the ranges that are named as unused. */
export function cut(bytes: Uint8Array, unused: readonly Unused[]): Uint8Array {
  const kept = new Uint8Array(bytes.length).fill(1)
  for (const { from, length } of unused.flatMap(({ ranges = [] }) => ranges)) kept.fill(0, from, from + length)
  return bytes.filter((_, index) => kept[index] === 1)
}
