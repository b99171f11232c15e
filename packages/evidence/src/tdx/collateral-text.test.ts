import { describe, expect, it } from 'vitest'
import { JsonFields } from './json-fields.ts'
import { assessQe, parseQeIdentity } from './qe-identity.ts'
import type { QeReport } from './qe-report.ts'
import { splitSignedJson } from './signed-json.ts'
import { parseTcbInfo } from './tcb-info.ts'

const refused = (code: string, facts: object = {}): unknown =>
  expect.objectContaining({ name: 'ParseError', code, ...facts })
const at = '2026-01-01T00:00:00Z'

describe('members of a text of Intel’s', () => {
  const fields = (value: Record<string, unknown>): JsonFields => new JsonFields(value, 'tcbInfo')

  it.each([[null], [[]], ['text'], [5], [undefined]])('are those of an object, not of %j', (value) => {
    expect(() => new JsonFields(value, 'tcbInfo')).toThrow(refused('InvalidValue', { expected: 'an object' }))
  })

  it('are the object’s own', () => {
    expect(fields({ a: 1 }).has('a')).toBe(true)
    expect(fields({}).has('toString')).toBe(false)
    expect(() => fields({}).text('toString')).toThrow(refused('Missing', { message: 'tcbInfo.toString is absent' }))
  })

  it('are read with their types', () => {
    expect(fields({ a: 'b' }).text('a')).toBe('b')
    expect([0, 255].map((value) => fields({ a: value }).integer('a', 255))).toEqual([0, 255])
    expect(fields({ a: '0aFF' }).bytes('a', 2)).toEqual(Uint8Array.of(10, 255))
    expect(fields({ a: at }).time('a')).toEqual(new Date(at))
    expect(fields({ a: 'y' }).oneOf('a', ['x', 'y'])).toBe('y')
    expect(
      fields({ a: { b: 1 } })
        .fields('a')
        .integer('b', 1),
    ).toBe(1)
    expect(fields({ a: [{ b: 1 }, { b: 2 }] }).list('a', (item) => item.integer('b', 2))).toEqual([1, 2])
    expect([fields({ a: ['b', 'c'] }).texts('a'), fields({}).texts('a')]).toEqual([['b', 'c'], []])
    expect(fields({ a: Array.from({ length: 256 }, () => 'b') }).texts('a')).toHaveLength(256)
  })

  it.each<[what: string, read: (from: JsonFields) => unknown, value: unknown, code?: string, found?: string]>([
    ['a number for a text', (from) => from.text('a'), 5, 'InvalidValue', '5'],
    ['an object for a text', (from) => from.text('a'), {}, 'InvalidValue', 'object'],
    ['a text for a number', (from) => from.integer('a', 9), '5', 'InvalidValue', '5'],
    ['half a number', (from) => from.integer('a', 9), 1.5],
    ['a number below 0', (from) => from.integer('a', 9), -1],
    ['a number above the greatest', (from) => from.integer('a', 9), 10],
    ['bytes too few', (from) => from.bytes('a', 2), 'ff', 'InvalidValue', '1 bytes'],
    ['half a byte', (from) => from.bytes('a', 1), 'f', 'InvalidEncoding'],
    ['no hexadecimal', (from) => from.bytes('a', 1), 'zz', 'InvalidEncoding'],
    ['a day that the month lacks', (from) => from.time('a'), '2026-02-30T00:00:00Z'],
    ['a day without a time', (from) => from.time('a'), '2026-02-01'],
    ['a time with parts of a second', (from) => from.time('a'), '2026-02-01T00:00:00.000Z'],
    ['a time of another zone', (from) => from.time('a'), '2026-02-01T00:00:00+01:00'],
    ['no time', (from) => from.time('a'), 'yesterday', 'InvalidValue', 'yesterday'],
    ['none of the words', (from) => from.oneOf('a', ['x', 'y']), 'z', 'InvalidValue', 'z'],
    ['a list for an object', (from) => from.fields('a'), []],
    ['an object for a list', (from) => from.list('a', () => 1), {}],
    ['a list with texts for objects', (from) => from.list('a', () => 1), ['b']],
    ['an endless list', (from) => from.texts('a'), Array.from({ length: 257 }, () => 'b'), 'InvalidValue', '257'],
    ['numbers for texts', (from) => from.texts('a'), ['b', 5], 'InvalidValue', '5'],
    ['a long text for a word', (from) => from.oneOf('a', ['x']), 'b'.repeat(100), 'InvalidValue', 'b'.repeat(80)],
  ])('are refused with %s', (_, read, value, code = 'InvalidValue', found) => {
    expect(() => read(fields({ a: value }))).toThrow(refused(code, found === undefined ? {} : { found }))
  })

  it('are named by their place', () => {
    const list = fields({ levels: [{ date: at }, { date: 5 }] })
    expect(() => list.list('levels', (item) => item.time('date'))).toThrow(/^tcbInfo\.levels\[1\]\.date is not/)
    expect(() => fields({ module: {} }).fields('module').text('id')).toThrow('tcbInfo.module.id is absent')
  })
})

