import { describe, expect, it } from 'vitest'
import { hclReportData } from '../azure/hcl-report.ts'
import { attestationKeyOf, parseRuntimeClaims } from '../azure/runtime-claims.ts'
import { toHex } from '../core/bytes/hex.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { SoftwareTpm } from '../testing/software-tpm.ts'
import type { TpmPublicKey } from '../tpm/public.ts'
import { checkRuntimeClaims } from './check-azure.ts'
import type { Check } from './check.ts'
import { appraiseClaims, checkHcl, describeClaims } from './check-hcl.ts'

const claimsOf = (tpm: SoftwareTpm, more: object = {}): Uint8Array =>
  utf8(
    JSON.stringify({
      keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], ...tpm.jwk }],
      'vm-configuration': { console: 0, 'tpm-persisted': false, 'secure-boot': true, vmUniqueId: 'A' },
      ...more,
    }),
  )
const [tpm, stranger] = [new SoftwareTpm(), new SoftwareTpm()]
const claims = claimsOf(tpm)
const keyOf = (bytes: Uint8Array): TpmPublicKey => attestationKeyOf(parseRuntimeClaims(bytes))
const shown = ({ children }: Check): [string, string][] =>
  children.map(({ id, outcome, code }) => [id, code ?? outcome])

describe('runtime claims by themselves', () => {
  const judge = async (
    o: Partial<Parameters<typeof checkRuntimeClaims>[0]> = {},
  ): ReturnType<typeof checkRuntimeClaims> =>
    await checkRuntimeClaims({ claims, reportData: [new Uint8Array(64), await hclReportData(claims)], ...o })

  it('are bound by one of the reports at hand, and are nobody’s without one', async () => {
    const { check, value } = await judge()
    expect([check.id, check.outcome, value?.raw, shown(check)]).toEqual([
      'claims',
      'passed',
      claims,
      [
        ['claims.format', 'passed'],
        ['claims.binding', 'passed'],
      ],
    ])
    expect(check.children[0]!.actual).toBe('vmUniqueId A, secure-boot true, tpm-persisted false')
    const alone = await judge({ reportData: [] })
    expect([alone.check.outcome, alone.value, shown(alone.check)[1]]).toEqual([
      'skipped',
      undefined,
      ['claims.binding', 'skipped'],
    ])
    const other = await judge({ reportData: [new Uint8Array(2), Uint8Array.of(255)] })
    expect([other.value, other.check.children[1]]).toMatchObject([
      undefined,
      { code: 'BindingMismatch', expected: toHex(await hclReportData(claims)), actual: '0000, ff' },
    ])
  })

  it('name the key that a paravisor’s report at hand names', async () => {
    const [own, foreign] = [keyOf(claims), keyOf(claimsOf(stranger))]
    for (const [attestationKeys, outcome] of [
      [[own], 'passed'],
      [[foreign, own], 'passed'],
      [[foreign], 'BindingMismatch'],
      [[], undefined],
      [undefined, undefined],
    ] as const) {
      const { check } = await judge({ attestationKeys })
      expect(shown(check).find(([id]) => id === 'claims.key')?.[1]).toBe(outcome)
    }
  })

  it('are held to a policy where they can be read', async () => {
    const policy = { configuration: { 'secure-boot': true } }
    expect(shown((await judge({ policy })).check).at(-1)).toEqual(['claims.policy', 'passed'])
    expect(shown((await judge({ policy, claims: utf8('{}') })).check)).toEqual([
      ['claims.format', 'Missing'],
      ['claims.binding', 'skipped'],
      ['claims.policy', 'skipped'],
    ])
  })
})

describe('what claims must say', () => {
  const userData = new Uint8Array(64).fill(0xab)
  const read = (more: object = {}): ReturnType<typeof parseRuntimeClaims> => parseRuntimeClaims(claimsOf(tpm, more))

  it('is each value that is asked for', () => {
    const configuration = { 'secure-boot': true, console: 0, vmUniqueId: 'A' }
    expect(appraiseClaims(read({ 'user-data': 'AB'.repeat(64) }), { userData, configuration })).toEqual([])
    expect(appraiseClaims(read(), {})).toEqual([])
    expect(appraiseClaims(read(), { userData })).toEqual([
      { path: 'userData', code: 'Missing', expected: toHex(userData), actual: 'none' },
    ])
    expect(appraiseClaims(read({ 'user-data': 'CD'.repeat(64) }), { userData })).toEqual([
      { path: 'userData', code: 'NotEqual', expected: toHex(userData), actual: 'cd'.repeat(64) },
    ])
    expect(appraiseClaims(read(), { configuration: { console: '0', 'tpm-enabled': true } })).toEqual([
      { path: 'configuration.console', code: 'NotEqual', expected: '0', actual: '0' },
      { path: 'configuration.tpm-enabled', code: 'Missing', expected: 'true', actual: 'absent' },
    ])
  })

  it('is told in one order, as far as it is there', () => {
    expect(describeClaims(read({ 'vm-configuration': { 'secure-boot': false } }))).toBe('secure-boot false')
    expect(describeClaims(read({ 'vm-configuration': {} }))).toBe('')
  })
})

describe('a paravisor’s report', () => {
  it('that cannot be read says nothing', async () => {
    const policy = { configuration: { 'secure-boot': true } }
    const { check, value } = await checkHcl({ report: Uint8Array.of(1), akPublic: tpm.akPublic(), policy })
    expect([check.id, check.outcome, value, shown(check)]).toEqual([
      'hcl',
      'failed',
      undefined,
      [
        ['hcl.format', 'Truncated'],
        ...['binding', 'claims', 'key', 'samekey', 'policy'].map((name) => [`hcl.${name}`, 'skipped']),
      ],
    ])
  })
})
