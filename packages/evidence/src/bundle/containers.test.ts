import { describe, expect, it } from 'vitest'
import { toBase64, toBase64Url } from '../core/bytes/base64.ts'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { imageMeasurementsType } from '../expect/predict/image-measurements.ts'
import { SoftwareTpm } from '../testing/software-tpm.ts'
import { isGzip } from './containers.ts'
import { detectBinary } from './formats/decode.ts'
import { detect } from './detect.ts'
import type { Gunzip } from './pieces/inner.ts'
import { detectPem } from './formats/pem-pieces.ts'
import type { Piece } from './pieces/piece.ts'

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const report = ((): Uint8Array => {
  const bytes = new Uint8Array(1184)
  bytes.set([3], 0)
  bytes.set([2], 10)
  bytes.set([1], 0x34)
  return bytes
})()
/** Without what no reader takes: test/forged/unused.test.ts. */
const evidenceOf = (pieces: readonly Piece[]): Piece[] => pieces.filter(({ kind }) => kind !== 'unused')
const kinds = (pieces: readonly Piece[]): string[] =>
  evidenceOf(pieces).map((piece) => (piece.kind === 'unreadable' ? `${piece.kind} ${piece.code}` : piece.kind))
const found = (content: Uint8Array | string, gunzip?: Gunzip): string[] =>
  kinds(detect('f', typeof content === 'string' ? utf8(content) : content, gunzip === undefined ? {} : { gunzip }))
