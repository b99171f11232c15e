import { equal } from '../bytes/bytes.ts'
import { fromHex, toHex } from '../bytes/hex.ts'
import type { Failure, FailureCode } from '../result/failure.ts'
import { tdAttributes, type TdBody } from './td-body.ts'
import type { TcbStatus } from './tcb-status.ts'
import type { VerifiedTdx } from './verify.ts'

/** What genuine TDX evidence must say. Everything that is not allowed here is refused. Measurements in hexadecimal, either case. */
export interface TdxPolicy {
  /** Statuses taken; `UpToDate` only unless given. */
  tcbStatuses?: readonly TcbStatus[]
  /** Advisories that may stand against the platform; none unless given. Only of weight for statuses other than UpToDate. */
  acceptedAdvisoryIds?: readonly string[]
  minimumTcbEvaluationDataNumber?: number
  /** False unless given: a debuggable TD keeps no secret from its host. */
  debugAllowed?: boolean
  /** False unless given. */
  migratableAllowed?: boolean
  /** True unless given: without it the host can inject page faults into the TD (TDX module, SEPT_VE_DISABLE). */
  septVeDisableRequired?: boolean
  /** False unless given: protection keys for supervisor pages. */
  pksAllowed?: boolean
  /** False unless given: Key Locker. */
  keyLockerAllowed?: boolean
  /** False unless given: performance monitoring leaks through counters. */
  perfmonAllowed?: boolean
  /** Bits that may be set; every bit unless given. */
  xfamAllowed?: bigint
  mrTds?: readonly string[]
  mrSeams?: readonly string[]
  mrConfigId?: string
  mrOwner?: string
  mrOwnerConfig?: string
  /** By register number. */
  rtmrs?: Readonly<Record<number, string>>
  reportData?: Uint8Array
  /** Lowest SVN for each of the 16 parts of the TEE TCB. */
  minimumTeeTcbSvn?: Uint8Array
  /** True unless given false: a service TD could migrate or change the TD. */
  noServiceTd?: boolean
}

/** Bits 1 to 7 make a TD untrusted, and 8 to 27 and 32 to 62 had no meaning when this was written (TDX module ABI 1.5). */
const knownAttributes = Object.values(tdAttributes).reduce((all, bit) => all | bit, 0n)
/** XFAM bits 0 and 1 (x87 and SSE) are always set (TDX module ABI, section 3.3). */
const xfamFixedOn = 3n

/** @returns every rule that the evidence does not meet; empty means accepted */
export function appraiseTdx(verified: VerifiedTdx, policy: TdxPolicy): Failure[] {
  const failures: Failure[] = []
  const fail = (path: string, code: FailureCode, expected: string, actual: string): void => {
    failures.push({ path, code, expected, actual })
  }
  appraiseTcb(verified, policy, fail)
  appraiseAttributes(verified.body, policy, fail)
  appraiseMeasurements(verified.body, policy, fail)
  return failures
}

type Fail = (path: string, code: FailureCode, expected: string, actual: string) => void

function appraiseTcb(verified: VerifiedTdx, policy: TdxPolicy, fail: Fail): void {
  const statuses = policy.tcbStatuses ?? ['UpToDate']
  if (!statuses.includes(verified.tcbStatus)) fail('tcbStatus', 'NotAllowed', statuses.join(', '), verified.tcbStatus)
  if (verified.tcbStatus !== 'UpToDate') {
    const accepted = policy.acceptedAdvisoryIds ?? []
    const open = verified.advisoryIds.filter((id) => !accepted.includes(id))
    if (open.length > 0) fail('advisoryIds', 'NotAllowed', accepted.join(', ') || 'none', open.join(', '))
  }
  const minimum = policy.minimumTcbEvaluationDataNumber
  if (minimum !== undefined && verified.tcbEvaluationDataNumber < minimum) {
    fail('tcbEvaluationDataNumber', 'BelowMinimum', `at least ${minimum}`, String(verified.tcbEvaluationDataNumber))
  }
  for (const [index, svn] of (policy.minimumTeeTcbSvn ?? new Uint8Array()).entries()) {
    const found = verified.body.teeTcbSvn[index] ?? 0
    if (found < svn) fail(`teeTcbSvn.${index}`, 'BelowMinimum', `at least ${svn}`, String(found))
  }
}

function appraiseAttributes(body: TdBody, policy: TdxPolicy, fail: Fail): void {
  const set = (bit: bigint): boolean => (body.attributes & bit) !== 0n
  const forbidden = [
    ['debug', policy.debugAllowed],
    ['migratable', policy.migratableAllowed],
    ['pks', policy.pksAllowed],
    ['keyLocker', policy.keyLockerAllowed],
    ['perfmon', policy.perfmonAllowed],
  ] as const
  for (const [name, allowed] of forbidden) {
    if (set(tdAttributes[name]) && allowed !== true) fail(`attributes.${name}`, 'Forbidden', 'false', 'true')
  }
  if (policy.septVeDisableRequired !== false && !set(tdAttributes.septVeDisable))
    fail('attributes.septVeDisable', 'Required', 'true', 'false')
  const unknown = body.attributes & ~knownAttributes
  if (unknown !== 0n) fail('attributes', 'Unknown', 'no bit without a meaning', `0x${unknown.toString(16)}`)
  if ((body.xfam & xfamFixedOn) !== xfamFixedOn) fail('xfam', 'Required', '0x3', `0x${body.xfam.toString(16)}`)
  if (policy.xfamAllowed !== undefined && (body.xfam & ~policy.xfamAllowed) !== 0n) {
    fail('xfam', 'NotAllowed', `within 0x${policy.xfamAllowed.toString(16)}`, `0x${body.xfam.toString(16)}`)
  }
}

function appraiseMeasurements(body: TdBody, policy: TdxPolicy, fail: Fail): void {
  const oneOf = (path: string, actual: Uint8Array, allowed: readonly string[] | undefined): void => {
    if (allowed === undefined || allowed.some((value) => equal(fromHex(value), actual))) return
    fail(path, allowed.length === 1 ? 'NotEqual' : 'NotAllowed', allowed.join(', ') || 'none', toHex(actual))
  }
  const one = (value: string | undefined): string[] | undefined => (value === undefined ? undefined : [value])
  oneOf('mrTd', body.mrTd, policy.mrTds)
  oneOf('mrSeam', body.mrSeam, policy.mrSeams)
  oneOf('mrConfigId', body.mrConfigId, one(policy.mrConfigId))
  oneOf('mrOwner', body.mrOwner, one(policy.mrOwner))
  oneOf('mrOwnerConfig', body.mrOwnerConfig, one(policy.mrOwnerConfig))
  for (const [register, value] of Object.entries(policy.rtmrs ?? {})) {
    const actual = body.rtmrs[Number(register)]
    if (actual === undefined) fail(`rtmrs.${register}`, 'Missing', value, 'no such register')
    else oneOf(`rtmrs.${register}`, actual, [value])
  }
  if (policy.reportData !== undefined) oneOf('reportData', body.reportData, [toHex(policy.reportData)])
  if (policy.noServiceTd !== false && body.mrServiceTd?.some((byte) => byte !== 0) === true) {
    fail('mrServiceTd', 'Forbidden', 'zero', toHex(body.mrServiceTd))
  }
}
