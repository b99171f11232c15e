import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { fromHex } from '../core/bytes/hex.ts'
import { svsmManifestGuid } from '../svsm/manifest.ts'
import { intelQeVendorId } from '../tdx/verify.ts'
import { binaryKind, readBincodeQuote } from './pieces/binary.ts'
import { readCertificateTable } from './formats/certificate-table.ts'
import { detectBinary } from './formats/decode.ts'
import { detect } from './detect.ts'

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const edited = (bytes: Uint8Array, ...edits: [at: number, value: number][]): Uint8Array => {
  const changed = Uint8Array.from(bytes)
  for (const [at, value] of edits) changed[at] = value
  return changed
}
const report = edited(new Uint8Array(1184), [0, 3], [10, 2], [0x34, 1])

describe('bytes are known by their marks', () => {
  const quote = new ByteWriter()
    .u16le(4)
    .u16le(2)
    .u32le(0x81)
    .u32le(0)
    .bytes(Uint8Array.of(0x93, 0x9a, 0x72, 0x33))
    .zero(48)
    .finish()
  const log = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(8).zero(8).finish()
  const der = (...inner: number[]): Uint8Array => Uint8Array.of(0x30, 20, 0x30, 10, ...inner, ...new Uint8Array(12))
  const hcl = new ByteWriter()
    .zero(4)
    .u32le(2)
    .u32le(1216 + 24)
    .u32le(0)
    .zero(1200)
    .u32le(24)
    .zero(4)
    .u32le(2)
    .zero(4)
    .u32le(4)
    .zero(4)
    .finish()

  it.each<[what: string, bytes: Uint8Array, kind: ReturnType<typeof binaryKind>]>([
    ['fewer than eight', Uint8Array.of(0xff, 0x54, 0x43, 0x47, 0, 0, 0), undefined],
    ['a statement of a TPM', Uint8Array.of(0xff, 0x54, 0x43, 0x47, 0, 0, 0, 0), 'tpm-attest'],
    ['a paravisor’s report', concat(utf8('HCLA'), new Uint8Array(4)), 'hcl-report'],
    ['a paravisor’s report without its magic', hcl, 'hcl-report'],
    ['the same with another length', edited(hcl, [1216, 25]), undefined],
    ['the same of a version that is not', edited(hcl, [4, 3]), undefined],
    ['the same with a request that is not', edited(hcl, [12, 4]), undefined],
    ['the same of a type that is not', edited(hcl, [1224, 6]), undefined],
    ['a certificate', der(0xa0, 3, 2, 1, 2), 'certificate'],
    ['a list', der(2, 1, 1, 0x30, 0), 'crl'],
    ['a list of version 1', der(2, 1, 0, 0x30, 0), undefined],
    ['DER of something else', der(4, 1, 1, 0, 0), undefined],
    ['DER of endless length', edited(der(0xa0), [1, 0x80]), undefined],
    ['AWS’s document', Uint8Array.of(0x84, 0x44, 0xa1, 1, 0x38, 0x22, 0, 0), 'nitro-document'],
    ['AWS’s document with its tag', Uint8Array.of(0xd2, 0x84, 0x44, 0xa1, 1, 0x38, 0x22, 0), 'nitro-document'],
    ['another COSE structure', Uint8Array.of(0x84, 0x44, 0xa1, 1, 0x38, 0x23, 0, 0), undefined],
    ['Arm’s token', Uint8Array.of(0xd9, 1, 0x8f, 0, 0, 0, 0, 0), 'cca-token'],
    ['Arm’s older token', Uint8Array.of(0xd9, 3, 0x8b, 0, 0, 0, 0, 0), 'cca-token'],
    ['another tag', Uint8Array.of(0xd9, 1, 0x90, 0, 0, 0, 0, 0), undefined],
    ['the manifest of an SVSM', concat(svsmManifestGuid, new Uint8Array(4)), 'svsm-manifest'],
    ['a report', report, 'snp-report'],
    ['a report that was cut', report.subarray(0, 0x40), 'snp-report'],
    ['a report that was cut and is damaged', edited(report.subarray(0, 0x40), [0, 0]), undefined],
    ['a report with two marks damaged', edited(report, [0, 0], [0x34, 9]), 'snp-report'],
    ['a quote', quote, 'tdx-quote'],
    ['a quote of another version', edited(quote, [0, 9]), 'tdx-quote'],
    ['a quote by another key type', edited(quote, [2, 9]), 'tdx-quote'],
    ['a quote of another TEE', edited(quote, [4, 9]), 'tdx-quote'],
    ['a quote of another vendor', edited(quote, [12, 9]), 'tdx-quote'],
    ['a quote with two marks damaged', edited(quote, [0, 9], [4, 9]), undefined],
    ['a TDREPORT', edited(new Uint8Array(1024), [0, 0x81]), 'td-report'],
    ['a log', log, 'event-log'],
    ['a log of a register that is not', edited(log, [0, 24]), undefined],
    ['a log of an event of EFI', edited(log, [4, 0xff], [7, 0x80]), 'event-log'],
    ['a log of an event that is not', edited(log, [4, 0x21]), undefined],
    ['a log of an event beyond', edited(log, [5, 1], [7, 0x80]), undefined],
    ['a log with an empty event', edited(log, [28, 0]), undefined],
    ['a log with an event beyond its end', edited(log, [28, 9]), undefined],
    ['an RSA key of a TPM', Uint8Array.of(0, 8, 0, 1, 0, 11, 0, 0, 0, 0), 'tpm-public'],
    ['a key on a curve of a TPM', Uint8Array.of(0, 8, 0, 0x23, 0, 11, 0, 0, 0, 0), 'tpm-public'],
    ['another object of a TPM', Uint8Array.of(0, 8, 0, 8, 0, 11, 0, 0, 0, 0), undefined],
    ['a key of another length', Uint8Array.of(0, 9, 0, 1, 0, 11, 0, 0, 0, 0), undefined],
    ['RSASSA', Uint8Array.of(0, 0x14, 0, 0x0b, 0, 2, 0, 0), 'tpm-signature'],
    ['RSAPSS', Uint8Array.of(0, 0x16, 0, 0x0b, 0, 2, 0, 0), 'tpm-signature'],
    ['RSASSA of another length', Uint8Array.of(0, 0x14, 0, 0x0b, 0, 3, 0, 0), undefined],
    ['RSASSA with a hash that is none', Uint8Array.of(0, 0x14, 0, 0x13, 0, 2, 0, 0), undefined],
    ['ECDSA', Uint8Array.of(0, 0x18, 0, 0x04, 0, 2, 0, 0), 'tpm-signature'],
    ['ECDSA of numbers too long', Uint8Array.of(0, 0x18, 0, 0x0b, 0, 67, 0, 0), undefined],
    [
      'a paravisor’s report of no claims',
      edited(hcl, [8, 0xd4], [1216, 20], [1232, 0]).subarray(0, 1236),
      'hcl-report',
    ],
    ['the same cut', edited(hcl, [8, 0xd4], [1216, 20], [1232, 0]).subarray(0, 1235), undefined],
    ['the same of the last types that are', edited(hcl, [12, 3], [1224, 5]), 'hcl-report'],
    ['the same with a length beyond its end', hcl.subarray(0, 1239), undefined],
    [
      'the same with claims behind a longer head',
      concat(edited(hcl, [8, 0xdc], [1216, 28]), new Uint8Array(4)),
      'hcl-report',
    ],
    ['the same with another length alone', edited(hcl, [8, 0xd7]), undefined],
    ['the same with the claims alone longer', edited(hcl, [1232, 5]), undefined],
    ['a report that was cut too short', report.subarray(0, 0x3f), undefined],
    ...(
      [
        [[0, 1], 'snp-report'],
        [[0, 16], 'snp-report'],
        [[0, 17], undefined],
        [[0x30, 3], 'snp-report'],
        [[0x30, 4], undefined],
        [[0x34, 2], undefined],
        [[10, 0], undefined],
        [[8, 1], 'snp-report'],
      ] as const
    ).map(([[at, value], kind]): [string, Uint8Array, typeof kind] => [
      `a report that was cut with ${value} at ${at}`,
      edited(report.subarray(0, 0x40), [at, value]),
      kind,
    ]),
    ['a report with one mark damaged that is like a log', edited(report, [0, 17], [28, 8]), 'snp-report'],
    ['a report with two marks damaged that is like a log', edited(report, [0, 17], [28, 8], [0x34, 9]), 'snp-report'],
    [
      'a report with three marks damaged that is like a log',
      edited(report, [0, 17], [28, 8], [0x34, 9], [10, 0]),
      'event-log',
    ],
    ['a longer report that is damaged', concat(edited(report, [0, 0]), filled(1, 0)), undefined],
    ['a quote that was cut', quote.subarray(0, 48), 'tdx-quote'],
    ['a quote that was cut too short', quote.subarray(0, 47), undefined],
    ...(
      [
        [[0, 3], 'tdx-quote'],
        [[0, 5], 'tdx-quote'],
        [[0, 2], undefined],
        [[0, 6], undefined],
        [[2, 3], 'tdx-quote'],
        [[2, 1], undefined],
        [[2, 4], undefined],
        [[4, 0x80], undefined],
      ] as const
    ).map(([[at, value], kind]): [string, Uint8Array, typeof kind] => [
      `a quote of another vendor with ${value} at ${at}`,
      edited(quote, [12, 9], [at, value]),
      kind,
    ]),
    [
      'a quote of Intel’s enclave, all else damaged',
      concat(filled(12, 9), intelQeVendorId, filled(20, 9)),
      'tdx-quote',
    ],
    [
      'the last byte of its maker damaged too',
      concat(filled(12, 9), intelQeVendorId.subarray(0, 15), filled(21, 9)),
      undefined,
    ],
    ['a log of the last register', edited(log, [0, 23]), 'event-log'],
    ['a log of the last kind of event', edited(log, [4, 0x20]), 'event-log'],
    ['a log of EFI’s first event', edited(log, [4, 0], [7, 0x80]), 'event-log'],
    ['a log of events between', edited(log, [7, 0x7f]), undefined],
    ['a log of one byte', new ByteWriter().u32le(0).u32le(3).zero(20).u32le(1).u8(0).finish(), 'event-log'],
    ['no log', new ByteWriter().u32le(0).u32le(3).zero(20).u16le(1).finish(), undefined],
    ['RSASSA with the last hash', Uint8Array.of(0, 0x14, 0, 0x12, 0, 2, 0, 0), 'tpm-signature'],
    ['RSASSA with a hash below the first', Uint8Array.of(0, 0x14, 0, 0x03, 0, 2, 0, 0), undefined],
    ['RSAPSS of another length', Uint8Array.of(0, 0x16, 0, 0x0b, 0, 3, 0, 0), undefined],
    ['ECDSA of the longest numbers', concat(Uint8Array.of(0, 0x18, 0, 0x0b, 0, 66), filled(134, 1)), 'tpm-signature'],
    ['ECDSA longer than these', concat(Uint8Array.of(0, 0x18, 0, 0x0b, 0, 66), filled(135, 1)), 'tpm-signature'],
    ['two marks of none', concat(Uint8Array.of(0, 0x19, 0, 0x1b, 0, 66), filled(135, 1)), undefined],
    ['another scheme', Uint8Array.of(0, 0x19, 0, 0x0b, 0, 2, 0, 0), undefined],
    [
      'a certificate with long lengths',
      concat(Uint8Array.of(0x30, 0x84, 0, 0, 0, 9, 0x30, 0x84, 0, 0, 0, 3, 0xa0), filled(9, 0)),
      'certificate',
    ],
    [
      'a certificate with a longer length',
      concat(Uint8Array.of(0x30, 0x85, 0, 0, 0, 0, 9, 0x30, 4, 0xa0), filled(9, 0)),
      undefined,
    ],
    [
      'a certificate of which the body’s length is endless',
      Uint8Array.of(0x30, 20, 0x30, 0x80, 0xa0, 3, 2, 1),
      undefined,
    ],
    ['DER in which no sequence follows', Uint8Array.of(0x30, 20, 0x31, 10, 0xa0, 3, 2, 1), undefined],
    ['a list whose version is longer', der(2, 2, 1, 0x30, 0), undefined],
    ['a list whose algorithm is none', der(2, 1, 1, 0x31, 0), undefined],
    ['a list of two marks', der(4, 1, 1, 0x30, 0), undefined],
    ['another byte before Arm’s tag', Uint8Array.of(0xd8, 1, 0x8f, 0, 0, 0, 0, 0), undefined],
    ['what has a report’s length', filled(1184, 0xee), 'snp-report'],
    ['what has a TDREPORT’s length', filled(1024, 0xee), 'td-report'],
    ['what has another length', filled(1025, 0xee), undefined],
  ])('%s', (_, bytes, kind) => {
    expect(binaryKind(bytes)).toBe(kind)
  })

  it('wherever they lie in a larger buffer', () => {
    const whole = concat(filled(3, 9), quote, filled(3, 9))
    expect(binaryKind(whole.subarray(3, 3 + quote.length))).toBe('tdx-quote')
    const enclave = concat(filled(15, 9), intelQeVendorId, filled(30, 9))
    expect([binaryKind(enclave.subarray(3)), binaryKind(enclave)]).toEqual(['tdx-quote', undefined])
  })
})

