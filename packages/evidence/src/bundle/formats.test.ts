import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { decodeText } from './formats/decode.ts'
import { detect } from './detect.ts'
import { bytesText, hexNumber, timeText, yesNo } from './explain/field.ts'
import { isStatement, Ledger } from './pieces/ledger.ts'
import { detectPem, hasPem } from './formats/pem-pieces.ts'
import type { Check } from '../checks/check.ts'
import { binaryKinds, named, type Piece } from './pieces/piece.ts'
import { brokenPromise } from './formats/promises.ts'
import { isScaleCollateral, parseScaleCollateral } from './formats/scale.ts'

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

describe('collateral in SCALE', () => {
  const chain = `-----BEGIN CERTIFICATE-----\n${'A'.repeat(80)}\n-----END CERTIFICATE-----\n`
  const length = (of: number, mode: 0 | 1 | 2): Uint8Array => {
    const writer = new ByteWriter()
    return (
      mode === 0 ? writer.u8(of << 2) : mode === 1 ? writer.u16le((of << 2) | 1) : writer.u32le((of << 2) | 2)
    ).finish()
  }
  const item = (bytes: Uint8Array): Uint8Array =>
    concat(length(bytes.length, bytes.length < 64 ? 0 : bytes.length < 16_384 ? 1 : 2), bytes)
  const text = (value: string): Uint8Array => item(utf8(value))
  const parts = (): Uint8Array[] => [
    text(chain),
    item(filled(70, 1)),
    item(filled(5, 2)),
    text(chain),
    text('{"a":1}'),
    item(filled(3, 3)),
    text(chain),
    text('{"b":2}'),
    item(filled(3, 4)),
  ]
  const found = {
    pckCrlIssuerChain: chain,
    rootCaCrl: filled(70, 1),
    pckCrl: filled(5, 2),
    tcbInfoIssuerChain: chain,
    tcbInfo: '{"tcbInfo":{"a":1},"signature":"030303"}',
    qeIdentityIssuerChain: chain,
    qeIdentity: '{"enclaveIdentity":{"b":2},"signature":"040404"}',
  }

  it('is read in both its versions', () => {
    expect(parseScaleCollateral(concat(...parts()))).toEqual({ ...found, pckCertificateChain: undefined })
    expect(parseScaleCollateral(concat(...parts(), Uint8Array.of(0)))).toEqual({
      ...found,
      pckCertificateChain: undefined,
    })
    const with1 = concat(...parts(), Uint8Array.of(1), text(chain))
    expect(parseScaleCollateral(with1)).toEqual({ ...found, pckCertificateChain: chain })
    const long = concat(text(chain), item(filled(20_000, 1)), ...parts().slice(2))
    expect(parseScaleCollateral(long).rootCaCrl).toHaveLength(20_000)
    for (const bound of [63, 64, 16_383, 16_384]) {
      const bounded = concat(text(chain), item(filled(bound, 1)), ...parts().slice(2))
      expect(parseScaleCollateral(bounded).rootCaCrl).toHaveLength(bound)
    }
    expect(detect('x', concat(...parts())).map(({ kind }) => kind)).toEqual([
      ...Array<string>(3).fill('certificates'),
      'crl',
      'crl',
      'tcb-info',
      'qe-identity',
    ])
    expect(detect('x', with1).map(({ kind }) => kind)).toEqual([
      ...Array<string>(4).fill('certificates'),
      'crl',
      'crl',
      'tcb-info',
      'qe-identity',
    ])
  })

  it('is known by the chain that it begins with', () => {
    expect(isScaleCollateral(concat(...parts()))).toBe(true)
    for (const mode of [0, 1, 2] as const) expect(isScaleCollateral(concat(length(30, mode), utf8(chain)))).toBe(true)
    for (const wrong of [
      concat(Uint8Array.of(3), utf8(chain)),
      utf8(chain),
      new Uint8Array(0),
      concat(length(30, 0), utf8('-----BEGIN X')),
    ])
      expect(isScaleCollateral(wrong)).toBe(false)
  })

  it.each<[what: string, bytes: () => Uint8Array, code: string]>([
    ['something after it', () => concat(...parts(), Uint8Array.of(0, 0)), 'TrailingBytes'],
    ['an option that is none', () => concat(...parts(), Uint8Array.of(2)), 'InvalidValue'],
    ['an option that is not there', () => concat(...parts(), Uint8Array.of(1)), 'Truncated'],
    ['no end', () => concat(...parts()).subarray(0, -1), 'Truncated'],
    [
      'a length of two bytes for one',
      () => concat(text(chain), length(63, 1), filled(63, 1), ...parts().slice(2)),
      'NotCanonical',
    ],
    [
      'a length of four bytes for two',
      () => concat(text(chain), length(16_383, 2), filled(16_383, 1), ...parts().slice(2)),
      'NotCanonical',
    ],
    ['a length of more', () => concat(text(chain), Uint8Array.of(3), ...parts().slice(1)), 'InvalidValue'],
    [
      'text that is none',
      () => concat(text(chain), ...parts().slice(1, 4), item(Uint8Array.of(0xff)), ...parts().slice(5)),
      'InvalidEncoding',
    ],
  ])('is refused with %s', (_, bytes, code) => {
    expect(() => parseScaleCollateral(bytes())).toThrow(expect.objectContaining({ name: 'ParseError', code }))
    expect(detect('x', bytes())).toMatchObject([{ kind: 'unreadable', code }])
  })
})

