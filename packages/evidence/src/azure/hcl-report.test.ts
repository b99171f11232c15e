import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { ParseError } from '../core/errors.ts'
import { buildHclReport, hclReportData, parseHclReport, verifyHclBinding } from './hcl-report.ts'
import { corpusDirectory, hasCorpus } from '../testing/corpus-directory.ts'

const corpus = corpusDirectory
const present = hasCorpus
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted })

const claims = utf8('{"keys":[],"vm-configuration":{"secure-boot":true}}')

async function bound(reportType: 'SNP' | 'TDX'): Promise<Uint8Array> {
  const hardwareReport = new Uint8Array(reportType === 'SNP' ? 1184 : 1024)
  hardwareReport.set(await hclReportData(claims), reportType === 'SNP' ? 0x50 : 128)
  return hardwareReport
}

describe('HCL reports', () => {
  it('come back as they were built, in both generations and with the zeros of their NV index', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('SNP' as const, 'TDX' as const),
        fc.constantFrom(1 as const, 2 as const),
        fc.option(fc.nat(31), { nil: undefined }),
        fc.uint8Array({ maxLength: 600 }),
        fc.nat(300),
        async (reportType, version, capabilities, text, padding) => {
          const hardwareReport = await bound(reportType)
          const built = buildHclReport({
            hardwareReport,
            reportType,
            claims: text,
            version,
            ...(capabilities === undefined ? {} : { capabilities }),
          })
          const read = parseHclReport(concat(built, new Uint8Array(padding)))
          expect(read).toMatchObject({
            version,
            reportType,
            capabilities,
            requestType: 'AkCert',
            status: 0,
            hashType: 'SHA-256',
          })
          expect(read.hardwareReport).toEqual(hardwareReport)
          expect(read.claims).toEqual(text)
        },
      ),
    )
  })

  it('bind their claims: with any byte of them changed they are refused', async () => {
    for (const reportType of ['SNP', 'TDX'] as const) {
      const built = buildHclReport({ hardwareReport: await bound(reportType), reportType, claims })
      await verifyHclBinding(parseHclReport(built))
      for (let at = built.length - claims.length; at < built.length; at++) {
        const changed = Uint8Array.from(built)
        changed[at]! ^= 1
        await expect(verifyHclBinding(parseHclReport(changed))).rejects.toMatchObject({ code: 'BindingMismatch' })
      }
    }
  })

  it('are refused when the rest of the report data is not zero', async () => {
    const hardwareReport = await bound('SNP')
    hardwareReport[0x50 + 40] = 1
    const report = parseHclReport(buildHclReport({ hardwareReport, reportType: 'SNP', claims }))
    await expect(verifyHclBinding(report)).rejects.toMatchObject({ code: 'BindingMismatch' })
  })

  it.each([
    ['magic', 0, 'WrongMagic'],
    ['version', 4, 'UnknownVersion'],
    ['report size', 8, 'WrongLength'],
    ['request type', 12, 'UnknownType'],
    ['reserved', 20, 'ReservedNotZero'],
    ['slot after the TDREPORT', 32 + 1100, 'ReservedNotZero'],
    ['data size', 1216, 'WrongLength'],
    ['data version', 1220, 'UnknownVersion'],
    ['report type', 1224, 'UnknownType'],
    ['hash type', 1228, 'UnknownType'],
    ['claims size', 1232, 'Truncated'],
  ])('are refused with another %s', async (_, at, wanted) => {
    const changed = buildHclReport({ hardwareReport: await bound('TDX'), reportType: 'TDX', claims })
    changed[at]! ^= 0x40
    expect(() => parseHclReport(changed)).toThrow(code(wanted))
  })

  it('are refused cut short anywhere, and with anything but zeros after their end', async () => {
    const built = buildHclReport({ hardwareReport: await bound('SNP'), reportType: 'SNP', claims })
    for (let length = 0; length < built.length; length++) {
      expect(() => parseHclReport(built.subarray(0, length))).toThrow(code('Truncated'))
    }
    expect(() => parseHclReport(concat(built, Uint8Array.of(0, 1)))).toThrow(code('TrailingBytes'))
    expect(() => parseHclReport(new Uint8Array(70_000))).toThrow(code('TooLarge'))
  })

  it('are not built around a report of another length', () => {
    expect(() => buildHclReport({ hardwareReport: new Uint8Array(1024), reportType: 'SNP', claims })).toThrow(
      RangeError,
    )
  })

  it('never end in another error than a ParseError', async () => {
    const built = buildHclReport({ hardwareReport: await bound('SNP'), reportType: 'SNP', claims })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(built.length - 1), fc.nat(255)), { maxLength: 12 }), (edits) => {
        const changed = Uint8Array.from(built)
        for (const [at, byte] of edits) changed[at] = byte
        try {
          parseHclReport(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })
})

describe.skipIf(!present)('real HCL reports', () => {
  const read = (path: string): Uint8Array => new Uint8Array(readFileSync(join(corpus, path)))

  it.each([
    ['kinvolk-azure-cvm-tooling/hcl-report-snp.bin', 1, 'SNP', 583],
    ['kinvolk-azure-cvm-tooling/hcl-report-tdx.bin', 2, 'TDX', 1202],
    ['confidential-containers-trustee/az-snp-vtpm/hcl-report.bin', 1, 'SNP', 1110],
    ['confidential-containers-trustee/az-tdx-vtpm/hcl-report.bin', 2, 'TDX', 1201],
  ])('%s is read, bound, and built again byte for byte', async (path, version, reportType, claimsLength) => {
    const bytes = read(path)
    const report = parseHclReport(bytes)
    expect(report).toMatchObject({ version, reportType, requestType: 'AkCert' })
    expect(report.claims.length).toBe(claimsLength)
    expect(JSON.parse(new TextDecoder().decode(report.claims))).toHaveProperty('keys')
    await verifyHclBinding(report)
    const built = buildHclReport(report)
    expect(bytes.subarray(0, built.length)).toEqual(built)
  })

  it('of an early machine is read and does not bind its claims', async () => {
    const path = 'Azure-confidential-computing-cvm-guest-attestation/hcl_report_base64_L685.bin'
    await expect(verifyHclBinding(parseHclReport(read(path)))).rejects.toMatchObject({ code: 'BindingMismatch' })
  })

  it.each([
    [1296, 'runtime data'],
    [112, 'report data of the hardware'],
  ])('is refused with byte %i changed, which is %s', async (at) => {
    const bytes = read('confidential-containers-trustee/az-snp-vtpm/hcl-report.bin')
    bytes[at]! ^= 1
    await expect(verifyHclBinding(parseHclReport(bytes))).rejects.toMatchObject({ code: 'BindingMismatch' })
  })
})
