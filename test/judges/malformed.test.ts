import { nullValue, type Extension } from '@strongroom/der'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  concat,
  parseCertificate,
  parseCrl,
  ParseError,
  parseQeIdentity,
  parseSnpReport,
  parseTcbInfo,
  parseTdReport,
  parseTdxQuote,
  utf8,
} from '@strongroom/evidence'
import { createSilicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { splitSignedJson } from '../../packages/evidence/src/tdx/signed-json.ts'
import { parsePemChain } from '../../packages/evidence/src/x509/pem.ts'
import { issueCertificate } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey } from '../../packages/silicon/src/pki/keys.ts'
import { makeSeeds } from '../../fuzz/seeds.ts'

/** Code and offset of the refusal; anything other than the package's refusal fails the test. */
function refusal(action: () => unknown): { code: string; offset: number | undefined } {
  try {
    action()
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    return { code: error.code, offset: error.offset }
  }
  throw new Error('Accepted')
}

let certificate: Uint8Array
let crl: Uint8Array
let report: Uint8Array
let seeds: Record<string, Uint8Array[]>
let issue: (extensions: Extension[]) => Promise<Uint8Array>

beforeAll(async () => {
  const keys = memoryKeyStore()
  const silicon = await createSilicon({ keys, clock: settableClock() })
  const endorsements = await silicon.amd.endorsements()
  certificate = endorsements.vcek
  crl = endorsements.crl
  const guest = await silicon.amd.launch({ firmware: tinyFirmware(), vCPUs: 1, vcpuType: 'EPYC-Milan' })
  report = await guest.report(new Uint8Array(64))
  seeds = await makeSeeds()
  const signer = await loadOrCreateKey(keys, 'malformed', 'ecdsa-p384-sha384')
  issue = (extensions) =>
    issueCertificate({
      serialNumber: 1n,
      subject: [['CN', 'a']],
      issuer: [['CN', 'b']],
      subjectKey: signer.spki,
      signer,
      notBefore: new Date('2026-01-01T00:00:00Z'),
      notAfter: new Date('2027-01-01T00:00:00Z'),
      extensions,
    })
})

/** `found` replaced by `wanted` at its first occurrence, both of one length. */
function replaced(bytes: Uint8Array, found: Uint8Array, wanted: Uint8Array): { bytes: Uint8Array; at: number } {
  const at = Buffer.from(bytes).indexOf(found)
  expect(at).toBeGreaterThan(0)
  const copy = Uint8Array.from(bytes)
  copy.set(wanted, at)
  return { bytes: copy, at }
}