const block = (label: string, body = 'MAA='): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`

describe('a file', () => {
  it('is known by its name in every piece of it', () => {
    expect(detect('a b', report)).toEqual([{ name: 'a b', file: 'a b', kind: 'snp-report', bytes: report }])
    const inner = detect('f', utf8(JSON.stringify({ a: toHex(report) })))
    expect(inner).toEqual([{ name: 'f a', file: 'f', kind: 'snp-report', bytes: report }])
  })

  it('has 32 MiB at most', () => {
    const limit = 32 * 1024 * 1024
    const log = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(8).zero(8).finish()
    const of = (length: number): Uint8Array => {
      const bytes = new Uint8Array(length)
      bytes.set(log)
      return bytes
    }
    expect([found(of(limit)), found(of(limit + 1)), found('')]).toEqual([['event-log'], ['unknown'], ['unknown']])
  })

  it.each<[what: string, content: Uint8Array | string, wanted: string[]]>([
    ['of 256 bytes', filled(256, 0xfe), ['signature']],
    ['of 384 bytes', filled(384, 0xfe), ['signature']],
    ['of 512 bytes', filled(512, 0xfe), ['signature']],
    ['of 257 bytes', filled(257, 0xfe), ['unknown']],
    ['of a report in hexadecimal', toHex(report), ['snp-report']],
    ['of text that ends with a NUL', `${toHex(report)}\0`, ['snp-report']],
    ['of text that begins with a NUL', `\0${toHex(report)}`, ['unknown']],
    ['of text with tabs and line ends', `\t\r\n\v\f${toHex(report)}`, ['snp-report']],
    ['of text with a control character', `{"a":"${toBase64(report)}"} \u0008`, ['unknown']],
    ['of text with another', `{"a":"${toBase64(report)}"} \u000e`, ['unknown']],
    ['of text with the last of them', `{"a":"${toBase64(report)}"} \u001f`, ['unknown']],
    ['of text that is not UTF-8', concat(utf8(toHex(report)), Uint8Array.of(0xff)), ['unknown']],
    ['of PEM with a control character', `${block('CERTIFICATE')}\u0008`, ['unknown']],
    ['of PEM with one far behind', `${block('CERTIFICATE')}${'.\n'.repeat(2100)}\u0008`, ['certificates']],
    ['of PEM that is not UTF-8', concat(utf8(block('CERTIFICATE')), Uint8Array.of(0xff)), ['unknown']],
    ['of blanks', ' \n', ['unknown']],
    ['of JSON behind a line end', `\n${JSON.stringify([toBase64(report)])}`, ['snp-report']],
    ['of 256 characters', 'A'.repeat(256), ['signature']],
    ['of a list', `[${JSON.stringify(toBase64(report))}]`, ['snp-report']],
    ['of a token', 'eyJhIjoxfQ.e30.AAAA', ['token']],
    ['of a token’s first part alone', 'eyJhIjoxfQ', ['unknown']],
    ['of three parts that are not a token', 'abc.e30.AAAA', ['unknown']],
  ])('%s', (_, content, wanted) => {
    expect(found(content)).toEqual(wanted)
  })

  it('of three parts is what its header says', () => {
    const jws = (header: object): string => `${toBase64Url(utf8(JSON.stringify(header)))}.e30.AAAA`
    expect(
      [
        { alg: 'RS256' },
        { alg: 'RS256', x5c: ['AAAA'] },
        { alg: 'RS256', x5c: 'AAAA' },
        { alg: 'ES384', typ: imageMeasurementsType },
        { alg: 'ES384', typ: imageMeasurementsType, x5c: ['AAAA'] },
      ].flatMap((header) => found(jws(header))),
    ).toEqual(['token', 'release', 'token', 'image-measurements', 'image-measurements'])
    expect(found('eyJ.e30')).toEqual(['token'])
  })

  it('of keys alone gives its giver’s word for them', () => {
    const nested = (content: string): unknown[] =>
      detect('f', utf8(content)).map((piece) => [piece.kind, 'nested' in piece ? piece.nested : undefined])
    const keys = JSON.stringify({ keys: [{ kty: 'EC' }] })
    expect(nested(block('PUBLIC KEY'))).toEqual([['public-key', false]])
    expect(nested(keys)).toEqual([['jwks', false]])
    expect(nested(JSON.stringify({ keys: [{ kty: 'EC' }], pem: block('PUBLIC KEY') }))).toEqual([
      ['jwks', false],
      ['public-key', false],
    ])
    const area = new SoftwareTpm().akPublic()
    expect(nested(JSON.stringify({ keys: [{ kty: 'EC' }], ak: toHex(area) }))).toEqual([
      ['jwks', false],
      ['tpm-public', true],
    ])
    expect(nested(`${block('CERTIFICATE')}${block('PUBLIC KEY')}`)).toEqual([
      ['certificates', undefined],
      ['public-key', true],
    ])
    expect(nested(JSON.stringify({ keys: [{ kty: 'EC' }], r: toHex(report) }))).toEqual([
      ['jwks', true],
      ['snp-report', undefined],
    ])
  })
})

describe('a gzip stream', () => {
  const stream = (...rest: number[]): Uint8Array => Uint8Array.of(0x1f, 0x8b, 8, ...rest)

  it('is known by its first three bytes', () => {
    expect(isGzip(stream())).toBe(true)
    for (const wrong of [[0x1e, 0x8b, 8], [0x1f, 0x8c, 8], [0x1f, 0x8b, 7], [0x1f, 0x8b], []])
      expect(isGzip(Uint8Array.from(wrong))).toBe(false)
  })

  it('is looked into where somebody can, and never passed over', () => {
    expect(found(stream(1))).toEqual(['unknown'])
    expect(found(stream(1), () => undefined)).toEqual(['unreadable InvalidEncoding'])
    expect(found(stream(1), () => report)).toEqual(['snp-report'])
    expect(found(stream(1), () => utf8(toBase64(report)))).toEqual(['snp-report'])
  })

  it('gives 32 MiB with all others of its file', () => {
    const asked: number[] = []
    const gunzip: Gunzip = (bytes, maximum) => {
      asked.push(maximum)
      return bytes[3] === 9 ? undefined : filled(100, 0xfe)
    }
    const texts = [1, 2, 9].map((last) => toBase64(concat(stream(last), filled(60, last))))
    expect(found(JSON.stringify(texts), gunzip)).toEqual(['unreadable InvalidEncoding'])
    const limit = 32 * 1024 * 1024
    expect(asked).toEqual([limit, limit - 100, limit - 200])
  })

  it('is unpacked six times', () => {
    const times = (count: number): Gunzip => {
      let left = count
      return () => (--left > 0 ? stream(left) : report)
    }
    expect(found(stream(0), times(6))).toEqual(['snp-report'])
    expect(found(stream(0), times(7))).toEqual(['unreadable TooDeep'])
  })
})

describe('text in text', () => {
  it('is decoded six times; what is then still a container is not passed over', () => {
    const wrapped = (inner: Uint8Array, times: number): Uint8Array =>
      Array.from({ length: times }).reduce<Uint8Array>((bytes) => utf8(toBase64(bytes)), inner)
    expect([1, 5, 6].map((times) => found(wrapped(report, times)))).toEqual(Array(3).fill(['snp-report']))
    expect([found(wrapped(report, 7)), found(wrapped(filled(100, 0xfe), 6))]).toEqual([['unknown'], ['unknown']])
    for (const container of ['{"a":1}', '[1]', block('CERTIFICATE'), 'eyJhIjoxfQ.e30.AAAA'])
      expect(found(wrapped(utf8(container), 6))).toEqual(['unreadable TooDeep'])
  })
})

describe('what firmware answers', () => {
  it('is its head and a report, and no less', () => {
    const answer = concat(new ByteWriter().u32le(0).u32le(1184).zero(24).finish(), report)
    const of = (bytes: Uint8Array): unknown => detectBinary('f', bytes, false)
    expect(of(answer)).toEqual([{ name: 'f', kind: 'snp-report', bytes: report }])
    expect(of(concat(filled(9, 1), answer).subarray(9))).toEqual([{ name: 'f', kind: 'snp-report', bytes: report }])
    expect(of(answer.subarray(0, -1))).toBeUndefined()
  })
})

describe('files that are meant to take the reader’s time or memory', () => {
  it('are certificates by the million, which are not taken apart', () => {
    const first = concat(Uint8Array.of(0x30, 0x82, 0, 40, 0x30, 30, 0xa0), filled(37, 1))
    const many = concat(first, ...Array.from({ length: 3_000 }, () => Uint8Array.of(0x30, 0x82, 0, 0)))
    const [piece] = detect('f', many)
    expect(piece?.kind === 'certificates' && piece.certificates.length).toBe(1_001)
    expect(piece?.kind === 'certificates' && piece.certificates.at(-1)?.length).toBe(4 * 2_001)
  })

  it('are keys by the hundred thousand in one JSON text', () => {
    const keys = block('PUBLIC KEY').repeat(9_000)
    expect(found(JSON.stringify({ x: Array<string>(20).fill(keys) }))).toHaveLength(180_000)
  })

  it('are blanks behind what looks like lines of base64', () => {
    const lines = `${'A'.repeat(511)} `.repeat(6)
    const begun = process.cpuUsage()
    expect(kinds(detectPem('f', `${block('CERTIFICATE')}${lines}${' '.repeat(300_000)}.`))).toEqual(['certificates'])
    const short = `${lines}x `.repeat(300)
    expect(kinds(detectPem('f', `${block('CERTIFICATE')}${short}`))).toEqual(['certificates'])
    // Microseconds. Scanning from every character, not only from the start of a run, takes a minute.
    expect(process.cpuUsage(begun).user).toBeLessThan(5_000_000)
  })
})
