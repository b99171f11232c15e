import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import type { Failure } from '../core/failure.ts'
import { productLine, type SnpProduct, type TcbVersion } from './products.ts'
import type { SnpFirmwareVersion, SnpReport } from './report.ts'
import { chipOf, describeFirmware, firmwareRank } from './consistency.ts'
import { tcbParts } from './tcb.ts'
import type { VerifiedSnp } from './verify.ts'

/** Bounds on security versions, per component; an omitted component is not bounded. */
export interface TcbBounds {
  minimum?: Partial<TcbVersion>
  maximum?: Partial<TcbVersion>
}

/** Requirements on a genuine report. Without a rule, values that weaken the guest are refused, and informational values are ignored. */
export interface SnpPolicy {
  /** Allowed launch measurements, 48 bytes each. 'any' must be explicit. */
  measurements: readonly Uint8Array[] | 'any'
  /** Required report data, 64 bytes. 'any' must be explicit. */
  reportData: Uint8Array | 'any'
  hostData?: Uint8Array
  familyId?: Uint8Array
  imageId?: Uint8Array
  /** Digests of id keys, one of which must have signed the id block. */
  idKeyDigests?: readonly Uint8Array[]
  /** Digests of author keys, one of which must have signed the id key. */
  authorKeyDigests?: readonly Uint8Array[]
  /** Guests, by the identity that the firmware assigned at launch. */
  reportIds?: readonly Uint8Array[]
  /** Migration agents, by the same identity. */
  reportIdsMa?: readonly Uint8Array[]
  /** Allowed privilege levels; only 0 by default. */
  vmpls?: readonly number[]
  products?: readonly SnpProduct[]
  /** CPUID_STEP of the processor; reports before version 3 do not name it. */
  steppings?: readonly number[]
  chipIds?: readonly Uint8Array[]
  /** Chips known to be compromised. */
  deniedChipIds?: readonly Uint8Array[]
  /** Providers whose key (VLEK) may have signed; requires `allow.vlek`. */
  providerIds?: readonly string[]
  /** Allowed values of the whole guest policy. */
  guestPolicies?: readonly bigint[]
  /** Lowest version of the firmware interface that the guest's owner must have required. */
  minimumAbi?: { major: number; minor: number }
  minimumGuestSvn?: number
  /** Of what signs (`reported`), what ran at launch, what cannot be rolled back (`committed`), and what runs now. */
  tcb?: { reported?: TcbBounds; launch?: TcbBounds; committed?: TcbBounds; current?: TcbBounds }
  minimumFirmware?: SnpFirmwareVersion
  minimumCommittedFirmware?: SnpFirmwareVersion
  /** Bits of the mitigation vectors that must be set; reports before version 5 have none. */
  mitigations?: { launch?: bigint; current?: bigint }
  /** Weakenings that are refused unless allowed here. */
  allow?: {
    debug?: boolean
    migrationAgent?: boolean
    cxl?: boolean
    /** A cloud provider's key instead of the chip's. */
    vlek?: boolean
    /** Firmware that is not committed and can be rolled back. */
    provisionalFirmware?: boolean
  }
  /** Required only if set here: a revocation check; how the host runs; what the guest's policy forces on any host. */
  require?: {
    revocation?: boolean
    smtOff?: boolean
    ecc?: boolean
    tsme?: boolean
    raplOff?: boolean
    ciphertextHiding?: boolean
    aliasCheck?: boolean
    singleSocket?: boolean
    smtForbidden?: boolean
    aes256Xts?: boolean
    raplForbidden?: boolean
    ciphertextHidingForced?: boolean
    pageSwapForbidden?: boolean
  }
}

/** Bits of the guest policy that this appraisal knows. */
const knownPolicyBits = 0x3ffffffn