describe('the parts of a signed text', () => {
  const signature = 'aB'.repeat(64)
  const split = (text: string): unknown => splitSignedJson(text, 'tcbInfo')

  it('may stand in either order with white space between them', () => {
    for (const space of ['', ' ', '\t', '\r', '\n', ' \r\n\t'])
      for (const [first, second] of [
        ['"tcbInfo"', '"signature"'],
        ['"signature"', '"tcbInfo"'],
      ]) {
        const value = (name: string | undefined): string => (name === '"tcbInfo"' ? '{"a":[1]}' : `"${signature}"`)
        const text = `{${first}:${value(first)},${second}:${value(second)}}`.replaceAll(
          /(?<=[{,:}])(?=[{"}])|(?<=")(?=[:}])/g,
          space,
        )
        expect(split(`${space}${text}${space}`), JSON.stringify(text)).toMatchObject({ signature })
      }
  })

  it.each<[what: string, text: string, message: RegExp]>([
    ['no body', `{"signature":"${signature}"}`, /lacks its body or its signature/],
    ['no signature', '{"tcbInfo":{}}', /lacks its body or its signature/],
    ['two bodies', `{"tcbInfo":{},"tcbInfo":{},"signature":"${signature}"}`, /tcbInfo twice/],
    ['two signatures', `{"signature":"${signature}","signature":"${signature}","tcbInfo":{}}`, /signature twice/],
    ['an unknown member', `{"tcbInfo":{},"other":{},"signature":"${signature}"}`, /not known/],
    ['a signature that is a list', `{"tcbInfo":{},"signature":["${signature}"]}`, /not 64 bytes/],
    ['a signature one digit short', `{"tcbInfo":{},"signature":"${signature.slice(1)}"}`, /not 64 bytes/],
    ['a signature one digit long', `{"tcbInfo":{},"signature":"0${signature}"}`, /not 64 bytes/],
    ['a signature of other digits', `{"tcbInfo":{},"signature":"${signature.slice(1)}g"}`, /not 64 bytes/],
    ['a body that is a number', `{"tcbInfo":5,"signature":"${signature}"}`, /another kind/],
    ['no colon', `{"tcbInfo" {},"signature":"${signature}"}`, /lacks :/],
    ['no end', `{"tcbInfo":{},"signature":"${signature}"`, /lacks }/],
    ['text after its end', `{"tcbInfo":{},"signature":"${signature}"} x`, /after its end/],
    ['an object that does not end', '{"tcbInfo":{"a":[1]', /inside a value/],
    ['a string that does not end', '{"tcbInfo":"a', /inside a string/],
    ['an escape that does not end', '{"tcbInfo":"a\\', /inside a string/],
    ['a letter beyond ASCII', `{"tcbInfo":{"a":"\u0080"},"signature":"${signature}"}`, /not ASCII/],
    ['a name that is not text', `{{}:{},"signature":"${signature}"}`, /not known/],
    ['a name that is not JSON', `{}:{},"signature":"${signature}"}`, /not JSON/],
  ])('are refused with %s', (_, text, message) => {
    expect(() => split(text)).toThrow(refused('InvalidEncoding'))
    expect(() => split(text)).toThrow(message)
  })

  it('are found behind strings that hold their signs', () => {
    for (const string of ['}', '{', ']', '[', '\\"', '\\\\', '\\\\\\"}', '\u007f']) {
      const body = `{"a":"${string}"}`
      expect(split(`{"tcbInfo":${body},"signature":"${signature}"}`)).toEqual({ body, signature })
    }
  })

  it('are bounded', () => {
    const text = `{"tcbInfo":{},"signature":"${signature}"}`
    expect(split(text.padEnd(1 << 20))).toMatchObject({ body: '{}' })
    expect(() => split(text.padEnd((1 << 20) + 1))).toThrow(refused('TooLarge'))
  })
})

