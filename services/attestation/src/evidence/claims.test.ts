import { tdAttributes, toHex } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { tdBody, verifiedSnp, verifiedTdx } from '../testing/verified-evidence.ts'
import { serviceClaims, type AttestedEvidence } from './attested.ts'
import { dataClaims } from './compliance.ts'
import type { BoundData } from '../core/request.ts'
import { snpClaims } from './snp-claims.ts'
import { tdxClaims } from './tdx-claims.ts'

const json: BoundData = { bytes: Uint8Array.of(1), dataType: 'JSON', json: { a: 1 } }
const binary: BoundData = { bytes: Uint8Array.of(0xff, 0xee), dataType: 'Binary' }
const none = { runtime: undefined, initTime: undefined }
const filled = (byte: string, length: number): string => byte.repeat(length)

describe('claims of an SNP report', () => {
  it('are its fields, each under its own name', () => {
    const tcb = [9, 8, 0, 0, 0, 0, 23, 200]
    const edit = (bytes: Uint8Array): void => {
      bytes[0x30] = 2
      bytes.set(tcb, 0x180)
    }
    expect(snpClaims(verifiedSnp({ edit }), none)).toEqual({
      'x-ms-sevsnpvm-authorkeydigest': filled('11', 48),
      'x-ms-sevsnpvm-bootloader-svn': 9,
      'x-ms-sevsnpvm-familyId': filled('10', 16),
      'x-ms-sevsnpvm-guestsvn': 7,
      'x-ms-sevsnpvm-hostdata': filled('c0', 32),
      'x-ms-sevsnpvm-idkeydigest': filled('e0', 48),
      'x-ms-sevsnpvm-imageId': filled('20', 16),
      'x-ms-sevsnpvm-is-debuggable': false,
      'x-ms-sevsnpvm-launchmeasurement': filled('90', 48),
      'x-ms-sevsnpvm-microcode-svn': 200,
      'x-ms-sevsnpvm-migration-allowed': false,
      'x-ms-sevsnpvm-reportdata': filled('50', 64),
      'x-ms-sevsnpvm-reportid': filled('14', 32),
      'x-ms-sevsnpvm-smt-allowed': true,
      'x-ms-sevsnpvm-snpfw-svn': 23,
      'x-ms-sevsnpvm-tee-svn': 8,
      'x-ms-sevsnpvm-vmpl': 2,
      'x-strongroom-product': 'Milan',
    })
  })

  it.each([
    ['x-ms-sevsnpvm-smt-allowed', 10, 2, false],
    ['x-ms-sevsnpvm-migration-allowed', 10, 7, true],
    ['x-ms-sevsnpvm-is-debuggable', 10, 0x0b, true],
  ])('say %s by its bit of the guest policy', (name, at, byte, value) => {
    const edit = (bytes: Uint8Array): void => void (bytes[at] = byte)
    expect(snpClaims(verifiedSnp({ edit }), none)[name]).toBe(value)
  })
})

