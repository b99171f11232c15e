import { equal } from '../bytes/bytes.ts'
import { toHex } from '../bytes/hex.ts'
import type { Failure } from '../result/failure.ts'
import type { SnpProduct } from './products.ts'
import { tcbParts, type TcbVersion } from './tcb.ts'
import type { VerifiedSnp } from './verify.ts'

/** What a verifier wants of a genuine report. What is not written is refused where it weakens and ignored where it only tells. */
export interface SnpPolicy {
  /** Allowed launch measurements, 48 bytes each. 'any' must be said. */
  measurements: readonly Uint8Array[] | 'any'
  /** Wanted report data, 64 bytes. 'any' must be said. */
  reportData: Uint8Array | 'any'
  hostData?: Uint8Array
  familyId?: Uint8Array
  imageId?: Uint8Array
  /** Digests of id keys of which one must have signed the id block. */
  idKeyDigests?: readonly Uint8Array[]
  /** Digests of author keys of which one must have signed the id key. */
  authorKeyDigests?: readonly Uint8Array[]
  /** Allowed privilege levels; 0 alone when absent. */
  vmpls?: readonly number[]
  products?: readonly SnpProduct[]
  chipIds?: readonly Uint8Array[]
  minimumGuestSvn?: number
  minimumTcb?: Partial<TcbVersion>
  minimumFirmware?: { major: number; minor: number; build: number }
  /** Weakenings that are refused unless allowed here. */
  allow?: {
    debug?: boolean
    migrationAgent?: boolean
    cxl?: boolean
    /** A key of the cloud provider instead of the chip's. */
    vlek?: boolean
    /** Firmware that is not committed and can be rolled back. */
    provisionalFirmware?: boolean
  }
  /** Hardening that is demanded only when said here. */
  require?: {
    smtOff?: boolean
    singleSocket?: boolean
    ecc?: boolean
    tsme?: boolean
    raplOff?: boolean
    ciphertextHiding?: boolean
    aliasCheck?: boolean
  }
}

/** Bits of the guest policy that this appraisal knows. */
const knownPolicyBits = 0x3ffffffn

/** Compares a genuine report with a policy. Returns every failure; none means that the report is wanted. */
export function appraiseSnp(verified: VerifiedSnp, policy: SnpPolicy): Failure[] {
  const { report } = verified
  const failures: Failure[] = []
  const fail = (path: string, code: Failure['code'], expected: string, actual: string): void => {
    failures.push({ path, code, expected, actual })
  }
  const oneOf = (path: string, actual: Uint8Array, allowed: readonly Uint8Array[] | undefined): void => {
    if (allowed !== undefined && !allowed.some((value) => equal(value, actual))) {
      const code = allowed.length === 1 ? 'NotEqual' : 'NotAllowed'
      fail(path, code, allowed.length === 0 ? 'nothing is allowed' : allowed.map(toHex).join(' or '), toHex(actual))
    }
  }
  const same = (path: string, actual: Uint8Array, wanted: Uint8Array | undefined): void => {
    if (wanted !== undefined) oneOf(path, actual, [wanted])
  }
  const forbid = (path: string, present: boolean, allowed: boolean | undefined): void => {
    if (present && allowed !== true) fail(path, 'Forbidden', 'false', 'true')
  }
  const demand = (path: string, met: boolean, wanted: boolean | undefined): void => {
    if (wanted === true && !met) fail(path, 'Required', 'true', 'false')
  }
  const atLeast = (path: string, actual: number, minimum: number | undefined): void => {
    if (minimum !== undefined && !(actual >= minimum)) fail(path, 'BelowMinimum', `${minimum}`, `${actual}`)
  }

  if (policy.measurements !== 'any') oneOf('measurement', report.measurement, policy.measurements)
  if (policy.reportData !== 'any') same('reportData', report.reportData, policy.reportData)
  same('hostData', report.hostData, policy.hostData)
  same('familyId', report.familyId, policy.familyId)
  same('imageId', report.imageId, policy.imageId)
  oneOf('idKeyDigest', report.idKeyDigest, policy.idKeyDigests)
  oneOf('authorKeyDigest', report.authorKeyDigest, policy.authorKeyDigests)
  if (policy.authorKeyDigests !== undefined) demand('authorKeyEnabled', report.authorKeyEnabled, true)
  oneOf('chipId', report.chipId, policy.chipIds)

  const vmpls = policy.vmpls ?? [0]
  if (!vmpls.includes(report.vmpl)) fail('vmpl', 'NotAllowed', vmpls.join(' or '), `${report.vmpl}`)
  const { products } = policy
  if (products !== undefined && !products.includes(verified.product)) {
    fail('product', 'NotAllowed', products.join(' or '), verified.product)
  }

  const { allow = {}, require: wanted = {} } = policy
  forbid('policy.debugAllowed', report.policy.debugAllowed, allow.debug)
  forbid('policy.migrationAgentAllowed', report.policy.migrationAgentAllowed, allow.migrationAgent)
  forbid('policy.cxlAllowed', report.policy.cxlAllowed, allow.cxl)
  if ((report.policy.raw & ~knownPolicyBits) !== 0n) {
    fail('policy', 'Unknown', 'no bits above 25', `0x${report.policy.raw.toString(16)}`)
  }
  forbid('endorsement.vlek', verified.endorsement.signer === 'VLEK', allow.vlek)
  const provisional = report.currentTcb !== report.committedTcb
  forbid('provisionalFirmware', provisional, allow.provisionalFirmware)

  demand('platformInfo.smtOff', !report.platformInfo.smtEnabled, wanted.smtOff)
  demand('policy.singleSocketRequired', report.policy.singleSocketRequired, wanted.singleSocket)
  demand('platformInfo.eccEnabled', report.platformInfo.eccEnabled, wanted.ecc)
  demand('platformInfo.tsmeEnabled', report.platformInfo.tsmeEnabled, wanted.tsme)
  demand('platformInfo.raplDisabled', report.platformInfo.raplDisabled, wanted.raplOff)
  demand('platformInfo.ciphertextHidingEnabled', report.platformInfo.ciphertextHidingEnabled, wanted.ciphertextHiding)
  demand('platformInfo.aliasCheckComplete', report.platformInfo.aliasCheckComplete, wanted.aliasCheck)

  atLeast('guestSvn', report.guestSvn, policy.minimumGuestSvn)
  for (const part of tcbParts) atLeast(`reportedTcb.${part}`, verified.reportedTcb[part], policy.minimumTcb?.[part])
  for (const part of tcbParts) atLeast(`launchTcb.${part}`, verified.launchTcb[part], policy.minimumTcb?.[part])
  const firmware = policy.minimumFirmware
  if (firmware !== undefined) {
    const { major, minor, build } = report.currentVersion
    const rank = (v: { major: number; minor: number; build: number }): number =>
      (v.major * 256 + v.minor) * 256 + v.build
    if (!(rank(report.currentVersion) >= rank(firmware))) {
      const expected = `${firmware.major}.${firmware.minor}.${firmware.build}`
      fail('currentVersion', 'BelowMinimum', expected, `${major}.${minor}.${build}`)
    }
  }
  return failures
}
