import { describe, expect, it } from 'vitest'
import { concat, utf8 } from '../../core/bytes/bytes.ts'
import { fromHex } from '../../core/bytes/hex.ts'
import { cborHead } from '../../cbor/cbor.ts'
import { detect } from '../detect.ts'
import type { Piece } from '../pieces/piece.ts'

const text = (value: string): Uint8Array => concat(cborHead(3, value.length), utf8(value))
const bytes = (value: Uint8Array): Uint8Array => concat(cborHead(2, value.length), value)
const map = (...items: Uint8Array[]): Uint8Array => concat(cborHead(5, items.length / 2), ...items)
const key = (value: number): Uint8Array => cborHead(0, value)

/** With the marks of a report: version 2, policy bit 17, algorithm 1. */
const report = new Uint8Array(1184)
report.set([2], 0)
report.set([2], 0x0a)
report.set([1], 0x34)

const shown = (pieces: readonly Piece[]): unknown[] =>
  pieces.map((piece) => {
    if (piece.kind === 'unused') return piece.parts.map(({ of, what }) => `${of}: ${what}`).join()
    return piece.kind === 'unreadable' ? piece.code : piece.kind === 'unknown' ? piece.reason : piece.kind
  })
const found = (file: Uint8Array): unknown[] => shown(detect('f', file))

describe('a CBOR map with named members', () => {
  it('has its evidence read as in JSON, and every other member named', () => {
    const file = map(
      text('outblob'),
      bytes(report),
      text('provider'),
      text('sev_guest'),
      text('x'),
      bytes(fromHex('00')),
    )
    expect(found(file)).toEqual(['snp-report', 'f provider: a text of 9 characters,f x: 1 bytes'])
    expect(found(map(text('deep'), map(text('outblob'), bytes(report))))).toEqual(['snp-report'])
    const open = concat(fromHex('bf'), text('outblob'), bytes(report), fromHex('ff'))
    expect(found(open)).toEqual(['snp-report'])
  })

  it('keeps what its names promise: bytes under `auxblob` that hold no certificates are refused, empty ones are not', () => {
    const of = (aux: Uint8Array): unknown[] => found(map(text('outblob'), bytes(report), text('auxblob'), bytes(aux)))
    expect(of(new Uint8Array(100))).toEqual(['snp-report', 'UnknownType', 'f auxblob: 100 bytes'])
    expect(of(new Uint8Array())).toEqual(['snp-report', 'f auxblob: 0 bytes'])
    expect(found(map(text('raw_quote'), bytes(new Uint8Array(500))))).toEqual(['UnknownType', 'f raw_quote: 500 bytes'])
  })

  it('is refused with a member twice, also as number and text (attack E35)', () => {
    const twice = map(text('outblob'), bytes(report), text('outblob'), bytes(report))
    expect(found(twice)).toEqual(['Duplicate'])
    const inner = map(key(1), bytes(report), text('1'), bytes(report))
    expect(found(map(text('outblob'), inner))).toEqual(['Duplicate'])
  })

  it('is refused nested in more layers than evidence (attack E35)', () => {
    let file = map(text('outblob'), bytes(report))
    for (let layer = 0; layer < 7; layer++) file = map(text('outblob'), bytes(file))
    expect(found(file)).toContain('TooDeep')
  })

  it('is of no known kind where it is cut or holds nothing', () => {
    const whole = map(text('outblob'), bytes(report))
    const unknown = ['It is not a known kind of evidence']
    expect(found(whole.subarray(0, -1))).toEqual(unknown)
    expect(found(map(text('name'), text('value')))).toEqual(unknown)
  })
})

describe('a CBOR map with numbered members', () => {
  it.each([
    ['a CoMID, reference values', map(key(1), map(key(0), text('tag')), key(4), map(key(0), key(1)))],
    ['a message of CoSERV', map(key(0), text('tag:example'), key(1), map(key(0), key(2)))],
    ['a message of CoSERV', map(key(1), text('1.2.3'), key(2), cborHead(4, 0))],
    ['the claims of a token without its signature', map(key(10), bytes(new Uint8Array(64)), key(44238), key(1))],
    ['a key in CBOR (COSE_Key)', map(key(1), key(2), cborHead(1, 0), key(1))],
  ])('is named as %s', (what, file) => {
    expect(found(file)).toEqual([expect.stringContaining(`It is ${what}`)])
  })

  it('is of no known kind with other members', () => {
    expect(found(map(key(1), key(2), key(2), key(3), key(3), key(4)))).toEqual(['It is not a known kind of evidence'])
  })
})

describe('a text with the length of a report', () => {
  it.each([1024, 1184])('is no report, and is read as what it encodes: %i characters', (length) => {
    const encoded = 'x'.repeat(length)
    expect(found(utf8(encoded))).toEqual(['It is not a known kind of evidence'])
    expect(found(utf8(JSON.stringify({ a: 'x'.repeat(length - 8) })))).toEqual(['It is not a known kind of evidence'])
    expect(found(new Uint8Array(length))).toEqual([length === 1184 ? 'snp-report' : 'td-report'])
  })
})