describe('what a member’s name promises', () => {
  const quote = { name: 'x', kind: 'tdx-quote', bytes: new Uint8Array(0) } as const
  const log = { name: 'x', kind: 'event-log', bytes: new Uint8Array(0) } as const
  const bad = { name: 'x', kind: 'unreadable', code: 'TooDeep', reason: '' } as const

  it.each([
    'attestation_report',
    'snpReport',
    'SEV-SNP-Report',
    'report',
    'hclReport',
    'hardware_report',
    'quote',
    'tdQuote',
    'tdx_quote',
    'tpmQuote',
    'td_report',
    'token',
    'jwt',
    'attestationToken',
    'akPub',
    'ak_public',
    'aikPub',
    'runtimeClaims',
    'cc_eventlog',
    'eventLog',
    'tcg_logs',
    'ccel',
    'evidence',
  ])('is kept or broken: %s', (member) => {
    expect(brokenPromise('file', member, 'junk', [])).toMatchObject({
      name: `file ${member}`,
      kind: 'unreadable',
      code: 'UnknownType',
    })
    expect(brokenPromise('file', member, 'junk', [bad])).toBeUndefined()
    for (const nothing of [null, undefined, '', [], true, 0])
      expect(brokenPromise('file', member, nothing, [])).toBeUndefined()
  })

  it('is evidence of its kind', () => {
    expect(brokenPromise('f', 'quote', 'x', [quote])).toBeUndefined()
    expect(brokenPromise('f', 'quote', 'x', [log])).toBeDefined()
    expect(brokenPromise('f', 'eventlog', 'x', [log])).toBeUndefined()
    expect(brokenPromise('f', 'evidence', 'x', [log])).toBeUndefined()
    expect(brokenPromise('f', 'other', 'x', [])).toBeUndefined()
    expect(brokenPromise('f', 'quote', {}, [])).toBeDefined()
  })

  it('says of a log as JSON that this form is not read', () => {
    for (const value of ['[{"a":1}]', ' [{', [{}]])
      expect(brokenPromise('f', 'eventlog', value, [])).toMatchObject({ kind: 'unknown' })
    for (const value of ['x', [1], {}])
      expect(brokenPromise('f', 'eventlog', value, [])).toMatchObject({ kind: 'unreadable' })
    expect(brokenPromise('f', 'quote', [{}], [])).toMatchObject({ kind: 'unreadable' })
  })
})