describe('what is taken apart', () => {
  const certificate = (value: number): Uint8Array =>
    concat(Uint8Array.of(0x30, 0x82, 0, 40, 0x30, 30, 0xa0), filled(37, value))

  it('is certificates one after the other, the last with what is left', () => {
    const two = concat(certificate(1), certificate(2), Uint8Array.of(0))
    expect(detectBinary('x', two, false)).toEqual([
      { name: 'x', kind: 'certificates', certificates: [certificate(1), concat(certificate(2), Uint8Array.of(0))] },
    ])
    expect(detectBinary('x', certificate(1), false)).toMatchObject([{ certificates: [certificate(1)] }])
    const long = concat(Uint8Array.of(0x30, 0x82, 1, 44, 0x30, 30, 0xa0), filled(297, 3))
    const empty = Uint8Array.of(0x30, 0x82, 0, 0)
    const split = (...parts: Uint8Array[]): unknown =>
      detectBinary('x', concat(...parts), false)?.map((piece) => 'certificates' in piece && piece.certificates)
    expect(split(certificate(1), long, empty)).toEqual([[certificate(1), long, empty]])
    expect(split(long, empty.subarray(0, 3))).toEqual([[concat(long, empty.subarray(0, 3))]])
    expect(split(long, edited(long, [1, 0x81]))).toEqual([[concat(long, edited(long, [1, 0x81]))]])
    // A short length must not be read as a long one.
    const short = edited(new Uint8Array(12_400), [0, 0x30], [1, 20], [2, 0x30], [3, 10], [4, 0xa0])
    const trap = edited(short, [12_302, 0x30], [12_303, 0x82])
    expect(split(trap)).toEqual([[trap]])
    const many = detectBinary('x', concat(long, ...Array.from({ length: 1_001 }, () => empty)), false)![0]!
    expect('certificates' in many && many.certificates.map(({ length }) => length)).toEqual([
      304,
      ...Array<number>(999).fill(4),
      8,
    ])
  })

  const entry = (guid: string, offset: number, length: number): Uint8Array =>
    new ByteWriter()
      .bytes(fromHex(guid.replaceAll('-', '')))
      .u32le(offset)
      .u32le(length)
      .finish()
  const vcek = '63da758d-e664-4564-adc5-f4b93be8accd'
  const list = '92f81bc3-5811-4d3d-97ff-d19f88dc67ea'
  const own = '01234567-e664-4564-adc5-f4b93be8accd'
  const table = concat(
    entry(vcek, 96, 2),
    entry(own, 98, 1),
    entry(list, 99, 3),
    new Uint8Array(24),
    Uint8Array.of(1, 2, 9, 3, 4, 5),
  )

  it('is a key, with whether it lies inside other evidence', () => {
    const bytes = Uint8Array.of(0, 8, 0, 1, 0, 11, 0, 0, 0, 0)
    expect(detectBinary('x', bytes, true)).toEqual([{ name: 'x', kind: 'tpm-public', bytes, nested: true }])
  })

  const unused = (what: string, from: number, length: number): object => ({
    name: 'x',
    kind: 'unused',
    parts: [{ of: 'x', what, ranges: [{ from, length }] }],
  })

  it('is the table of a host, of which its own kinds are named as unused', () => {
    const pieces = (base = 0): object[] => [
      { name: 'x', kind: 'certificates', certificates: [Uint8Array.of(1, 2)] },
      unused(`entry ${own}`, base + 98, 1),
      { name: 'x', kind: 'crl', bytes: Uint8Array.of(3, 4, 5) },
    ]
    expect(readCertificateTable('x', table)).toEqual(pieces())
    expect(detectBinary('x', table, false)).toEqual(pieces())
    expect(detectBinary('x', concat(report, table), false)).toEqual([
      { name: 'x', kind: 'snp-report', bytes: report },
      ...pieces(1184),
    ])
    expect(detectBinary('x', concat(utf8('HCLA'), new Uint8Array(1180), table), false)).toMatchObject([
      { kind: 'hcl-report' },
    ])
  })

  it('is a table whose kinds are named in the order of their text alone', () => {
    // Microsoft's order of the same text: the first three parts with their bytes reversed.
    const swapped = ['8d75da63-64e6-6445-adc5-f4b93be8accd', vcek] as const
    const of = (guid: string): unknown =>
      readCertificateTable('x', concat(entry(guid, 48, 1), new Uint8Array(24), Uint8Array.of(7)))
    expect(swapped.map(of)).toEqual([
      undefined,
      [{ name: 'x', kind: 'certificates', certificates: [Uint8Array.of(7)] }],
    ])
  })

  it('is a table of at most fifteen, of all kinds that AMD names', () => {
    const guids = [
      vcek,
      'a8074bc2-a25a-483e-aae6-39c045a0b8a1',
      '4ab7b379-bbac-4fe4-a02f-05aef327c782',
      'c0b406a4-a803-4952-9743-3fb6014cd0ae',
      list,
    ]
    const of = (names: string[]): unknown =>
      readCertificateTable(
        'x',
        concat(...names.map((guid) => entry(guid, 24 * (names.length + 1), 1)), new Uint8Array(24), Uint8Array.of(7)),
      )?.map(({ kind }) => kind)
    expect(of(guids)).toEqual([...Array<string>(4).fill('certificates'), 'crl'])
    expect([of(Array<string>(15).fill(vcek)), of(Array<string>(16).fill(vcek))]).toEqual([
      Array(15).fill('certificates'),
      undefined,
    ])
  })

  it.each([
    ['empty', new Uint8Array(100)],
    ['that points into itself', concat(entry(vcek, 47, 2), new Uint8Array(30))],
    ['that points behind its end', concat(entry(vcek, 48, 3), new Uint8Array(24), Uint8Array.of(1, 2))],
    ['that does not end', concat(entry(vcek, 48, 2), filled(24, 1))],
    ['that is cut', concat(entry(vcek, 48, 0), new Uint8Array(23))],
    ['of other kinds alone', concat(entry(own, 48, 1), new Uint8Array(25))],
  ])('is not a table %s', (_, bytes) => {
    expect(readCertificateTable('x', bytes)).toBeUndefined()
  })

  it('is a report behind the firmware’s head or the paravisor’s', () => {
    const head = new ByteWriter().u32le(0).u32le(1184).zero(24).finish()
    const of = (bytes: Uint8Array): unknown => detectBinary('x', bytes, false)
    const found = [{ name: 'x', kind: 'snp-report', bytes: report }]
    expect(of(concat(head, report))).toEqual(found)
    expect(of(concat(head, report, new Uint8Array(2784)))).toEqual(found)
    for (const header of [20, 32])
      expect(of(concat(utf8('HCLA'), new Uint8Array(header - 4), report))).toEqual([
        ...found,
        unused('header of the paravisor', 0, header),
      ])
    for (const wrong of [edited(head, [0, 1]), edited(head, [4, 1]), edited(head, [8, 1])])
      expect(of(concat(wrong, report))).not.toEqual(found)
    expect(of(concat(head, report, Uint8Array.of(1)))).not.toEqual(found)
    expect(of(concat(utf8('HCLB'), new Uint8Array(16), report))).not.toEqual(found)
    expect(of(concat(utf8('HCLA'), new Uint8Array(20), report))).not.toEqual(found)
    const statement = edited(report, [0, 0xff], [1, 0x54], [2, 0x43], [3, 0x47])
    expect(of(concat(utf8('HCLA'), new Uint8Array(16), statement))).toMatchObject([{ kind: 'hcl-report' }])
    expect(of(concat(head, report).subarray(0, -1))).toBeUndefined()
  })

  it('is a quote as bincode has it', () => {
    const message = edited(filled(40, 1), [0, 0xff], [1, 0x54])
    const sized = (bytes: Uint8Array): Uint8Array => new ByteWriter().u64le(BigInt(bytes.length)).bytes(bytes).finish()
    const made = (body: Uint8Array, count: number, registers = count): Uint8Array =>
      new ByteWriter()
        .bytes(sized(filled(256, 7)))
        .bytes(sized(body))
        .u64le(BigInt(count))
        .bytes(filled(32 * registers, 3))
        .finish()
    expect(readBincodeQuote('x', made(message, 2))).toEqual({
      name: 'x',
      kind: 'tpm-quote',
      message,
      signature: { scheme: 'rsassa', hash: 'sha256', signature: filled(256, 7) },
      pcrs: new Map([0, 1].map((pcr) => [pcr, filled(32, 3)])),
    })
    expect(detectBinary('x', made(message, 2), false)).toEqual([readBincodeQuote('x', made(message, 2))])
    expect(readBincodeQuote('x', made(message, 24))).toBeDefined()
    for (const wrong of [
      made(message, 25),
      made(filled(40, 1), 2),
      made(edited(message, [1, 0]), 2),
      made(edited(message, [0, 0]), 2),
      made(message, 2, 3),
      made(message, 2, 1),
    ])
      expect(readBincodeQuote('x', wrong)).toBeUndefined()
  })
})

