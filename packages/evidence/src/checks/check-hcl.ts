import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { type HclReport, parseHclReport, verifyHclBinding } from '../azure/hcl-report.ts'
import {
  attestationKeyOf,
  describeKey,
  parseRuntimeClaims,
  requireSameKey,
  type RuntimeClaims,
} from '../azure/runtime-claims.ts'
import type { TpmPublicKey } from '../tpm/public.ts'
import { appraised, type Checked } from './check.ts'
import { Checklist } from './checklist.ts'
import type { Failure } from '../core/failure.ts'

/** Required values of the paravisor's claims. */
export interface HclPolicy {
  /** What the verifier had the guest write to NV index 0x01400002, 64 bytes. */
  userData?: Uint8Array
  /** Members of `vm-configuration` and their values, for example `secure-boot` true. */
  configuration?: Readonly<Record<string, string | boolean | number>> | undefined
}

export interface HclFinding {
  hcl: HclReport
  claims: RuntimeClaims
  attestationKey: TpmPublicKey
}

/**
 * Checks the paravisor's report on its own; checkSnp or checkTdx verifies the hardware report in it.
 * @param o.akPublic TPM2B_PUBLIC of the TPM's attestation key
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkHcl } from '@strongroom/evidence'
 *
 * const { check, value } = await checkHcl({ report: await readFile('azure/hcl-report.bin') })
 * check.outcome // => 'passed'
 * value?.claims.configuration['secure-boot'] // => true
 */
export async function checkHcl(o: {
  report: Uint8Array
  akPublic?: Uint8Array | undefined
  policy?: HclPolicy | undefined
}): Promise<Checked<HclFinding>> {
  const list = new Checklist()
  const hcl = await list.run(
    'hcl.format',
    [],
    () => parseHclReport(o.report),
    (r) => `version ${r.version}, ${r.reportType}`,
  )
  await list.run(
    'hcl.binding',
    [hcl],
    (report: HclReport) => verifyHclBinding(report),
    () => hcl!.hashType,
  )
  const claims = await list.run(
    'hcl.claims',
    [hcl],
    (report: HclReport) => parseRuntimeClaims(report.claims),
    describeClaims,
  )
  const attestationKey = await list.run('hcl.key', [claims], attestationKeyOf, describeKey)
  if (o.akPublic !== undefined) await list.run('hcl.samekey', [o.akPublic, attestationKey], requireSameKey)
  if (o.policy !== undefined) {
    if (claims === undefined) list.skip('hcl.policy', 'The claims cannot be read')
    else list.add(appraised('hcl.policy', appraiseClaims(claims, o.policy)))
  }
  const value = list.whole ? { hcl: hcl!, claims: claims!, attestationKey: attestationKey! } : undefined
  return { check: list.all('hcl'), value }
}

/**
 * Compares claims with a policy. Returns every failure.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { appraiseClaims, parseHclReport, parseRuntimeClaims } from '@strongroom/evidence'
 *
 * const { claims } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * const policy = { configuration: { 'secure-boot': true, 'console-enabled': false } }
 * const [failure] = appraiseClaims(parseRuntimeClaims(claims), policy)
 * failure?.path // => 'configuration.console-enabled'
 * failure?.actual // => 'true'
 */
export function appraiseClaims(claims: RuntimeClaims, policy: HclPolicy): Failure[] {
  const failures: Failure[] = []
  const { userData } = policy
  if (userData !== undefined && (claims.userData === undefined || !equal(claims.userData, userData))) {
    const actual = claims.userData === undefined ? 'none' : toHex(claims.userData)
    failures.push({
      path: 'userData',
      code: claims.userData === undefined ? 'Missing' : 'NotEqual',
      expected: toHex(userData),
      actual,
    })
  }
  for (const [name, expected] of Object.entries(policy.configuration ?? {})) {
    const found = claims.configuration[name]
    if (found === expected) continue
    const code = found === undefined ? 'Missing' : 'NotEqual'
    failures.push({
      path: `configuration.${name}`,
      code,
      expected: String(expected),
      actual: JSON.stringify(found) ?? 'absent',
    })
  }
  return failures
}

/** Summary of the claims, for display. */
export function describeClaims(claims: RuntimeClaims): string {
  const shown = ['vmUniqueId', 'secure-boot', 'tpm-persisted'].filter(
    (name) => claims.configuration[name] !== undefined,
  )
  return shown.map((name) => `${name} ${String(claims.configuration[name])}`).join(', ')
}