describe('claims of a TD quote', () => {
  const of = (verified = verifiedTdx()): Record<string, unknown> => tdxClaims(verified.quote, verified, none)

  it('are its fields, each under its own name', () => {
    expect(of()).toEqual({
      attester_tcb_status: 'UpToDate',
      dbgstat: 'disabled',
      eat_profile: 'https://aka.ms/maa-eat-profile-tdxvm',
      intuse: 'generic',
      tdx_mrconfigid: filled('23', 48),
      tdx_mrowner: filled('24', 48),
      tdx_mrownerconfig: filled('25', 48),
      tdx_mrseam: filled('21', 48),
      tdx_mrsignerseam: filled('00', 48),
      tdx_mrtd: filled('22', 48),
      tdx_report_data: filled('26', 64),
      tdx_rtmr0: filled('30', 48),
      tdx_rtmr1: filled('31', 48),
      tdx_rtmr2: filled('32', 48),
      tdx_rtmr3: filled('33', 48),
      tdx_seam_attributes: filled('00', 8),
      // Module SVN 5 of version 1.
      tdx_seamsvn: 261,
      tdx_td_attributes: '0000001000000000',
      tdx_td_attributes_debug: false,
      tdx_td_attributes_key_locker: false,
      tdx_td_attributes_perfmon: false,
      tdx_td_attributes_protection_keys: false,
      tdx_td_attributes_septve_disable: true,
      tdx_tee_tcb_svn: `050106${filled('00', 13)}`,
      tdx_xfam: 'e700000000000000',
    })
  })

  it.each([
    ['debug', tdAttributes.debug],
    ['key_locker', tdAttributes.keyLocker],
    ['perfmon', tdAttributes.perfmon],
    ['protection_keys', tdAttributes.pks],
    ['septve_disable', tdAttributes.septVeDisable],
  ])('say %s where its bit alone is set, and nothing else', (name, attributes) => {
    const claims = of(verifiedTdx({ body: tdBody({ attributes }) }))
    const flags = Object.entries(claims).filter(([claim]) => claim.startsWith('tdx_td_attributes_'))
    expect(flags.filter(([, value]) => value === true).map(([claim]) => claim)).toEqual([`tdx_td_attributes_${name}`])
    expect(flags.filter(([, value]) => value === false)).toHaveLength(4)
    expect(claims['dbgstat']).toBe(name === 'debug' ? 'enabled' : 'disabled')
  })

  it('say which module runs, by its SVN and major version', () => {
    const teeTcbSvn = Uint8Array.of(5, 3, ...new Uint8Array(14))
    expect(of(verifiedTdx({ body: tdBody({ teeTcbSvn }) }))['tdx_seamsvn']).toBe(5 + 3 * 256)
  })

  it('say why the platform is not up to date', () => {
    const advisoryIds = ['INTEL-SA-00001', 'INTEL-SA-00002']
    expect(of(verifiedTdx({ tcbStatus: 'OutOfDate', advisoryIds }))).toMatchObject({
      attester_tcb_status: 'OutOfDate',
      attester_advisory_ids: advisoryIds,
    })
  })
})

describe('data that evidence is bound to', () => {
  it('stands in a token as JSON, or as base64url under a name of ours', () => {
    expect(dataClaims(json, binary)).toEqual({ 'x-ms-runtime': { a: 1 }, 'x-ms-inittime-data': '_-4' })
    expect(dataClaims(binary, json)).toEqual({ 'x-ms-runtime-data': '_-4', 'x-ms-inittime': { a: 1 } })
    expect(dataClaims(undefined, undefined)).toEqual({})
  })

  it('is among the claims of either technology', () => {
    const data = { runtime: json, initTime: binary }
    const expected = { 'x-ms-runtime': { a: 1 }, 'x-ms-inittime-data': '_-4' }
    expect(snpClaims(verifiedSnp(), data)).toMatchObject(expected)
    expect(tdxClaims(verifiedTdx().quote, verifiedTdx(), data)).toMatchObject(expected)
  })
})

describe('what the service says of evidence', () => {
  const evidence = (change: Partial<AttestedEvidence> = {}): AttestedEvidence => ({
    type: 'SevSnpVm',
    attestationType: 'sevsnpvm',
    simulated: false,
    digest: toHex(new Uint8Array(32)),
    claims: { mine: 1, 'x-ms-attestation-type': 'another', 'x-strongroom-simulated': false },
    byNameOnly: [],
    record: { own: {}, shared: {} },
    shortcomings: [],
    ...change,
  })
  const compliance = (change: Partial<AttestedEvidence>): unknown =>
    serviceClaims(evidence(change))['x-ms-compliance-status']

  it('is its type and its claims, in which nobody else has spoken for it', () => {
    expect(serviceClaims(evidence({ simulated: true }))).toEqual({
      mine: 1,
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-compliance-status': 'azure-compliant-cvm',
      'x-strongroom-simulated': true,
    })
    expect(serviceClaims(evidence())).toMatchObject({ 'x-strongroom-simulated': false })
  })

  it('is compliance for the hardware’s own evidence alone, and for none that falls short', () => {
    expect(compliance({ type: 'TdxVm', attestationType: 'tdxvm' })).toBe('azure-compliant-cvm')
    for (const [type, attestationType] of [
      ['AzureGuest', 'azurevm'],
      ['Tpm', 'tpm'],
    ] as const)
      expect([type, compliance({ type, attestationType })]).toEqual([type, undefined])
    expect(compliance({ shortcomings: [{ path: 'a', message: 'b' }] })).toBeUndefined()
    expect(serviceClaims(evidence({ shortcomings: [{ path: 'a', message: 'b' }] }))).not.toHaveProperty(
      'x-ms-compliance-status',
    )
  })
})
