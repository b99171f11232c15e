import { equal } from '../core/bytes/bytes.ts'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import type { Failure, FailureCode } from '../core/failure.ts'
import { tdAttributes, type TdBody } from './td-body.ts'
import type { TcbStatus } from './tcb-status.ts'
import type { VerifiedTdx } from './verify.ts'

/** Requirements on genuine TDX evidence. Everything not allowed here is refused. Measurements in hexadecimal, either case. */
export interface TdxPolicy {
  /** Accepted statuses; only `UpToDate` by default. */
  tcbStatuses?: readonly TcbStatus[]
  /** Advisories that may apply to the platform; none by default. Only relevant for statuses other than UpToDate. */
  acceptedAdvisoryIds?: readonly string[]
  /** Advisories that are refused, whatever the status. */
  rejectedAdvisoryIds?: readonly string[]
  minimumTcbEvaluationDataNumber?: number
  /** The platform's level must be from this day or later. */
  minimumTcbDate?: Date
  /** Default false: a debuggable TD keeps no secret from its host. */
  debugAllowed?: boolean
  /** Default false. */
  migratableAllowed?: boolean
  /** Default true: otherwise the host can inject page faults into the TD (TDX module, SEPT_VE_DISABLE). */
  septVeDisableRequired?: boolean
  /** Default false: protection keys for supervisor pages. */
  pksAllowed?: boolean
  /** Default false: Key Locker. */
  keyLockerAllowed?: boolean
  /** Default false: performance monitoring leaks through counters. */
  perfmonAllowed?: boolean
  /** Bits that may be set; all by default. */
  xfamAllowed?: bigint
  mrTds?: readonly string[]
  mrSeams?: readonly string[]
  mrConfigId?: string
  mrOwner?: string
  mrOwnerConfig?: string
  /** By register number. */
  rtmrs?: Readonly<Record<number, string>>
  reportData?: Uint8Array
  /** Lowest SVN for each of the 16 components of the TEE TCB. */
  minimumTeeTcbSvn?: Uint8Array
  /** The same for the module that would be loaded now; TDX 1.0 quotes lack it. */
  minimumTeeTcbSvn2?: Uint8Array
  /** Kinds of platforms, 6 bytes. */
  fmspcs?: readonly string[]
  /** Individual platforms, 16 bytes each; only multi-socket platforms have such an id. */
  platformInstanceIds?: readonly string[]
  /** Platforms known to be compromised, by the PPID in their certificate, 16 bytes. */
  deniedPpids?: readonly string[]
  /** Requirements on the platform's certificate; a certificate without the value fails. */
  require?: { smtOff?: boolean; staticPlatform?: boolean; noCachedKeys?: boolean }
  /** Default true: a service TD could migrate or change the TD. */
  noServiceTd?: boolean
  /** Digests of service TDs that may be bound, 48 bytes each; for TDs with `noServiceTd` false. */
  mrServiceTds?: readonly string[]
}

/** Bits 1 to 7 make a TD untrusted; 8 to 26 and 32 to 62 have no meaning that a guest can accept (TDX module ABI 1.5). */
const knownAttributes = Object.values(tdAttributes).reduce((all, bit) => all | bit, 0n)
/** XFAM bits 0 and 1 (x87 and SSE) are always set (TDX module ABI, section 3.3). */
const xfamFixedOn = 3n

/**
 * @returns every rule that the evidence fails; empty means accepted
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { appraiseTdx, fromHex, genuineIntelAnchors, parseTdxQuote, verifyTdx } from '@strongroom/evidence'
 *
 * const { pckCrl, rootCaCrl, ...texts } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const verified = await verifyTdx({
 *   quote: parseTdxQuote(await readFile('quote.bin')),
 *   collateral: { ...texts, pckCrl: fromHex(pckCrl), rootCaCrl: fromHex(rootCaCrl) },
 *   anchors: { simulated: false, amd: [], intel: [...genuineIntelAnchors] },
 *   at: new Date('2025-06-25'),
 * })
 * appraiseTdx(verified, { tcbStatuses: ['UpToDate'], minimumTcbEvaluationDataNumber: 17 }) // => []
 * appraiseTdx(verified, { mrTds: ['00'.repeat(48)] }).map(({ path, code }) => `${path}: ${code}`) // => ['mrTd: NotEqual']
 */