describe('PEM among other things', () => {
  const block = (label: string, body = 'MAA='): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`
  const certificates = { name: 'x', kind: 'certificates', certificates: [Uint8Array.of(0x30, 0)] }

  it('is certificates, keys and lists, and nothing is passed over', () => {
    expect(detectPem('x', `${block('CERTIFICATE')}${block('PUBLIC KEY')}${block('X509 CRL')}`)).toEqual([
      certificates,
      { name: 'x', kind: 'public-key', spki: Uint8Array.of(0x30, 0), nested: false },
      { name: 'x', kind: 'crl', bytes: Uint8Array.of(0x30, 0) },
    ])
    expect(detectPem('x', `${block('CERTIFICATE')}${block('EC PRIVATE KEY')}`)).toMatchObject([
      { kind: 'certificates' },
      { kind: 'unreadable', code: 'UnknownType' },
    ])
    expect(detectPem('x', block('EC PRIVATE KEY'))).toMatchObject([{ kind: 'unknown' }])
    expect(detectPem('x', `${block('CERTIFICATE')}-----BEGIN CERTIFICATE-----`)).toMatchObject([{ kind: 'unknown' }])
  })

  it('is of one kind, or of none where a block is damaged', () => {
    expect(detectPem('x', block('PUBLIC KEY'))).toMatchObject([{ kind: 'public-key', nested: false }])
    expect(detectPem('x', block('X509 CRL'))).toMatchObject([{ kind: 'crl' }])
    expect(detectPem('x', `${block('CERTIFICATE')}${block('X509 CRL', '!')}`)).toMatchObject([{ kind: 'unknown' }])
  })

  it.each<[what: string, text: string, more: boolean]>([
    ['names', 'subject=/CN=x\nissuer: /CN=y\n', false],
    ['words', 'one two three four five six seven eight ', false],
    ['braces around a word', '{ a } [a]', false],
    ['a long run', `x: ${'A'.repeat(511)}`, false],
    ['six lines', `x: ${`${'A'.repeat(40)}\n`.repeat(6)}`, false],
    ['seven short lines', `x: ${`${'A'.repeat(39)}\n`.repeat(7)}`, false],
    ['JSON', '{"a":1}', true],
    ['JSON with blanks', '{ \n "a":1}', true],
    ['a list of lists', '[[1]]', true],
    ['a list of objects', '[ {}]', true],
    ['a run that may be bytes', `x: ${'A'.repeat(512)}`, true],
    ['a run of all characters of base64', `x: ${'aZ09+/-_='.repeat(57)}`, true],
    ['seven lines', `x: ${`${'A'.repeat(40)}\n`.repeat(7)}`, true],
    ['seven lines with blank ones', `x: ${`${'A+/='.repeat(10)}\n\n`.repeat(7)}`, true],
    ['a mark of no block', '-----END X-----', true],
  ])('stands beside a description, and what may be more is refused: %s', (_, text, more) => {
    const refused = more ? { name: 'x', kind: 'unreadable', code: 'UnknownType' } : { name: 'x', kind: 'unused' }
    for (const whole of [`${text}\n${block('CERTIFICATE')}`, `${block('CERTIFICATE')} ${text}\n`])
      expect(detectPem('x', whole)).toMatchObject([certificates, refused])
  })

  it('is read as headers carry it', () => {
    const encoded = encodeURIComponent(block('CERTIFICATE'))
    expect([hasPem(block('CERTIFICATE')), hasPem(encoded), hasPem('BEGIN')]).toEqual([true, true, false])
    expect(detectPem('x', encoded)).toEqual([certificates])
    expect(detectPem('x', `issuer: ${encoded}\nother: "x"`)).toEqual([
      certificates,
      { name: 'x', kind: 'unused', parts: [{ of: 'x', what: 'a text of 20 characters around the PEM blocks' }] },
    ])
    expect(detectPem('x', `${encoded}%zz`)).toMatchObject([{ kind: 'unreadable', code: 'InvalidEncoding' }])
  })
})

describe('what was used', () => {
  it('is known by content', () => {
    const ledger = new Ledger()
    ledger.use(Uint8Array.of(1), Uint8Array.of(3), 'text', undefined)
    expect([ledger.has(Uint8Array.of(1)), ledger.has(Uint8Array.of(2)), ledger.has('text'), ledger.has('x')]).toEqual([
      true,
      false,
      true,
      false,
    ])
  })

  it('is named in what it shows, by its place', () => {
    const check = { shows: 'words' } as Check
    const of = (name: string): Check => named({ name, kind: 'unknown', reason: '' }, check)
    expect([of(' f a '), of(' '), of('')]).toEqual([{ shows: 'f a: words' }, check, check])
  })

  it('is a statement where it says something of a machine', () => {
    const said = [
      ...binaryKinds,
      'tpm-public',
      'certificates',
      'token',
      'release',
      'tpm-quote',
      'jwks',
      'runtime-claims',
      'signature',
    ].filter((kind) => isStatement({ name: '', kind } as Piece))
    expect(said).toEqual([
      'snp-report',
      'tdx-quote',
      'td-report',
      'hcl-report',
      'tpm-attest',
      'nitro-document',
      'cca-token',
      'svsm-manifest',
      'token',
      'release',
      'tpm-quote',
    ])
  })
})

describe('values for people', () => {
  it('are short and plain', () => {
    expect([
      bytesText(new Uint8Array(5)),
      bytesText(new Uint8Array(4)),
      bytesText(Uint8Array.of(0, 0, 0, 0, 1)),
    ]).toEqual(['zero (5 bytes)', '00000000', '0000000001'])
    expect([timeText(1), timeText('0'), timeText(1e300)]).toEqual(['1970-01-01T00:00:01.000Z', undefined, undefined])
    expect([hexNumber(255n), hexNumber(16), yesNo(true), yesNo(false)]).toEqual(['0xff', '0x10', 'yes', 'no'])
  })
})

describe('text that holds bytes', () => {
  it.each([
    ['0aFF', [10, 255]],
    ['0x0aff', [10, 255]],
    [' 0a\n ff ', [10, 255]],
    ['-_8=', [251, 255]],
    ['+/8', [251, 255]],
    ['0aw', [209, 172]],
    ['0a0x', [209, 173, 49]],
    ['zz0a', [207, 61, 26]],
    ['0azz', [209, 172, 243]],
    ['0a0', [209, 173]],
    ['AA==', [0]],
    ['AQ', [1]],
    ['AA===', undefined],
    ['abcd!', undefined],
    ['!abcd', undefined],
    ['0af', undefined],
    ['0x0af', undefined],
    ['a', undefined],
    ['ab==c', undefined],
    ['a b!', undefined],
    ['', undefined],
  ])('%j', (text, bytes) => {
    expect(decodeText(text)).toEqual(bytes === undefined ? undefined : Uint8Array.from(bytes))
  })
})