/**
 * Compares a genuine report with a policy. Returns every failure; an empty list means accepted.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { appraiseSnp, genuineAmdAnchors, parsePem, parseSnpReport, verifySnp } from '@strongroom/evidence'
 *
 * const [ask, ark] = parsePem(await readFile('cert_chain.pem', 'utf8'))
 * if (ask === undefined || ark === undefined) throw new Error('two certificates are expected')
 * const verified = await verifySnp({
 *   report: parseSnpReport(await readFile('report.bin')),
 *   chain: { vcek: await readFile('vcek.der'), ask, ark },
 *   anchors: { simulated: false, amd: [...genuineAmdAnchors], intel: [] },
 *   at: new Date('2024-01-01'),
 * })
 * const { measurement } = verified.report
 * const policy = { reportData: 'any', allow: { provisionalFirmware: true } } as const
 * appraiseSnp(verified, { ...policy, measurements: [measurement] }) // => []
 * const failures = appraiseSnp(verified, { ...policy, measurements: [new Uint8Array(48)] })
 * failures.map(({ path, code }) => `${path}: ${code}`) // => ['measurement: NotEqual']
 */
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
  const chip = chipOf(report, verified.endorsement)
  if (chip !== undefined) {
    oneOf('chipId', chip, policy.chipIds)
    if (policy.deniedChipIds?.some((denied) => equal(denied, chip)) === true) {
      fail('chipId', 'Forbidden', 'another chip', toHex(chip))
    }
  } else if (policy.chipIds !== undefined || policy.deniedChipIds !== undefined) {
    fail('chipId', 'Missing', 'a chip to compare', 'none: the host hides it and a provider’s key signed')
  }
  oneOf('reportId', report.reportId, policy.reportIds)
  oneOf('reportIdMa', report.reportIdMa, policy.reportIdsMa)

  const vmpls = policy.vmpls ?? [0]
  if (!vmpls.includes(report.vmpl)) fail('vmpl', 'NotAllowed', vmpls.join(' or ') || 'none', `${report.vmpl}`)
  const { products } = policy
  if (products !== undefined && !products.includes(verified.product)) {
    fail('product', 'NotAllowed', products.join(' or '), verified.product)
  }
  appraiseStepping(report, policy, fail)
  appraiseProvider(verified, policy, fail)

  const { guestPolicies, minimumAbi } = policy
  const hex = (bits: bigint): string => `0x${bits.toString(16)}`
  if (guestPolicies !== undefined && !guestPolicies.includes(report.policy.raw)) {
    fail('policy', 'NotAllowed', guestPolicies.map(hex).join(' or '), hex(report.policy.raw))
  }
  if (minimumAbi !== undefined) {
    const { abiMajor, abiMinor } = report.policy
    const expected = `${minimumAbi.major}.${minimumAbi.minor}`
    if (!(abiMajor * 256 + abiMinor >= minimumAbi.major * 256 + minimumAbi.minor)) {
      fail('policy.abi', 'BelowMinimum', expected, `${abiMajor}.${abiMinor}`)
    }
  }

  const { allow = {}, require: wanted = {} } = policy
  forbid('policy.debugAllowed', report.policy.debugAllowed, allow.debug)
  forbid('policy.migrationAgentAllowed', report.policy.migrationAgentAllowed, allow.migrationAgent)
  forbid('policy.cxlAllowed', report.policy.cxlAllowed, allow.cxl)
  if ((report.policy.raw & ~knownPolicyBits) !== 0n) {
    fail('policy', 'Unknown', 'no bits above 25', hex(report.policy.raw))
  }
  forbid('endorsement.vlek', verified.endorsement.signer === 'VLEK', allow.vlek)
  const provisional = report.currentTcb !== report.committedTcb
  forbid('provisionalFirmware', provisional, allow.provisionalFirmware)

  const { platformInfo: platform, policy: guest } = report
  demand('revocationChecked', verified.revocationChecked, wanted.revocation)
  demand('platformInfo.smtOff', !platform.smtEnabled, wanted.smtOff)
  demand('platformInfo.eccEnabled', platform.eccEnabled, wanted.ecc)
  demand('platformInfo.tsmeEnabled', platform.tsmeEnabled, wanted.tsme)
  demand('platformInfo.raplDisabled', platform.raplDisabled, wanted.raplOff)
  demand('platformInfo.ciphertextHidingEnabled', platform.ciphertextHidingEnabled, wanted.ciphertextHiding)
  demand('platformInfo.aliasCheckComplete', platform.aliasCheckComplete, wanted.aliasCheck)
  demand('policy.singleSocketRequired', guest.singleSocketRequired, wanted.singleSocket)
  demand('policy.smtForbidden', !guest.smtAllowed, wanted.smtForbidden)
  demand('policy.aes256XtsRequired', guest.aes256XtsRequired, wanted.aes256Xts)
  demand('policy.raplDisabledRequired', guest.raplDisabledRequired, wanted.raplForbidden)
  demand('policy.ciphertextHidingRequired', guest.ciphertextHidingRequired, wanted.ciphertextHidingForced)
  demand('policy.pageSwapDisabled', guest.pageSwapDisabled, wanted.pageSwapForbidden)

  atLeast('guestSvn', report.guestSvn, policy.minimumGuestSvn)
  appraiseTcbs(verified, policy, fail)
  atLeastVersion('currentVersion', report.currentVersion, policy.minimumFirmware, fail)
  atLeastVersion('committedVersion', report.committedVersion, policy.minimumCommittedFirmware, fail)
  for (const which of ['launch', 'current'] as const) {
    const mask = policy.mitigations?.[which]
    if (mask === undefined) continue
    const found = report[`${which}Mitigations`]
    const path = `${which}Mitigations`
    if (found === undefined) fail(path, 'Missing', hex(mask), `none in version ${report.version}`)
    else if ((found & mask) !== mask) fail(path, 'Required', hex(mask), hex(found))
  }
  return failures
}