export function appraiseTdx(verified: VerifiedTdx, policy: TdxPolicy): Failure[] {
  const failures: Failure[] = []
  const fail = (path: string, code: FailureCode, expected: string, actual: string): void => {
    failures.push({ path, code, expected, actual })
  }
  appraiseTcb(verified, policy, fail)
  appraisePlatform(verified, policy, fail)
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
  const minimum = policy.minimumTcbEvaluationDataNumber ?? 0
  if (verified.tcbEvaluationDataNumber < minimum) {
    fail('tcbEvaluationDataNumber', 'BelowMinimum', `at least ${minimum}`, String(verified.tcbEvaluationDataNumber))
  }
  const rejected = verified.advisoryIds.filter((id) => policy.rejectedAdvisoryIds?.includes(id) === true)
  if (rejected.length > 0) fail('advisoryIds', 'Forbidden', 'none of the rejected', rejected.join(', '))
  const day = policy.minimumTcbDate
  const found = verified.platform.tcbDate
  if (day !== undefined && !(found !== undefined && found >= day)) {
    fail('tcbDate', 'BelowMinimum', day.toISOString(), found?.toISOString() ?? 'none')
  }
  for (const name of ['teeTcbSvn', 'teeTcbSvn2'] as const) {
    const minimum = name === 'teeTcbSvn' ? policy.minimumTeeTcbSvn : policy.minimumTeeTcbSvn2
    if (minimum === undefined) continue
    const actual = verified.body[name]
    if (actual === undefined) {
      fail(name, 'Missing', toHex(minimum), 'none in a quote of TDX 1.0')
      continue
    }
    for (const [index, svn] of minimum.entries()) {
      const part = actual[index] ?? 0
      if (part < svn) fail(`${name}.${index}`, 'BelowMinimum', `at least ${svn}`, String(part))
    }
  }
}

function appraisePlatform({ pck }: VerifiedTdx, policy: TdxPolicy, fail: Fail): void {
  oneOf('fmspc', pck.fmspc, policy.fmspcs, fail)
  const ids = policy.platformInstanceIds
  if (ids !== undefined) {
    if (pck.platformInstanceId === undefined) fail('platformInstanceId', 'Missing', ids.join(', '), 'none')
    else oneOf('platformInstanceId', pck.platformInstanceId, ids, fail)
  }
  if (policy.deniedPpids?.some((ppid) => equal(fromHex(ppid), pck.ppid)) === true) {
    fail('ppid', 'Forbidden', 'another platform', toHex(pck.ppid))
  }
  const facts = [
    ['smtOff', pck.smtEnabled],
    ['staticPlatform', pck.dynamicPlatform],
    ['noCachedKeys', pck.cachedKeys],
  ] as const
  for (const [name, flag] of facts) {
    if (policy.require?.[name] === true && flag !== false)
      fail(
        `pck.${name}`,
        flag === undefined ? 'Missing' : 'Required',
        'true',
        flag === undefined ? 'not said' : 'false',
      )
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

function oneOf(path: string, actual: Uint8Array, allowed: readonly string[] | undefined, fail: Fail): void {
  if (allowed === undefined || allowed.some((value) => equal(fromHex(value), actual))) return
  fail(path, allowed.length === 1 ? 'NotEqual' : 'NotAllowed', allowed.join(', ') || 'none', toHex(actual))
}

function appraiseMeasurements(body: TdBody, policy: TdxPolicy, fail: Fail): void {
  const one = (path: string, actual: Uint8Array, value: string | undefined): void => {
    if (value !== undefined) oneOf(path, actual, [value], fail)
  }
  oneOf('mrTd', body.mrTd, policy.mrTds, fail)
  oneOf('mrSeam', body.mrSeam, policy.mrSeams, fail)
  one('mrConfigId', body.mrConfigId, policy.mrConfigId)
  one('mrOwner', body.mrOwner, policy.mrOwner)
  one('mrOwnerConfig', body.mrOwnerConfig, policy.mrOwnerConfig)
  for (const [register, value] of Object.entries(policy.rtmrs ?? {})) {
    const actual = body.rtmrs[Number(register)]
    if (actual === undefined) fail(`rtmrs.${register}`, 'Missing', value, 'no such register')
    else one(`rtmrs.${register}`, actual, value)
  }
  if (policy.reportData !== undefined) one('reportData', body.reportData, toHex(policy.reportData))
  const { mrServiceTd = new Uint8Array(48) } = body
  if (policy.noServiceTd !== false && mrServiceTd.some((byte) => byte !== 0)) {
    fail('mrServiceTd', 'Forbidden', 'zero', toHex(mrServiceTd))
  }
  oneOf('mrServiceTd', mrServiceTd, policy.mrServiceTds, fail)
}