const identity = {
  id: 'TD_QE',
  version: 2,
  issueDate: at,
  nextUpdate: '2026-02-01T00:00:00Z',
  tcbEvaluationDataNumber: 17,
  miscselect: '00000001',
  miscselectMask: 'FFFFFFFF',
  attributes: '11'.repeat(16),
  attributesMask: 'FB'.repeat(16),
  mrsigner: 'DC'.repeat(32),
  isvprodid: 2,
  tcbLevels: [
    { tcb: { isvsvn: 4 }, tcbDate: at, tcbStatus: 'UpToDate' },
    { tcb: { isvsvn: 2 }, tcbDate: at, tcbStatus: 'OutOfDate', advisoryIDs: ['SA-1'] },
  ],
}

describe('the identity of the quoting enclave', () => {
  const parse = (changes: Record<string, unknown> = {}): ReturnType<typeof parseQeIdentity> =>
    parseQeIdentity(JSON.stringify({ ...identity, ...changes }))

  it('is read whole', () => {
    expect(parse()).toEqual({
      issueDate: new Date(at),
      nextUpdate: new Date('2026-02-01T00:00:00Z'),
      tcbEvaluationDataNumber: 17,
      miscSelect: Uint8Array.of(1, 0, 0, 0),
      miscSelectMask: new Uint8Array(4).fill(255),
      attributes: new Uint8Array(16).fill(0x11),
      attributesMask: new Uint8Array(16).fill(0xfb),
      mrSigner: new Uint8Array(32).fill(0xdc),
      isvProdId: 2,
      levels: [
        { isvSvn: 4, tcbDate: new Date(at), tcbStatus: 'UpToDate', advisoryIds: [] },
        { isvSvn: 2, tcbDate: new Date(at), tcbStatus: 'OutOfDate', advisoryIds: ['SA-1'] },
      ],
    })
  })

  it.each<[what: string, changes: Record<string, unknown>, code: string]>([
    ['another enclave', { id: 'QE' }, 'InvalidValue'],
    ['another version', { version: 1 }, 'UnknownVersion'],
    [
      'a status that only a verifier gives',
      { tcbLevels: [{ ...identity.tcbLevels[0], tcbStatus: 'NoMatchingLevel' }] },
      'InvalidValue',
    ],
    ...Object.keys(identity).map((name): [string, Record<string, unknown>, string] => [
      `no ${name}`,
      { [name]: undefined },
      'Missing',
    ]),
  ])('with %s is refused', (_, changes, code) => {
    expect(() => parse(changes)).toThrow(refused(code))
  })

  const report = (changes: Partial<QeReport> = {}): QeReport =>
    ({
      miscSelect: Uint8Array.of(1, 0, 0, 0),
      attributes: new Uint8Array(16).fill(0x11),
      mrSigner: new Uint8Array(32).fill(0xdc),
      isvProdId: 2,
      isvSvn: 4,
      ...changes,
    }) as QeReport

  it.each([
    [5, 'UpToDate'],
    [4, 'UpToDate'],
    [3, 'OutOfDate'],
    [2, 'OutOfDate'],
    [1, 'NoMatchingLevel'],
  ])('gives an enclave of SVN %i the status %s', (isvSvn, status) => {
    expect(assessQe(parse(), report({ isvSvn }))).toMatchObject({ status })
  })

  it('leaves open what its masks leave out', () => {
    const attributes = new Uint8Array(16).fill(0x15)
    expect(assessQe(parse(), report({ attributes }))).toMatchObject({ status: 'UpToDate' })
    const miscSelect = Uint8Array.of(1, 0, 0, 9)
    expect(assessQe(parse({ miscselectMask: '00FFFFFF' }), report({ miscSelect }))).toMatchObject({
      status: 'UpToDate',
    })
  })

  it.each<[field: string, changes: Partial<QeReport>, expected: string, found: string]>([
    ['MISCSELECT', { miscSelect: Uint8Array.of(0, 0, 0, 0) }, '01000000', '00000000'],
    ['attributes', { attributes: new Uint8Array(16).fill(0x13) }, '11'.repeat(16), '13'.repeat(16)],
    ['MRSIGNER', { mrSigner: new Uint8Array(32) }, 'dc'.repeat(32), '00'.repeat(32)],
    ['ISVPRODID', { isvProdId: 1 }, '2', '1'],
  ])('is not that of an enclave with another %s', (field, changes, expected, found) => {
    expect(() => assessQe(parse(), report(changes))).toThrow(
      expect.objectContaining({
        code: 'QeIdentityMismatch',
        subject: 'quoting enclave',
        message: expect.stringContaining(`: ${field} is another`) as string,
        expected,
        found,
      }),
    )
  })

  it('hands out levels that change nothing in it', () => {
    const parsed = parse()
    const found = assessQe(parsed, report({ isvSvn: 2 }))
    found.tcbDate!.setTime(0)
    ;(found.advisoryIds as string[]).push('SA-2')
    expect(assessQe(parsed, report({ isvSvn: 2 }))).toMatchObject({ tcbDate: new Date(at), advisoryIds: ['SA-1'] })
  })
})

