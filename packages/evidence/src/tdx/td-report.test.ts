import { describe, expect, it } from 'vitest'
import { digest } from '../core/bytes/digest.ts'
import type { TdBody } from './td-body.ts'
import { parseTdReport, sameTd, verifyTdReportHashes } from './td-report.ts'

/** A TDREPORT with distinct bytes, and zeros in reserved places. */
function report(version: 0 | 1): Uint8Array {
  const bytes = Uint8Array.from({ length: 1024 }, (_, index) => (index * 7 + (index >> 8)) & 0xff)
  bytes.set([0x81, 0, version, ...new Uint8Array(13)])
  return bytes.fill(0, 192, 224)
}
const refused = (code: string): unknown => expect.objectContaining({ name: 'ParseError', code })

describe('a TDREPORT', () => {
  it.each([0, 1] as const)('of version %i gives every field from its place', (version) => {
    const bytes = report(version)
    const part = (at: number, length: number): Uint8Array => bytes.slice(at, at + length)
    const view = new DataView(bytes.buffer)
    expect(parseTdReport(bytes)).toEqual({
      tdxVersion: version === 0 ? '1.0' : '1.5',
      cpuSvn: part(16, 16),
      teeTcbInfoHash: part(32, 48),
      teeInfoHash: part(80, 48),
      mac: part(224, 32),
      macCovered: part(0, 224),
      teeTcbInfo: part(256, 239),
      tdInfo: part(512, 512),
      raw: bytes,
      body: {
        teeTcbSvn: part(264, 16),
        mrSeam: part(280, 48),
        mrSignerSeam: part(328, 48),
        seamAttributes: part(376, 8),
        attributes: view.getBigUint64(512, true),
        xfam: view.getBigUint64(520, true),
        mrTd: part(528, 48),
        mrConfigId: part(576, 48),
        mrOwner: part(624, 48),
        mrOwnerConfig: part(672, 48),
        rtmrs: [part(720, 48), part(768, 48), part(816, 48), part(864, 48)],
        reportData: part(128, 64),
        ...(version === 0 ? {} : { teeTcbSvn2: part(384, 16), mrServiceTd: part(912, 48) }),
      },
    })
  })

  it.each([
    ['another type', 0, 0x80, 'UnknownType'],
    ['a subtype', 1, 1, 'ReservedNotZero'],
    ['another version', 2, 2, 'UnknownVersion'],
    ['the first reserved byte', 3, 1, 'ReservedNotZero'],
    ['the last byte reserved after the version', 15, 1, 'ReservedNotZero'],
    ['a byte reserved before the MAC', 192, 1, 'ReservedNotZero'],
    ['the last byte reserved before the MAC', 223, 1, 'ReservedNotZero'],
  ])('with %s is refused', (_, at, value, code) => {
    const bytes = report(1)
    bytes[at] = value
    expect(() => parseTdReport(bytes)).toThrow(refused(code))
  })

  it.each([0, 1023, 1025])('of %i bytes is refused', (length) => {
    expect(() => parseTdReport(new Uint8Array(length))).toThrow(refused('WrongLength'))
  })

  it('names its two other parts by their digests', async () => {
    const bytes = report(1)
    bytes.set(await digest('SHA-384', bytes.subarray(256, 495)), 32)
    bytes.set(await digest('SHA-384', bytes.subarray(512)), 80)
    await expect(verifyTdReportHashes(parseTdReport(bytes))).resolves.toBeUndefined()
    for (const [part, at] of [
      ['TEE_TCB_INFO', 256],
      ['TEE_TCB_INFO', 494],
      ['TD_INFO', 512],
      ['TD_INFO', 1023],
      ['TEE_TCB_INFO', 32],
      ['TD_INFO', 127],
    ] as const) {
      const changed = Uint8Array.from(bytes)
      changed[at]! ^= 1
      await expect(verifyTdReportHashes(parseTdReport(changed)), `byte ${at}`).rejects.toMatchObject({
        code: 'BindingMismatch',
        message: expect.stringContaining(`: ${part} is`) as string,
      })
    }
    // Neither digest covers the bytes between the parts: they are ignored.
    const between = Uint8Array.from(bytes)
    between[500]! ^= 1
    await expect(verifyTdReportHashes(parseTdReport(between))).resolves.toBeUndefined()
  })
})

describe('a quote and a TDREPORT', () => {
  const { body } = parseTdReport(report(1))
  const other = (bytes: Uint8Array): Uint8Array =>
    bytes.map((byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte))

  it('are of one TD where they say the same', () => {
    expect(sameTd(body, structuredClone(body))).toBe(true)
    expect(sameTd(body, parseTdReport(report(0)).body)).toBe(true)
    expect(sameTd(parseTdReport(report(0)).body, body)).toBe(true)
  })

  it.each([
    ...(['teeTcbSvn', 'mrSeam', 'mrSignerSeam', 'seamAttributes', 'mrTd', 'mrConfigId', 'mrOwner'] as const),
    ...(['mrOwnerConfig', 'reportData', 'teeTcbSvn2', 'mrServiceTd'] as const),
  ])('are of two where %s differs', (part) => {
    expect(sameTd(body, { ...body, [part]: other(body[part]!) })).toBe(false)
  })

  it.each([0, 1, 2, 3])('are of two where RTMR%i differs', (register) => {
    const rtmrs = body.rtmrs.map((value, index) => (index === register ? other(value) : value))
    expect(sameTd(body, { ...body, rtmrs: rtmrs as unknown as TdBody['rtmrs'] })).toBe(false)
  })

  it.each(['attributes', 'xfam'] as const)('are of two where %s differ', (part) => {
    expect(sameTd(body, { ...body, [part]: body[part] ^ (1n << 63n) })).toBe(false)
  })
})
