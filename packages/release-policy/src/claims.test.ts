import { describe, expect, it } from 'vitest'
import { knownClaim, nestedUnder, structuredClaims, teeClaims, topClaims } from './claims.ts'
import { lintReleasePolicy } from './lint.ts'
import { readReleasePolicy } from './policy.ts'

const authority = 'https://sharedweu.weu.attest.strongroom.internal'
const codes = (...allOf: object[]): string[] =>
  lintReleasePolicy(readReleasePolicy(JSON.stringify({ anyOf: [{ authority, allOf }] }))).map(({ code }) => code)

/** Value of a claim with such a name in a token of Azure Attestation or of ours: the name implies the type. */
function typeByName(name: string): 'number' | 'boolean' | 'string' {
  if (/svn$|vmpl$|-version-m|osversion-m|hvci-policy$/.test(name) && name !== 'tdx_tee_tcb_svn') return 'number'
  const truth =
    /^secureboot$|-enabled$|-allowed$|validated$|is-debuggable$|_debug$|disabled$|-is-windows$|secure-boot$|-simulated$/
  return truth.test(name) ? 'boolean' : 'string'
}
const values = { number: 1, boolean: false, string: 'a' } as const
const all = [...Object.keys(teeClaims), ...Object.keys(topClaims)]

describe('known claims', () => {
  it.each(all)('%s is compared with values of its own type alone', (name) => {
    const type = typeByName(name)
    for (const [given, equals] of Object.entries(values))
      expect([given, codes({ claim: name, equals }).includes('ClaimType')]).toEqual([given, given !== type])
    expect(codes({ claim: name, greater: 1 }).includes('ClaimType')).toBe(type !== 'number')
  })

  it('bind a VM where they are its own, or said by who launched it, and nowhere else', () => {
    const bound = all.filter(
      (name) => !codes({ claim: name, equals: values[typeByName(name)] }).includes('AnyConfidentialVm'),
    )
    expect(bound.filter((name) => !complianceLike(name)).toSorted()).toEqual([
      'tdx_mrconfigid',
      'tdx_mrowner',
      'tdx_mrownerconfig',
      'tdx_report_data',
      'x-ms-azurevm-vmid',
      'x-ms-runtime.vm-configuration.vmUniqueId',
      'x-ms-sevsnpvm-hostdata',
      'x-ms-sevsnpvm-reportdata',
      'x-ms-sevsnpvm-reportid',
    ])
    // Zeros mean that the VM's owner set nothing at launch; an id is unique, whatever its value.
    const zeros = all.filter(
      (name) => bound.includes(name) && codes({ claim: name, equals: '00' }).includes('AnyConfidentialVm'),
    )
    expect(zeros.toSorted()).toEqual(['tdx_mrconfigid', 'tdx_mrowner', 'tdx_mrownerconfig', 'x-ms-sevsnpvm-hostdata'])
  })

  it('change with the platform’s firmware where they measure or count it', () => {
    const changing = all.filter((name) =>
      codes({ claim: name, equals: values[typeByName(name)] }).includes('ChangesWithFirmware'),
    )
    expect(changing.toSorted()).toEqual([
      'attester_tcb_status',
      'tdx_mrseam',
      'tdx_mrtd',
      'tdx_rtmr0',
      'tdx_rtmr1',
      'tdx_rtmr2',
      'tdx_seamsvn',
      'tdx_tee_tcb_svn',
      'x-ms-sevsnpvm-bootloader-svn',
      'x-ms-sevsnpvm-launchmeasurement',
      'x-ms-sevsnpvm-microcode-svn',
      'x-ms-sevsnpvm-snpfw-svn',
      'x-ms-sevsnpvm-tee-svn',
    ])
  })

  it('are found at the top, below the guest’s name for hardware claims, and under no inherited name', () => {
    const form = (path: string): unknown => {
      const found = knownClaim(path)
      return found && [found.form, found.name, found.claim.type]
    }
    expect(form('tdx_mrtd')).toEqual(['flat', 'tdx_mrtd', 'string'])
    expect(form(`${nestedUnder}.tdx_mrtd`)).toEqual(['nested', 'tdx_mrtd', 'string'])
    expect(form('secureboot')).toEqual(['top', 'secureboot', 'boolean'])
    // A top-level claim is not nested, nor is one whose name merely ends like the guest's.
    for (const path of [`${nestedUnder}.secureboot`, `tdx_mrtd.${nestedUnder}`, nestedUnder, 'toString', 'constructor'])
      expect([path, form(path)]).toEqual([path, undefined])
    expect(form(`${nestedUnder}.hasOwnProperty`)).toBeUndefined()
  })

  it('that hold objects or lists are named in both forms', () => {
    expect([...structuredClaims].toSorted()).toEqual(
      [
        'x-ms-azurevm-attested-pcrs',
        'x-ms-inittime',
        'x-ms-isolation-tee',
        'x-ms-isolation-tee.x-ms-inittime',
        'x-ms-isolation-tee.x-ms-runtime',
        'x-ms-isolation-tee.x-ms-runtime.keys',
        'x-ms-isolation-tee.x-ms-runtime.vm-configuration',
        'x-ms-policy-signer',
        'x-ms-runtime',
        'x-ms-runtime.keys',
        'x-ms-runtime.vm-configuration',
      ].toSorted(),
    )
  })
})

/** An entry that no token satisfies is not reported as satisfied by everybody. */
const complianceLike = (name: string): boolean =>
  codes({ claim: name, equals: values[typeByName(name)] }).includes('NeverSatisfied')