describe('a TCB info', () => {
  const svns = (value: number, length = 16): unknown => Array.from({ length }, () => ({ svn: value }))
  const module = { mrsigner: '01'.repeat(48), attributes: '02'.repeat(8), attributesMask: 'FF'.repeat(8) }
  const level = {
    tcb: { sgxtcbcomponents: svns(1), pcesvn: 3, tdxtcbcomponents: svns(2) },
    tcbDate: at,
    tcbStatus: 'UpToDate',
    advisoryIDs: ['SA-1'],
  }
  const info = {
    id: 'TDX',
    version: 3,
    issueDate: at,
    nextUpdate: '2026-02-01T00:00:00Z',
    fmspc: '0A0B0C0D0E0F',
    pceId: '0001',
    tcbType: 0,
    tcbEvaluationDataNumber: 5,
    tdxModule: module,
    tcbLevels: [level],
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...module,
        tcbLevels: [
          {
            ...level,
            tcb: { isvsvn: 4 },
          },
        ],
      },
    ],
  }
  const parse = (changes: Record<string, unknown> = {}): ReturnType<typeof parseTcbInfo> =>
    parseTcbInfo(JSON.stringify({ ...info, ...changes }))

  it('is read whole', () => {
    const identityOfModule = {
      mrSigner: new Uint8Array(48).fill(1),
      attributes: new Uint8Array(8).fill(2),
      attributesMask: new Uint8Array(8).fill(255),
    }
    const status = { tcbDate: new Date(at), tcbStatus: 'UpToDate', advisoryIds: ['SA-1'] }
    expect(parse()).toEqual({
      issueDate: new Date(at),
      nextUpdate: new Date('2026-02-01T00:00:00Z'),
      fmspc: Uint8Array.of(10, 11, 12, 13, 14, 15),
      pceId: Uint8Array.of(0, 1),
      tcbEvaluationDataNumber: 5,
      module: identityOfModule,
      moduleIdentities: [{ id: 'TDX_01', ...identityOfModule, levels: [{ ...status, isvSvn: 4 }] }],
      levels: [
        {
          ...status,
          sgxSvns: Array.from({ length: 16 }, () => 1),
          pceSvn: 3,
          tdxSvns: Array.from({ length: 16 }, () => 2),
        },
      ],
    })
    expect(parse({ tdxModuleIdentities: undefined }).moduleIdentities).toEqual([])
  })

  it.each<[what: string, changes: Record<string, unknown>, code: string]>([
    ['another technology', { id: 'SGX' }, 'InvalidValue'],
    ['another version', { version: 2 }, 'UnknownVersion'],
    ['another type', { tcbType: 1 }, 'UnknownType'],
    [
      '15 components',
      { tcbLevels: [{ ...level, tcb: { ...level.tcb, sgxtcbcomponents: svns(1, 15) } }] },
      'WrongLength',
    ],
    [
      '17 components',
      { tcbLevels: [{ ...level, tcb: { ...level.tcb, tdxtcbcomponents: svns(1, 17) } }] },
      'WrongLength',
    ],
    [
      'a component above 255',
      { tcbLevels: [{ ...level, tcb: { ...level.tcb, sgxtcbcomponents: svns(256) } }] },
      'InvalidValue',
    ],
    ['no PCE', { tcbLevels: [{ ...level, tcb: { ...level.tcb, pcesvn: undefined } }] }, 'Missing'],
    ...Object.keys(info)
      .filter((name) => name !== 'tdxModuleIdentities')
      .map((name): [string, Record<string, unknown>, string] => [`no ${name}`, { [name]: undefined }, 'Missing']),
    ...Object.keys(module).map((name): [string, Record<string, unknown>, string] => [
      `no ${name} of the module`,
      { tdxModule: { ...module, [name]: undefined } },
      'Missing',
    ]),
  ])('with %s is refused', (_, changes, code) => {
    expect(() => parse(changes)).toThrow(refused(code))
  })
})
