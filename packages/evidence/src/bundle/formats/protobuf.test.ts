import { describe, expect, it } from 'vitest'
import { concat, utf8 } from '../../core/bytes/bytes.ts'
import type { Piece } from '../pieces/piece.ts'
import { readAttestationMessage } from './protobuf.ts'

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

describe('a message of go-tpm-tools', () => {
  const field = (number: number, value: Uint8Array | number): Uint8Array => {
    const varint = (of: number): number[] => (of < 128 ? [of] : [(of & 127) | 128, ...varint(of >> 7)])
    return typeof value === 'number'
      ? Uint8Array.from([...varint(number * 8), ...varint(value)])
      : concat(Uint8Array.from([...varint(number * 8 + 2), ...varint(value.length)]), value)
  }
  const registers = (bank: number): Uint8Array =>
    concat(field(1, bank), field(2, concat(field(1, 7), field(2, filled(32, 1)))), field(2, field(2, filled(32, 2))))
  const quote = (bank = 11): Uint8Array =>
    concat(field(1, filled(150, 5)), field(2, filled(4, 6)), field(3, registers(bank)))
  /** Without what no reader takes: test/forged/unused.test.ts. */
  const read = (...fields: Uint8Array[]): Piece[] | undefined =>
    readAttestationMessage('x', concat(...fields))?.filter(({ kind }) => kind !== 'unused')
  const key = field(1, filled(300, 4))

  it('is a quote a bank, each with the key and the log', () => {
    const pieces = read(key, field(2, quote(4)), field(2, quote()), field(3, utf8('log')), field(5, 1))
    expect(pieces).toMatchObject([
      { name: 'x quote 0', bank: 'sha1' },
      { name: 'x quote 1', bank: 'sha256' },
    ])
    expect(pieces![1]).toEqual({
      name: 'x quote 1',
      kind: 'tpm-quote',
      message: filled(150, 5),
      signature: filled(4, 6),
      pcrs: new Map([
        [7, filled(32, 1)],
        [0, filled(32, 2)],
      ]),
      bank: 'sha256',
      akPublic: concat(Uint8Array.of(1, 44), filled(300, 4)),
      eventLog: utf8('log'),
    })
    for (const [bank, name] of [
      [12, 'sha384'],
      [13, 'sha512'],
    ] as const)
      expect(read(key, field(2, quote(bank)))).toMatchObject([{ bank: name }])
    expect(read(key, field(2, quote()))![0]).not.toHaveProperty('eventLog')
    expect(read(field(2, quote()), key)).toEqual(read(key, field(2, quote())))
    const entry = (index: number): Uint8Array => field(2, field(1, index))
    const pcrs = (...entries: Uint8Array[]): unknown =>
      (
        read(key, field(2, concat(field(1, filled(9, 5)), field(2, filled(4, 6)), ...entries)))?.[0] as {
          pcrs?: unknown
        }
      )?.pcrs
    // A register without a digest claims nothing that a quote's digest could cover.
    expect(pcrs(field(3, concat(field(1, 11), entry(23))))).toEqual(new Map([[23, new Uint8Array()]]))
    expect(pcrs(field(3, concat(field(1, 11), entry(1))), field(3, entry(2)))).toEqual(
      new Map([1, 2].map((index) => [index, new Uint8Array()])),
    )
    expect(pcrs(field(3, concat(field(1, 11), entry(24))))).toBeUndefined()
  })

  it('has each field in the form that it has', () => {
    const good = concat(field(1, filled(9, 5)), field(2, filled(4, 6)), field(3, registers(11)))
    expect(read(key, field(2, good))).toHaveLength(1)
    for (const [what, fields] of [
      ['key', [field(1, 7), field(2, good)]],
      ['quote', [key, field(2, 7)]],
      ['log', [key, field(2, good), field(3, 7)]],
      ['message', [key, field(2, concat(good, field(1, 7)))]],
      ['signature', [key, field(2, concat(good, field(2, 7)))]],
      ['registers', [key, field(2, concat(good, field(3, 7)))]],
      ['bank', [key, field(2, concat(good, field(3, field(1, filled(3, 1)))))]],
      ['register', [key, field(2, concat(good, field(3, field(2, 7))))]],
      ['index', [key, field(2, concat(good, field(3, field(2, field(1, filled(3, 1))))))]],
      ['digest', [key, field(2, concat(good, field(3, field(2, field(2, 7)))))]],
    ] as const)
      expect([what, read(...fields)]).toEqual([what, undefined])
  })

  it('has at most 16 quotes, and a thousand fields', () => {
    const quotes = (count: number): unknown => read(key, ...Array<Uint8Array>(count).fill(field(2, quote())))?.length
    expect([quotes(1), quotes(16), quotes(17)]).toEqual([1, 16, undefined])
    const others = (count: number): unknown =>
      read(key, field(2, quote()), ...Array<Uint8Array>(count).fill(field(5, 1)))?.length
    expect([others(998), others(999)]).toEqual([1, undefined])
    // More than a call accepts as arguments.
    const many = concat(...Array<Uint8Array>(1_000).fill(concat(...Array<Uint8Array>(300).fill(field(3, 0)))))
    expect(read(key, field(2, many))).toBeUndefined()
  })

  it('has numbers of up to 35 bits', () => {
    const number = (...bytes: number[]): unknown =>
      read(key, field(2, quote()), Uint8Array.of(5 * 8, ...bytes))?.map(({ kind }) => kind)
    expect([number(0x80, 0x01), number(0xff, 0xff, 0xff, 0xff, 0x7f)]).toEqual([['tpm-quote'], ['tpm-quote']])
    expect([number(0x80), number(0x80, 0x80, 0x80, 0x80, 0x80, 0x01)]).toEqual([undefined, undefined])
  })

  it('that holds the hardware’s evidence too is not passed over', () => {
    for (const hardware of [field(8, filled(3, 1)), field(9, 1)])
      expect(read(key, field(2, quote()), hardware)).toMatchObject([
        { kind: 'tpm-quote' },
        { name: 'x', kind: 'unreadable', code: 'UnknownType' },
      ])
    expect(read(key, field(2, quote()), field(7, filled(3, 1)))).toHaveLength(1)
  })

  it('has a key no longer than a TPM’s', () => {
    const of = (length: number): unknown => read(field(1, filled(length, 1)), field(2, quote()))
    expect(of(0xffff)).toMatchObject([{ akPublic: concat(Uint8Array.of(0xff, 0xff), filled(0xffff, 1)) }])
    expect([of(0x10000), of(300_000)]).toEqual([undefined, undefined])
  })

  it.each<[what: string, fields: Uint8Array[]]>([
    ['a key', [field(2, quote())]],
    ['a quote', [key]],
    ['a quote’s message', [key, field(2, concat(field(2, filled(4, 6)), field(3, registers(11))))]],
    ['a quote’s signature', [key, field(2, concat(field(1, filled(9, 5)), field(3, registers(11))))]],
    ['a known bank', [key, field(2, quote(5))]],
    ['its end', [key, field(2, quote()).subarray(0, 50)]],
    ['a field’s number', [key, field(2, quote()), Uint8Array.of(2, 0)]],
    ['the whole of its last field', [key, field(2, quote()), Uint8Array.of(0x2a, 1)]],
    ['a known form', [key, field(2, quote()), Uint8Array.of(0x2d, 4, 1, 1, 1, 1)]],
    ['an end of a number', [key, field(2, quote()), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)]],
  ])('is none without %s', (_, fields) => {
    expect(read(...fields)).toBeUndefined()
  })
})
