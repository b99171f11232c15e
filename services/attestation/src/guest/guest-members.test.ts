import { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { jsonObject } from '../core/request.ts'
import { readGuestRequest, type GuestRequest } from './guest-request.ts'

const base64 = (text: string | Uint8Array): string => Buffer.from(text as string).toString('base64')
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const tpm = {
  AikCert: base64('certificate'),
  AikPub: base64(Uint8Array.of(0, 2, 7, 8)),
  PcrQuote: base64('quote'),
  PcrSignature: base64('signature'),
  EncKeyPub: base64('key'),
  EncKeyCertifyInfo: base64('info'),
  EncKeyCertifyInfoSignature: base64('info signature'),
  PcrSet: [7, 0],
  PCRs: [
    { Index: 0, Digest: base64('zero') },
    { Index: 7, Digest: base64('seven') },
  ],
}
const evidence = { Proof: base64('{}'), RunTimeData: base64('{"a":1}') }
const whole = {
  AttestationProtocolVersion: '2.0',
  OSType: base64('Linux'),
  OSDistro: base64('Debian'),
  OSBuild: base64('1'),
  OSVersionMajor: 13,
  OSVersionMinor: 1,
  TcgLogs: base64('log'),
  ClientPayload: { nonce: base64('once') },
  TpmInfo: tpm,
  IsolationInfo: { Type: 'SevSnp', Evidence: evidence },
}
const read = (change: object = {}, name = 'AttestationInfo'): GuestRequest =>
  readGuestRequest({ [name]: base64(JSON.stringify({ ...whole, ...change })) })
/** Target and expectation of the refusal; `read` if accepted. */
const refusal = (change: object): unknown[] => {
  try {
    read(change)
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    expect([error.status, error.code]).toEqual([400, 'InvalidParameter'])
    return [error.target, error.expected, error.found]
  }
  return ['read']
}
const ofTpm = (change: object): unknown[] => refusal({ TpmInfo: { ...tpm, ...change } })
const registers = (indexes: unknown[]): object => ({
  PcrSet: indexes,
  PCRs: indexes.map((Index) => ({ Index, Digest: base64('d') })),
})

describe('the members of a guest’s request', () => {
  it('are read, each from its own', () => {
    expect(read()).toEqual({
      raw: bytes(JSON.stringify(whole)),
      os: { type: 'Linux', distro: 'Debian', build: '1', major: 13, minor: 1 },
      tcgLog: bytes('log'),
      clientPayload: { nonce: base64('once') },
      tpm: {
        akCertificate: bytes('certificate'),
        akPublic: Uint8Array.of(0, 2, 7, 8),
        quote: bytes('quote'),
        quoteSignature: bytes('signature'),
        encryptionKey: bytes('key'),
        certifyInfo: bytes('info'),
        certifySignature: bytes('info signature'),
        pcrs: new Map([
          [0, bytes('zero')],
          [7, bytes('seven')],
        ]),
      },
      isolation: { type: 'SevSnp', proof: evidence.Proof, runtimeData: evidence.RunTimeData },
    })
    expect(read({}, 'attestationInfo').os.type).toBe('Linux')
  })

  it.each<[unknown, string]>([
    ['1.0', '"1.0"'],
    [2, '2'],
    [undefined, 'nothing'],
    ['2.00', '"2.00"'],
  ])('are of this protocol, not of %j', (version, found) => {
    expect(refusal({ AttestationProtocolVersion: version })).toEqual(['AttestationProtocolVersion', '2.0', found])
  })

  it('may have no log, which then says nothing', () => {
    for (const log of [undefined, null, '']) expect(read({ TcgLogs: log }).tcgLog).toEqual(new Uint8Array())
    expect(refusal({ TcgLogs: '!' })[0]).toBe('TcgLogs')
  })

  it('say what the system is, in 256 characters of UTF-8 at most', () => {
    const longest = 'ä'.repeat(256)
    expect(read({ OSType: base64(longest), OSDistro: '' }).os).toMatchObject({ type: longest, distro: '' })
    const expected = 'base64 of at most 256 characters of UTF-8'
    for (const [name, value] of [
      ['OSType', base64(`${longest}a`)],
      ['OSDistro', base64(Uint8Array.of(0xff))],
    ] as const)
      expect(refusal({ [name]: value })).toEqual([name, expected, undefined])
    for (const name of ['OSType', 'OSDistro', 'OSBuild']) expect(refusal({ [name]: undefined })[0]).toBe(name)
  })

  it.each([0, 13, '0', '22', '04', '6.1', '6.1.2.3', '999999999'])('have the version %j', (version) => {
    expect(read({ OSVersionMajor: version }).os.major).toBe(Number(String(version).split('.')[0]))
    expect(read({ OSVersionMinor: version }).os.minor).toBe(Number(String(version).split('.')[0]))
  })

  it.each([
    -1,
    1.5,
    2 ** 53,
    '6.',
    '.6',
    '6.1.2.3.4',
    '6.a',
    'v6',
    '6 ',
    '1234567890',
    '1.1234567890',
    true,
    undefined,
  ])('have no version %j', (version) => {
    for (const name of ['OSVersionMajor', 'OSVersionMinor'])
      expect(refusal({ [name]: version })).toEqual([name, 'a whole number, or its digits as text', undefined])
  })

  it('have a payload of 16384 characters at most, in objects', () => {
    const empty = JSON.stringify({ a: '' }).length
    const sized = (size: number): string => 'A'.repeat(size - empty)
    expect(read({ ClientPayload: { a: sized(16_384) } }).clientPayload).toHaveProperty('a')
    expect(refusal({ ClientPayload: { a: sized(16_388) } })).toEqual([
      'ClientPayload',
      'at most 16384 characters',
      undefined,
    ])
    for (const none of [undefined, null, '', {}]) expect(read({ ClientPayload: none }).clientPayload).toEqual({})
    const nested = { a: '', b: { c: base64('c'), d: {} } }
    expect(read({ ClientPayload: nested }).clientPayload).toEqual(nested)
    expect(refusal({ ClientPayload: { b: { c: '!' } } })[0]).toBe('ClientPayload.b.c')
    expect(refusal({ ClientPayload: { b: ['AAAA'] } })[0]).toBe('body')
    expect(refusal({ ClientPayload: { b: null } })[0]).toBe('ClientPayload.b')
    expect(refusal({ ClientPayload: 'AAAA' })[0]).toBe('body')
  })

  it('have their objects', () => {
    for (const name of ['TpmInfo', 'IsolationInfo'])
      for (const value of [undefined, null, 'a', []])
        expect(refusal({ [name]: value })).toEqual([name, 'a JSON object', undefined])
    expect(jsonObject(bytes('{"a":1}'), 'x')).toEqual({ a: 1 })
    for (const text of ['[]', 'null', '7'])
      expect(() => jsonObject(bytes(text), 'x')).toThrow(
        expect.objectContaining({ target: 'x', code: 'InvalidParameter' }),
      )
  })
})

describe('what a guest says of its TPM', () => {
  it.each([
    ['AikCert', 'AikCert'],
    ['AikPub', 'AikPub'],
    ['PcrQuote', 'PcrQuote'],
    ['PcrSignature', 'PcrSignature'],
    ['EncKeyPub', 'EncKeyPub'],
    ['EncKeyCertifyInfo', 'EncKeyCertifyInfo'],
    ['EncKeyCertifyInfoSignature', 'EncKeyCertifyInfoSignature'],
  ])('has %s', (name) => {
    for (const value of [undefined, '', '!']) expect(ofTpm({ [name]: value })[0]).toBe(`TpmInfo.${name}`)
  })

  it('has the key at the start of what was read, whatever stands behind it', () => {
    const ak = (...values: number[]): number[] => [
      ...read({ TpmInfo: { ...tpm, AikPub: base64(Uint8Array.from(values)) } }).tpm.akPublic,
    ]
    expect(ak(0, 1, 9, 5, 5)).toEqual([0, 1, 9])
    expect(ak(0, 0, 9)).toEqual([0, 0])
    expect(ak(1, 1, ...Array(300).fill(4))).toHaveLength(259)
    // Truncated input stays truncated, and is refused by the parser.
    expect([ak(0, 9, 1), ak(7)]).toEqual([[0, 9, 1], [7]])
  })

  it('has 1 to 24 registers, each of 0 to 23 once', () => {
    const all = Array.from({ length: 24 }, (_, index) => index)
    expect(read({ TpmInfo: { ...tpm, ...registers(all) } }).tpm.pcrs.size).toBe(24)
    expect(read({ TpmInfo: { ...tpm, ...registers([23]) } }).tpm.pcrs.size).toBe(1)
    const shown = ['TpmInfo.PCRs', 'PcrSet and PCRs, 1 to 24 entries each', undefined]
    for (const change of [registers([]), registers([...all, 24]), { PCRs: {} }, { PcrSet: undefined }, { PcrSet: {} }])
      expect(ofTpm(change)).toEqual(shown)
    for (const [index, found] of [
      [24, '24'],
      [-1, '-1'],
      [1.5, '1.5'],
      ['1', '"1"'],
      [undefined, 'nothing'],
    ])
      expect(ofTpm(registers([0, index]))).toEqual(['TpmInfo.PCRs', 'each of 0 to 23 at most once', found])
    expect(ofTpm(registers([0, 7, 0]))).toEqual(['TpmInfo.PCRs', 'each of 0 to 23 at most once', '0'])
    expect(ofTpm({ PCRs: [{ Index: 0, Digest: '!' }], PcrSet: [0] })[0]).toBe('TpmInfo.PCRs.0')
  })

  it('names the same registers twice, in any order', () => {
    expect(read({ TpmInfo: { ...tpm, ...registers([10, 2, 7]), PcrSet: [2, 7, 10] } }).tpm.pcrs.size).toBe(3)
    for (const PcrSet of [[0], [0, 7, 8], [0, 8], [0, 0], [0, '7'], [0, 7, '7'], []])
      expect(ofTpm({ PcrSet })).toEqual(['TpmInfo.PcrSet', '[0,7]', JSON.stringify(PcrSet)])
  })
})

describe('what a guest says of its hardware', () => {
  const of = (IsolationInfo: object): unknown[] => refusal({ IsolationInfo })
  const target = 'IsolationInfo.Evidence'

  it('is of a known type', () => {
    for (const [Type, found] of [
      ['sevsnp', '"sevsnp"'],
      ['None', '"None"'],
      [7, '7'],
      [undefined, 'nothing'],
    ])
      expect(of({ Type, Evidence: evidence })).toEqual(['IsolationInfo.Type', 'SevSnp, Tdx, TrustedLaunch', found])
  })

  it('is evidence, and none for Trusted Launch', () => {
    expect(read({ IsolationInfo: { Type: 'Tdx', Evidence: evidence } }).isolation).toEqual({
      type: 'Tdx',
      proof: evidence.Proof,
      runtimeData: evidence.RunTimeData,
    })
    for (const Evidence of [undefined, null]) {
      expect(read({ IsolationInfo: { Type: 'TrustedLaunch', Evidence } }).isolation).toEqual({ type: 'TrustedLaunch' })
      for (const Type of ['SevSnp', 'Tdx'])
        expect(of({ Type, Evidence })).toEqual([target, 'Evidence with Proof and RunTimeData', 'none'])
    }
    expect(of({ Type: 'TrustedLaunch', Evidence: evidence })).toEqual([
      target,
      'no Evidence, or the type SevSnp or Tdx',
      undefined,
    ])
    expect(of({ Type: 'Tdx', Evidence: 'AAAA' })[0]).toBe('body')
  })

  it('may have the proof of SNP as an object, as some clients send it', () => {
    const Proof = { SnpReport: 'AAAA' }
    expect(read({ IsolationInfo: { Type: 'SevSnp', Evidence: { ...evidence, Proof } } }).isolation.proof).toBe(
      base64(JSON.stringify(Proof)),
    )
    for (const wrong of [undefined, null, '', '!', 7])
      expect(of({ Type: 'SevSnp', Evidence: { ...evidence, Proof: wrong } })[0]).toBe(`${target}.Proof`)
    for (const wrong of [undefined, '', '!', {}])
      expect(of({ Type: 'SevSnp', Evidence: { ...evidence, RunTimeData: wrong } })[0]).toBe(`${target}.RunTimeData`)
  })
})