function atLeastVersion(
  path: string,
  actual: SnpFirmwareVersion,
  minimum: SnpFirmwareVersion | undefined,
  fail: (path: string, code: Failure['code'], expected: string, actual: string) => void,
): void {
  if (minimum === undefined) return
  if (firmwareRank(actual) >= firmwareRank(minimum)) return
  fail(path, 'BelowMinimum', describeFirmware(minimum), describeFirmware(actual))
}

type Fail = (path: string, code: Failure['code'], expected: string, actual: string) => void

function appraiseStepping({ cpu, version }: SnpReport, { steppings }: SnpPolicy, fail: Fail): void {
  if (steppings === undefined) return
  const wanted = steppings.join(' or ') || 'nothing is allowed'
  if (cpu === undefined) fail('cpu.stepping', 'Missing', wanted, `none in version ${version}`)
  else if (!steppings.includes(cpu.stepping)) fail('cpu.stepping', 'NotAllowed', wanted, `${cpu.stepping}`)
}

function appraiseProvider({ endorsement }: VerifiedSnp, { providerIds }: SnpPolicy, fail: Fail): void {
  if (providerIds === undefined) return
  const { providerId } = endorsement
  const wanted = providerIds.join(' or ') || 'nothing is allowed'
  const path = 'endorsement.providerId'
  if (providerId === undefined) fail(path, 'Missing', wanted, 'none: the chip’s own key signed')
  else if (!providerIds.includes(providerId)) fail(path, 'NotAllowed', wanted, providerId)
}

function appraiseTcbs(verified: VerifiedSnp, policy: SnpPolicy, fail: Fail): void {
  for (const which of ['reported', 'launch', 'committed', 'current'] as const) {
    const { minimum, maximum } = policy.tcb?.[which] ?? {}
    for (const part of tcbParts) {
      const [path, actual] = [`${which}Tcb.${part}`, verified[`${which}Tcb`][part]]
      const most = maximum?.[part]
      if (lacksPart(verified.product, part, minimum?.[part], most)) {
        fail(path, 'Missing', `${minimum?.[part] ?? 0} to ${most ?? 255}`, `${verified.product} has no such part`)
        continue
      }
      const least = minimum?.[part]
      if (least !== undefined && !(actual >= least)) fail(path, 'BelowMinimum', `${least}`, `${actual}`)
      if (most !== undefined && !(actual <= most)) fail(path, 'AboveMaximum', `${most}`, `${actual}`)
    }
  }
}

/** Whether these bounds demand something of a part that the processor line does not have. */
function lacksPart(product: SnpProduct, part: keyof TcbVersion, minimum = 0, maximum = 255): boolean {
  return (minimum > 0 || maximum < 255) && !productLine(product).tcb.includes(part)
}
