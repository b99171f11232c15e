import { describe, expect, it } from 'vitest'
import { brokenPromise } from './promises.ts'
import type { Piece, PieceKind } from '../pieces/piece.ts'

const piece = (kind: PieceKind): Piece => ({ name: 'f', kind }) as Piece
const all: readonly PieceKind[] = [
  'snp-report',
  'tdx-quote',
  'td-report',
  'hcl-report',
  'event-log',
  'tpm-attest',
  'tpm-signature',
  'crl',
  'nitro-document',
  'cca-token',
  'svsm-manifest',
  'tpm-public',
  'public-key',
  'certificates',
  'tcb-info',
  'qe-identity',
  'token',
  'release',
  'image-measurements',
  'jwks',
  'tpm-quote',
  'runtime-claims',
  'signature',
]
const statements: readonly PieceKind[] = [
  'snp-report',
  'tdx-quote',
  'td-report',
  'hcl-report',
  'tpm-attest',
  'nitro-document',
  'cca-token',
  'token',
  'tpm-quote',
]

describe('a name promises', () => {
  it.each<[member: string, kinds: readonly PieceKind[]]>([
    ...['attestation_report', 'snpReport', 'sev_snp_report', 'report', 'hclReport', 'hardware-report'].map(
      (member): [string, readonly PieceKind[]] => [member, statements],
    ),
    ...['quote', 'td_quote', 'TDXQuote', 'tpmQuote', 'tdReport'].map((member): [string, readonly PieceKind[]] => [
      member,
      statements,
    ]),
    ['outblob', statements],
    ['auxblob', ['certificates', 'crl']],
    ['evidence', all],
    ...['cc_eventlog', 'eventLog', 'tcgLogs', 'CCEL'].map((member): [string, readonly PieceKind[]] => [
      member,
      ['event-log'],
    ]),
    ...['akPub', 'ak_public', 'aikPub'].map((member): [string, readonly PieceKind[]] => [
      member,
      ['tpm-public', 'public-key'],
    ]),
    ['runtimeClaims', ['runtime-claims']],
    ...['token', 'jwt', 'attestationToken'].map((member): [string, readonly PieceKind[]] => [
      member,
      ['token', 'release'],
    ]),
  ])('%s evidence of its kinds, and nothing else keeps that', (member, kinds) => {
    const kept = all.filter((kind) => brokenPromise('f', member, 'x', [piece('signature'), piece(kind)]) === undefined)
    expect(kept).toEqual(kinds.includes('signature') ? all : all.filter((kind) => kinds.includes(kind)))
    expect(brokenPromise('f', member, 'x', [])).toMatchObject({ name: `f ${member}`, kind: 'unreadable' })
  })

  it('evidence where it is made up of a word for it and what it names is long', () => {
    const broken = (member: string, value: unknown, found: Piece[] = []): boolean =>
      brokenPromise('f', member, value, found) !== undefined
    for (const member of [
      'raw_quote',
      'quoteHex',
      'rawReport',
      'report-bytes',
      'my.evidence',
      'x9Attestation',
      'tokens0_token',
      'anyQuote2',
    ]) {
      expect([member, broken(member, 'x'.repeat(1000)), broken(member, Array(500).fill(1))]).toEqual([
        member,
        true,
        true,
      ])
      expect([member, broken(member, 'x'.repeat(999)), broken(member, Array(499).fill(1))]).toEqual([
        member,
        false,
        false,
      ])
      expect(broken(member, 'x'.repeat(1000), [piece('certificates')])).toBe(false)
      expect(broken(member, { a: 1 })).toBe(false)
    }
    for (const member of ['misquoted', 'reporter', 'note', 'quotes', 'evidences'])
      expect([member, broken(member, 'x'.repeat(1000))]).toEqual([member, false])
  })

  it('a log, which as JSON is not read and is told so', () => {
    const of = (value: unknown): unknown => brokenPromise('f', 'eventlog', value, [])?.kind
    expect([of('[{'), of('  [{"a":1}]'), of([{}]), of([{}, 1])]).toEqual(Array(4).fill('unknown'))
    expect([of('x[{'), of('{'), of([1, {}]), of({ 0: {} })]).toEqual(Array(4).fill('unreadable'))
    expect(brokenPromise('f', 'quote', [{}], [])).toMatchObject({ kind: 'unreadable' })
  })

  it('nothing where a tool collected nothing', () => {
    for (const nothing of [null, undefined, true, false, 0, 1, '', []])
      expect(brokenPromise('f', 'quote', nothing, [])).toBeUndefined()
    for (const something of ['x', [0], {}, { length: 0 }])
      expect(brokenPromise('f', 'quote', something, [])).toBeDefined()
  })
})
