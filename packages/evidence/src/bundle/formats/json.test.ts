import { describe, expect, it } from 'vitest'
import { toBase64 } from '../../core/bytes/base64.ts'
import { concat, utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { SoftwareTpm } from '../../testing/software-tpm.ts'
import { detect } from '../detect.ts'
import type { Piece, PieceOf } from '../pieces/piece.ts'

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
/** Only the marks of a report: detection looks no further. */
const report = ((): Uint8Array => {
  const bytes = new Uint8Array(1184)
  bytes.set([3], 0)
  bytes.set([2], 10)
  bytes.set([1], 0x34)
  return bytes
})()
const message = Uint8Array.of(0xff, 0x54, 0x43, 0x47, ...filled(40, 1))
const pem = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n'
const text = (value: unknown): Uint8Array => utf8(typeof value === 'string' ? value : JSON.stringify(value))
/** Without what no reader takes: test/forged/unused.test.ts. */
const pieces = (value: unknown): Piece[] => detect('f', text(value)).filter(({ kind }) => kind !== 'unused')
/** Kind, place and, for a fault, its code. */
const found = (value: unknown): string[] =>
  pieces(value).map((piece) => `${piece.name}: ${piece.kind}${piece.kind === 'unreadable' ? ` ${piece.code}` : ''}`)
const nothing = ['f: unknown']

describe('a JSON text', () => {
  it.each<[what: string, value: unknown, found: string[]]>([
    ['of Intel’s TCB info, as it was sent', '{"tcbInfo":{},"signature":""}', ['f: tcb-info']],
    ['of the same with blanks', '{ \n "tcbInfo":{}}', ['f: tcb-info']],
    ['of Intel’s identity', '{"enclaveIdentity":{}}', ['f: qe-identity']],
    ['of the same with blanks', '{ \n "enclaveIdentity":{}}', ['f: qe-identity']],
    ['with Intel’s words further in', { a: { tcbInfo: {} } }, nothing],
    ['with Intel’s other words further in', { a: { enclaveIdentity: {} } }, nothing],
    ['that is none', '{"a":', nothing],
    ['that is none, of a signature’s length', `{"a":"${'x'.repeat(250)}`, nothing],
    ['with a name twice', '{"a":1,"a":2}', ['f: unreadable Duplicate']],
    ['with a name twice in a text that is none', '{ "a": h\'00\', "a": 2 }', nothing],
    ['with a depth that no reader follows', `${'['.repeat(40)}${']'.repeat(40)}`, ['f: unreadable TooDeep']],
    ['of a paravisor’s claims', { keys: [], 'vm-configuration': {} }, ['f: runtime-claims']],
    ['of claims without configuration', { keys: [] }, nothing],
    ['of claims whose keys are not a list', { keys: {}, 'vm-configuration': {} }, nothing],
    ['of keys', { keys: [{ kty: 'EC' }] }, ['f: jwks']],
    ['of keys further in', { a: { keys: [{ kty: 'EC' }] } }, ['f a: jwks']],
    ['of no keys', { keys: [] }, nothing],
    ['of keys of which one is none', { keys: [{ kty: 'EC' }, { kty: 1 }] }, nothing],
    ['of keys of which one is null', { keys: [{ kty: 'EC' }, null] }, nothing],
    ['of a report in base64', { a: [{ b: toBase64(report) }] }, ['f a 0 b: snp-report']],
    ['of a report as numbers', { a: [...report] }, ['f a: snp-report']],
    ['of a report as numbers with one that is not a byte', { a: [...report.subarray(1), 256] }, nothing],
    ['of a report as numbers with one below zero', { a: [...report.subarray(1), -1] }, nothing],
    ['of a report as numbers with a fraction', { a: [...report.subarray(1), 0.5] }, nothing],
    ['of a report as texts', { a: [...report.subarray(1), '1'] }, nothing],
    ['of numbers that are nothing', { a: Array(60).fill(0) }, nothing],
    ['of 48 numbers', { a: [...message.subarray(0, 4), ...filled(44, 1)] }, ['f a: tpm-attest']],
    ['of 47 numbers', { a: [...message.subarray(0, 4), ...filled(43, 1)] }, nothing],
    ['of 48 characters', { a: toHex(message.subarray(0, 24)) }, ['f a: tpm-attest']],
    ['of 46 characters', { a: toHex(message.subarray(0, 23)) }, nothing],
    ['of a chain in PEM', { a: pem }, ['f a: certificates']],
    ['of a damaged chain in PEM', { a: pem.slice(0, 50) }, nothing],
    ['of a chain that is not the first thing in its text', { a: ` x ${pem}` }, ['f a: certificates']],
    ['of JSON in it', { a: JSON.stringify({ bb: toBase64(report) }) }, ['f a bb: snp-report']],
    ['of JSON behind a line end', { a: `\n${JSON.stringify([toBase64(report)])}` }, ['f a 0: snp-report']],
    ['of a token', { a: `eyJ${'a'.repeat(60)}.e30.AAAA` }, ['f a: token']],
    ['of a short token', { a: 'eyJhIjoxfQ.e30.AAAA' }, nothing],
    ['of a signature alone', { a: toBase64(filled(256, 7)) }, nothing],
    ['of numbers, truths and nothing', [1, true, null, 'x'], nothing],
  ])('%s', (_, value, wanted) => {
    expect(found(value)).toEqual(wanted)
  })

  it('is walked to 16 levels and 20,000 values', () => {
    const nested = (levels: number): unknown =>
      Array.from({ length: levels }).reduce<unknown>((inner) => [inner], toBase64(report))
    expect(found(nested(16))).toEqual([`f${' 0'.repeat(16)}: snp-report`])
    expect(found(nested(17))).toEqual([`f${' 0'.repeat(17)}: unreadable TooDeep`])
    const objects = (levels: number): unknown =>
      Array.from({ length: levels }).reduce<unknown>((inner) => ({ a: inner }), toBase64(report))
    expect(found(objects(16))).toEqual([`f${' a'.repeat(16)}: snp-report`])
    expect(found(objects(17))).toEqual([`f${' a'.repeat(17)}: unreadable TooDeep`])
    const values = (count: number): null[] => Array<null>(count).fill(null)
    expect(found([...values(19_998), toBase64(report)])).toEqual(['f 19998: snp-report'])
    expect(found([...values(19_999), toBase64(report), toBase64(report)])).toEqual(['f 19999: unreadable TooLarge'])
    // Across all its containers.
    const half = JSON.stringify(values(9_999))
    expect(found([half, half])).toEqual(['f 1 9996: unreadable TooLarge'])
  })

  it('is unwrapped to six levels', () => {
    const wrapped = (times: number, text = toBase64(report)): unknown =>
      Array.from({ length: times }).reduce<unknown>((inner) => ({ a: JSON.stringify(inner) }), { a: text })
    expect([1, 2, 6].map((times) => found(wrapped(times)).map((each) => each.split(': ')[1]))).toEqual(
      Array(3).fill(['snp-report']),
    )
    expect(found(wrapped(7)).map((each) => each.split(': ')[1])).toEqual(['unreadable TooDeep'])
    expect(found(wrapped(6, `x{[${'y'.repeat(60)}`))).toEqual(nothing)
    for (const container of [`{${' '.repeat(60)}}`, ` [${' '.repeat(60)}]`, pem, `eyJ${'a'.repeat(60)}`])
      expect(found(wrapped(6, container))).toEqual(['f a a a a a a a: unreadable TooDeep'])
  })

  it('in which keys stand for a file’s own, or for what was made with them', () => {
    const nested = (value: unknown): unknown[] =>
      pieces(value).flatMap((piece) => (piece.kind === 'jwks' ? [piece.nested, piece.value] : []))
    const keys = [{ kty: 'EC' }]
    expect(nested({ keys, x: 1 })).toEqual([false, { keys }])
    expect(nested([{ keys }])).toEqual([true, { keys }])
    expect(nested({ keys, a: toBase64(report) })[0]).toBe(true)
    expect(nested(toBase64(text({ keys })))[0]).toBe(true)
    const area = new SoftwareTpm().akPublic()
    const of = (value: Uint8Array): unknown => (detect('f', value)[0] as PieceOf<'tpm-public'>).nested
    expect([of(area), of(text(toBase64(area))), of(text([toBase64(area)])), of(text([...area]))]).toEqual([
      false,
      false,
      true,
      true,
    ])
  })
})

describe('a quote of a TPM in JSON', () => {
  const tpm = new SoftwareTpm()
  const signature = tpm.sign(message)
  const registers = { 0: toHex(filled(32, 1)), 23: toHex(filled(32, 2)) }
  const quote = { message: toHex(message), signature: toBase64(signature), pcrs: registers }
  const pcrs = new Map([
    [0, filled(32, 1)],
    [23, filled(32, 2)],
  ])
  const whole = { name: 'f', file: 'f', kind: 'tpm-quote', message, signature, pcrs }

  it.each<[what: string, value: unknown]>([
    ['in hexadecimal and base64', quote],
    ['as numbers', { message: [...message], signature: [...signature], pcrs: registers }],
    [
      'under the names of stored boots',
      { quoteMessage: quote.message, quoteSignature: quote.signature, pcrs: registers },
    ],
    ['without a challenge or a log', { ...quote, nonce: null, eventLog: null }],
  ])('is read %s', (_, value) => {
    expect(pieces(value)).toStrictEqual([whole])
  })

  it('has its registers as a list, or none', () => {
    const list = { ...quote, pcrs: [toHex(filled(32, 1)), [...filled(32, 2)]] }
    expect(pieces(list)).toEqual([
      {
        ...whole,
        pcrs: new Map([
          [0, filled(32, 1)],
          [1, filled(32, 2)],
        ]),
      },
    ])
    expect(pieces({ ...quote, pcrs: Array(24).fill('00') })).toMatchObject([{ kind: 'tpm-quote' }])
    const { pcrs: _, ...bare } = quote
    for (const none of [bare, { ...bare, pcrs: null }, { ...bare, pcrs: {} }])
      expect(pieces(none)).toEqual([{ ...whole, pcrs: new Map() }])
  })

  it('has its challenge and its log beside it', () => {
    const nonce = utf8('challenge')
    const eventLog = filled(60, 9)
    expect(pieces({ ...quote, nonce: toHex(nonce) })).toEqual([{ ...whole, nonce }])
    expect(pieces({ ...quote, nonce: '' })).toEqual([{ ...whole, nonce: new Uint8Array() }])
    expect(pieces({ ...quote, nonce: [1, 2] })).toEqual([{ ...whole, nonce: Uint8Array.of(1, 2) }])
    const stored = { quoteMessage: quote.message, quoteSignature: quote.signature, pcrs: registers }
    expect(pieces({ ...stored, eventLog: toHex(eventLog) })).toEqual([{ ...whole, eventLog }])
    // Beside other names, the log is also judged on its own.
    expect(pieces({ ...quote, eventLog: toHex(eventLog) })).toMatchObject([
      { ...whole, eventLog },
      { name: 'f eventLog', kind: 'unreadable' },
    ])
  })

  it.each<[what: string, change: Record<string, unknown>, place: string]>([
    ['a message that is not text', { message: {} }, 'f message'],
    ['a message of something else', { message: '00'.repeat(40) }, 'f message'],
    ['a message of which the first byte is another', { message: 'fe54'.repeat(20) }, 'f message'],
    ['a message of which the second byte is another', { message: 'ff55'.repeat(20) }, 'f message'],
    ['a signature that is none', { signature: 'x!' }, 'f message'],
    ['registers that are a text', { pcrs: 'none' }, 'f pcrs'],
    ['registers that are an empty text', { pcrs: '' }, 'f pcrs'],
    ['registers that are a number', { pcrs: 5 }, 'f pcrs'],
    ['a register too many', { pcrs: Array(25).fill('00') }, 'f pcrs'],
    [
      'a register too many by name',
      { pcrs: Object.fromEntries(Array.from({ length: 25 }, (_, n) => [n, '00'])) },
      'f pcrs',
    ],
    ['a register that is none', { pcrs: { 0: 'x!' } }, 'f pcrs'],
    ['a register that is a number', { pcrs: { 0: 5 } }, 'f pcrs'],
    ['a register under a name', { pcrs: { a: '00' } }, 'f pcrs'],
    ['a register of three digits', { pcrs: { 100: '00' } }, 'f pcrs'],
    ['a register of a name that begins with a digit', { pcrs: { '1a': '00' } }, 'f pcrs'],
    ['a register of a name that ends with a digit', { pcrs: { a1: '00' } }, 'f pcrs'],
    ['a challenge that is none', { nonce: 'x!' }, 'f nonce'],
    ['a challenge that is a number', { nonce: 5 }, 'f nonce'],
    ['a log that is none', { eventLog: 'x!' }, 'f eventLog'],
    ['a log that is an object', { eventLog: {} }, 'f eventLog'],
  ])('with %s is not passed over', (_, change, place) => {
    expect(found({ ...quote, ...change })[0]).toBe(`${place}: unreadable InvalidEncoding`)
  })

  it('is none without its parts', () => {
    const { message: _, ...unsaid } = quote
    const { signature: __, ...unsigned } = quote
    const { pcrs: ___, ...bare } = { ...quote, message: 'text', signature: 'words' }
    expect([unsaid, bare, unsigned].map((value) => found(value))).toEqual([
      ['f signature: tpm-signature'],
      nothing,
      ['f message: tpm-attest'],
    ])
  })
})

describe('texts that Intel signed, kept apart', () => {
  const body = `{"id":"TDX","pad":"${'x'.repeat(50)}"}`
  it.each<[what: string, value: unknown, wanted: object[]]>([
    [
      'TCB info',
      { tcb_info: body, tcb_info_signature: 'aA09' },
      [{ name: 'f tcb_info', kind: 'tcb-info', text: `{"tcbInfo":${body},"signature":"aA09"}` }],
    ],
    [
      'an identity',
      { x: { qe_identity: body, qe_identity_signature: '' } },
      [{ name: 'f x qe_identity', kind: 'qe-identity', text: `{"enclaveIdentity":${body},"signature":""}` }],
    ],
    ['TCB info without its signature', { tcb_info: body }, [{ kind: 'unknown' }]],
    ['TCB info under what is not a signature', { tcb_info: body, tcb_info_signature: 'aaxz' }, [{ kind: 'unknown' }]],
    ['TCB info under words around one', { tcb_info: body, tcb_info_signature: 'aa"' }, [{ kind: 'unknown' }]],
    ['TCB info under words before one', { tcb_info: body, tcb_info_signature: '"aa' }, [{ kind: 'unknown' }]],
    ['TCB info under a number', { tcb_info: body, tcb_info_signature: 5 }, [{ kind: 'unknown' }]],
    ['TCB info that is not text', { tcb_info: {}, tcb_info_signature: 'aa' }, [{ kind: 'unknown' }]],
  ])('are %s', (_, value, wanted) => {
    const got = pieces(value)
    expect(got).toHaveLength(wanted.length)
    expect(got).toMatchObject(wanted)
  })
})

describe('a report by its members', () => {
  const bytes = (length: number): number[] => Array<number>(length).fill(0)
  const tcb = { bootloader: 1, tee: 2, snp: 3, microcode: 4 }
  const version = { build: 1, minor: 2, major: 3 }
  const members = {
    version: 2,
    guest_svn: 5,
    policy: 0x3001f,
    family_id: bytes(16),
    image_id: bytes(16),
    vmpl: 0,
    sig_algo: 1,
    current_tcb: tcb,
    plat_info: 0,
    key_info: 0,
    report_data: bytes(64),
    measurement: bytes(48),
    host_data: bytes(32),
    id_key_digest: bytes(48),
    author_key_digest: bytes(48),
    report_id: bytes(32),
    report_id_ma: bytes(32),
    reported_tcb: tcb,
    chip_id: bytes(64),
    committed_tcb: tcb,
    current: version,
    committed: version,
    launch_tcb: tcb,
    signature: { r: bytes(72), s: bytes(72) },
  }

  it('is a report, wherever it stands', () => {
    expect(found(members)).toEqual(['f: snp-report'])
    expect(found({ report: members })).toEqual(['f report: snp-report'])
    expect(found({ report: { ...members, guest_svn: 'x' } }).at(-1)).toBe('f report: unreadable UnknownType')
  })

  it('does not hide what stands beside its members', () => {
    // The guest chooses what the report binds.
    const bound = { ...members, report_data: [...message, ...bytes(64 - message.length)] }
    expect(found(bound)).toEqual(['f: snp-report'])
    expect(found({ ...members, chain: pem })).toEqual(['f: snp-report', 'f chain: certificates'])
    expect(found({ ...members, quote: 'AAAA' })).toEqual(['f: snp-report', 'f quote: unreadable UnknownType'])
    expect(found({ ...members, keys: [{ kty: 'EC' }] })).toEqual(['f: jwks', 'f: snp-report'])
  })
})

describe('a list of certificates in a file', () => {
  const certificate = concat(Uint8Array.of(0x30, 0x82, 0, 40, 0x30, 30, 0xa0), filled(37, 1))
  it('is read by what it is in whatever clothing', () => {
    for (const clothed of [toHex(certificate), toBase64(certificate)])
      expect(found({ a: clothed })).toEqual(['f a: certificates'])
  })
})