describe('malformed evidence is refused with a code and a place', () => {
  it('that is longer or shorter than it says, wherever it is cut', () => {
    const quote = seeds['tdxQuote']![0]!
    const tdReport = seeds['tdReport']![0]!
    const extra = (bytes: Uint8Array): Uint8Array => concat(bytes, Uint8Array.of(0))
    expect(refusal(() => parseCertificate(extra(certificate)))).toEqual({
      code: 'TrailingBytes',
      offset: certificate.length,
    })
    expect(refusal(() => parseCrl(extra(crl)))).toEqual({ code: 'TrailingBytes', offset: crl.length })
    expect(refusal(() => parseSnpReport(extra(report))).code).toBe('WrongLength')
    expect(refusal(() => parseTdReport(extra(tdReport))).code).toMatch(/^(WrongLength|TrailingBytes)$/)
    for (const [bytes, parse] of [
      [certificate, parseCertificate],
      [crl, parseCrl],
      [report, parseSnpReport],
      [quote, parseTdxQuote],
      [tdReport, parseTdReport],
    ] as const) {
      for (let length = 0; length < bytes.length; length += 7) {
        const { code, offset } = refusal(() => parse(bytes.subarray(0, length)))
        expect(code).toMatch(/^(Truncated|WrongLength|TrailingBytes)$/)
        if (code !== 'WrongLength') expect(offset).toBeTypeOf('number')
      }
    }
  })

  it('in which an extension occurs twice, or more extensions than anyone needs', async () => {
    const twice = await issue([
      { oid: '1.2.3', value: nullValue() },
      { oid: '1.2.3', value: nullValue() },
    ])
    const { code, offset } = refusal(() => parseCertificate(twice))
    expect(code).toBe('Duplicate')
    expect(offset).toBeGreaterThan(100)
    const many = Array.from({ length: 65 }, (_, index) => ({ oid: `1.2.${index + 1}`, value: nullValue() }))
    expect(refusal(() => parseCertificate(Uint8Array.from([]))).code).toBe('Truncated')
    const sixtyFive = await issue(many)
    expect(refusal(() => parseCertificate(sixtyFive)).code).toBe('TooLarge')
    expect(parseCertificate(await issue(many.slice(1))).extensions).toHaveLength(64)
  })

  it('that is DER in a second form', async () => {
    const critical = await issue([{ oid: '1.2.3', critical: true, value: nullValue() }])
    const changed = replaced(critical, Uint8Array.of(0x01, 0x01, 0xff), Uint8Array.of(0x01, 0x01, 0x01))
    expect(refusal(() => parseCertificate(changed.bytes))).toEqual({ code: 'NotCanonical', offset: changed.at + 2 })
    // The same certificate with its outer length one byte longer than needed.
    const longer = concat(Uint8Array.of(0x30, 0x83, 0x00), critical.subarray(2))
    expect(refusal(() => parseCertificate(longer)).code).toBe('NotCanonical')
    const indefinite = concat(Uint8Array.of(0x30, 0x80), critical.subarray(4), Uint8Array.of(0, 0))
    expect(refusal(() => parseCertificate(indefinite)).code).toBe('NotCanonical')
  })

  it('with dates that no calendar has', () => {
    for (const text of [
      '261301000000Z',
      '260230000000Z',
      '260100000000Z',
      '260101240000Z',
      '260101006000Z',
      '26010100000aZ',
    ]) {
      const certificateWith = replaced(certificate, Uint8Array.of(0x17, 0x0d), utf8(`\x17\x0d${text}`))
      const { code, offset } = refusal(() => parseCertificate(certificateWith.bytes))
      expect([text, code]).toEqual([text, 'InvalidValue'])
      expect(offset).toBe(certificateWith.at + 2)
    }
    const { body } = splitSignedJson(new TextDecoder().decode(seeds['tcbInfo']![0]), 'tcbInfo')
    for (const date of ['2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01', '']) {
      const altered = body.replace(/"issueDate":"[^"]*"/, `"issueDate":"${date}"`)
      expect([date, refusal(() => parseTcbInfo(altered)).code]).toEqual([date, 'InvalidValue'])
    }
  })

  it('that nests without end', () => {
    const deep = new Uint8Array(60_000)
    for (let at = 0; at < deep.length; at += 4) {
      const left = deep.length - at - 4
      deep.set([0x30, 0x82, left >> 8, left & 0xff], at)
    }
    expect(refusal(() => parseCertificate(deep)).code).toBeTypeOf('string')
    expect(refusal(() => parseCrl(deep)).code).toBeTypeOf('string')
    const brackets = '['.repeat(500_000)
    expect(refusal(() => splitSignedJson(`{"tcbInfo":${brackets}`, 'tcbInfo')).code).toBe('InvalidEncoding')
    const closed = `${brackets.slice(0, 100_000)}${']'.repeat(100_000)}`
    const { body } = splitSignedJson(`{"tcbInfo":${closed},"signature":"${'00'.repeat(64)}"}`, 'tcbInfo')
    for (const parse of [parseTcbInfo, parseQeIdentity]) expect(refusal(() => parse(body)).code).toBe('InvalidValue')
  })

  it('with anything but certificates in a chain', () => {
    const pem = new TextDecoder().decode(seeds['pem']![1])
    expect(parsePemChain(`\n${pem}\r\n \t\0`)).toHaveLength(2)
    expect(refusal(() => parsePemChain(`${pem}x`))).toEqual({ code: 'TrailingBytes', offset: pem.length })
    expect(refusal(() => parsePemChain(`x${pem}`))).toEqual({ code: 'TrailingBytes', offset: 0 })
    expect(refusal(() => parsePemChain(`${pem}\0\0`)).code).toBe('TrailingBytes')
    expect(refusal(() => parsePemChain(pem.replaceAll('CERTIFICATE', 'X509 CRL'))).code).toBe('UnknownType')
    expect(refusal(() => parsePemChain('')).code).toBe('Missing')
  })

  it('with a reserved field that is not zero, at the byte that is not', () => {
    for (const at of [0x4c, 0x19f, 0x1eb, 0x1ef, 0x29f, 0x2d0, 0x318, 1183]) {
      const changed = Uint8Array.from(report)
      changed[at] = 1
      expect(refusal(() => parseSnpReport(changed))).toEqual({ code: 'ReservedNotZero', offset: at })
    }
  })
})
