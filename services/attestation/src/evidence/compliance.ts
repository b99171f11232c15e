import { appraiseSnp, appraiseTdx, toHex, type Failure, type VerifiedSnp, type VerifiedTdx } from '@strongroom/evidence'
import { describeLack, type TdxShortfall } from '@strongroom/evidence/advisories'
import type { Shortcoming } from './attested.ts'
import type { BoundData } from '../core/request.ts'

/**
 * Launch measurements or identity keys of paravisors trusted to write runtime data. Evidence of genuine silicon is
 * compliant only under one of them: on rented hardware anyone can run a guest that binds any `vmUniqueId` to a report.
 * The installation's own silicon launches only what its host gives it, so there the root suffices.
 */
export interface ComplianceBaseline {
  /** Lower-case hexadecimal: SNP launch digests and MRTDs, 48 bytes each. */
  launchMeasurements: string[]
  /** Lower-case hexadecimal, 48 bytes each. */
  idKeyDigests: string[]
}

/** Baseline of an SNP confidential VM: requested by the paravisor, closed to host and migration agent. */
export function snpShortcomings(o: {
  verified: VerifiedSnp
  runtime: BoundData | undefined
  simulated: boolean
  baseline: ComplianceBaseline
}): Shortcoming[] {
  const { report } = o.verified
  // Azure's hosts run newer microcode than they have committed; the key vouches for the reported TCB.
  const allow = { provisionalFirmware: true }
  const failures = appraiseSnp(o.verified, { measurements: 'any', reportData: 'any', allow })
  return [
    ...failures.map(shortcomingOf),
    ...trustedLaunch({
      simulated: o.simulated,
      baseline: o.baseline,
      measurement: { path: 'x-ms-sevsnpvm-launchmeasurement', value: toHex(report.measurement) },
      idKeyDigest: toHex(report.idKeyDigest),
    }),
    ...runtimeShortcomings(o.runtime),
  ]
}

/** Baseline of a TDX confidential VM: closed to the host, interrupts under its own control, platform up to date. */
export function tdxShortcomings(o: {
  verified: VerifiedTdx
  /** What the platform lacks, if Intel does not report it as up to date. */
  shortfall: TdxShortfall | undefined
  runtime: BoundData | undefined
  simulated: boolean
  baseline: ComplianceBaseline
}): Shortcoming[] {
  return [
    ...appraiseTdx(o.verified, {}).map(shortcomingOf),
    ...(o.shortfall?.lacks ?? []).map((lack) => ({ path: 'attester_tcb_status', message: describeLack(lack) })),
    ...trustedLaunch({
      simulated: o.simulated,
      baseline: o.baseline,
      measurement: { path: 'tdx_mrtd', value: toHex(o.verified.body.mrTd) },
    }),
    ...runtimeShortcomings(o.runtime),
  ]
}

function shortcomingOf({ path, expected, actual }: Failure): Shortcoming {
  return { path, message: `${path}: expected ${expected}, found ${actual}.` }
}

function trustedLaunch(o: {
  simulated: boolean
  baseline: ComplianceBaseline
  measurement: { path: string; value: string }
  idKeyDigest?: string
}): Shortcoming[] {
  if (o.simulated || o.baseline.launchMeasurements.includes(o.measurement.value)) return []
  if (o.idKeyDigest !== undefined && o.baseline.idKeyDigests.includes(o.idKeyDigest)) return []
  return [
    {
      path: o.measurement.path,
      message: `${o.measurement.path} is not the measurement of a paravisor known to this service.`,
    },
  ]
}

/** A UUID other than zero: an unset field names no VM, and all that leave it unset would be the same VM. */
const vmIdForm = /^(?![0-]+$)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** A confidential VM identifies itself and provides a key to which secrets can be released. */
export function runtimeShortcomings(runtime: BoundData | undefined): Shortcoming[] {
  const path = 'x-ms-runtime'
  const json = runtime?.json
  if (typeof json !== 'object' || json === null) return [{ path, message: 'The evidence has no JSON runtime data.' }]
  const found: Shortcoming[] = []
  const { keys, 'vm-configuration': configuration } = json as Record<string, unknown>
  if (!Array.isArray(keys) || keys.length === 0)
    found.push({ path: `${path}.keys`, message: 'The runtime data has no keys.' })
  const id = (configuration as Record<string, unknown> | null | undefined)?.['vmUniqueId']
  if (typeof id !== 'string' || !vmIdForm.test(id))
    found.push({
      path: `${path}.vm-configuration.vmUniqueId`,
      message: 'The runtime data does not name its VM.',
    })
  return found
}

/** How the bound data appears in a token: JSON parsed, other bytes as base64url under a name of ours. */
export function dataClaims(runtime: BoundData | undefined, initTime: BoundData | undefined): Record<string, unknown> {
  const claims: Record<string, unknown> = {}
  for (const [name, data] of [
    ['x-ms-runtime', runtime],
    ['x-ms-inittime', initTime],
  ] as const) {
    if (data === undefined) continue
    if (data.dataType === 'JSON') claims[name] = data.json
    else claims[`${name}-data`] = Buffer.from(data.bytes).toString('base64url')
  }
  return claims
}