describe('a quote in JSON', () => {
  const message = edited(filled(40, 1), [0, 0xff], [1, 0x54])
  const signatureIn = (bytes: Uint8Array): unknown => {
    const text = JSON.stringify({ message: [...message], signature: [...bytes], pcrs: {} })
    const [piece] = detect('x', new TextEncoder().encode(text))
    return (piece as { signature?: unknown }).signature
  }

  it.each([0x14, 0x15, 0x16, 0x17, 0x18])('has a bare signature, also one that begins with 00 %i', (second) => {
    const bare = edited(filled(256, 7), [0, 0], [1, second])
    expect(signatureIn(bare)).toEqual({ scheme: 'rsassa', hash: 'sha256', signature: bare })
  })

  it('has a bare signature, also one of few bytes', () => {
    for (const bare of [Uint8Array.of(1), Uint8Array.of(0, 0x14, 0, 0x0b, 0, 1, 9)])
      expect(signatureIn(bare)).toMatchObject(bare.length === 1 ? { scheme: 'rsassa', signature: bare } : {})
  })

  it('has a signature as TPMs write it', () => {
    const structure = Uint8Array.of(0, 0x14, 0, 0x0b, 1, 0, ...filled(256, 7))
    expect(signatureIn(structure)).toEqual(structure)
  })
})
