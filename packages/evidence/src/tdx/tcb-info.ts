import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { JsonFields } from './json-fields.ts'
import type { PckExtension } from './pck.ts'
import { parseJson } from './signed-json.ts'
import { listedTcbStatuses, type TcbStatus } from './tcb-status.ts'
import type { TdBody } from './td-body.ts'

interface Level {
  tcbDate: Date
  tcbStatus: TcbStatus
  advisoryIds: string[]
}

interface ModuleIdentity {
  mrSigner: Uint8Array
  attributes: Uint8Array
  attributesMask: Uint8Array
}

/** TCB info of version 3 for TDX (Intel PCS API version 4). */
export interface TcbInfo {
  issueDate: Date
  nextUpdate: Date
  fmspc: Uint8Array
  pceId: Uint8Array
  tcbEvaluationDataNumber: number
  /** For TDX modules of version 0. */
  module: ModuleIdentity
  moduleIdentities: (ModuleIdentity & { id: string; levels: (Level & { isvSvn: number })[] })[]
  /** In Intel's order, best first: the first one that the platform reaches counts. */
  levels: (Level & { sgxSvns: number[]; pceSvn: number; tdxSvns: number[] })[]
}

/** Status of one component. `NoMatchingLevel` has no date. */
export interface TcbAssessment {
  status: TcbStatus
  tcbDate?: Date
  advisoryIds: readonly string[]
}

/**
 * Reads the signed value of a TCB info. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTcbInfo, toHex } from '@strongroom/evidence'
 *
 * const { tcbInfo } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const info = parseTcbInfo(JSON.stringify(JSON.parse(tcbInfo).tcbInfo))
 * toHex(info.fmspc) // => 'b0c06f000000'
 * info.levels.map(({ tcbStatus }) => tcbStatus) // => ['UpToDate', 'OutOfDate']
 */
export function parseTcbInfo(body: string): TcbInfo {
  const info = new JsonFields(parseJson(body, 'tcbInfo'), 'tcbInfo')
  info.oneOf('id', ['TDX'])
  if (info.integer('version', 1000) !== 3)
    throw new ParseError({ code: 'UnknownVersion', message: 'tcbInfo.version is not 3', expected: '3' })
  if (info.integer('tcbType', 1000) !== 0)
    throw new ParseError({ code: 'UnknownType', message: 'tcbInfo.tcbType is not 0', expected: '0' })
  return {
    issueDate: info.time('issueDate'),
    nextUpdate: info.time('nextUpdate'),
    fmspc: info.bytes('fmspc', 6),
    pceId: info.bytes('pceId', 2),
    tcbEvaluationDataNumber: info.integer('tcbEvaluationDataNumber', 1_000_000),
    module: readModule(info.fields('tdxModule')),
    moduleIdentities: info.has('tdxModuleIdentities')
      ? info.list('tdxModuleIdentities', (item) => ({
          ...readModule(item),
          id: item.text('id'),
          levels: item.list('tcbLevels', (level) => ({
            ...readLevel(level),
            isvSvn: level.fields('tcb').integer('isvsvn', 255),
          })),
        }))
      : [],
    levels: info.list('tcbLevels', (level) => {
      const tcb = level.fields('tcb')
      return {
        ...readLevel(level),
        sgxSvns: readSvns(tcb, 'sgxtcbcomponents'),
        pceSvn: tcb.integer('pcesvn', 65535),
        tdxSvns: readSvns(tcb, 'tdxtcbcomponents'),
      }
    }),
  }
}

/** Reads what the levels of TCB info and of enclave identities have in common. */
export function readLevel(level: JsonFields): Level {
  return {
    tcbDate: level.time('tcbDate'),
    tcbStatus: level.oneOf('tcbStatus', listedTcbStatuses),
    advisoryIds: level.texts('advisoryIDs'),
  }
}

function readModule(module: JsonFields): ModuleIdentity {
  return {
    mrSigner: module.bytes('mrsigner', 48),
    attributes: module.bytes('attributes', 8),
    attributesMask: module.bytes('attributesMask', 8),
  }
}

function readSvns(tcb: JsonFields, name: string): number[] {
  const svns = tcb.list(name, (component) => component.integer('svn', 255))
  if (svns.length !== 16)
    throw new ParseError({
      code: 'WrongLength',
      message: `${name} has another length`,
      expected: '16',
      found: String(svns.length),
    })
  return svns
}

/**
 * Finds a platform's level: the first in the list that is reached by every SGX component and the PCE of its PCK
 * certificate, and by every TDX component of the quote. From module version 1 on, the first two TDX components belong
 * to the module and are judged by its identity (Intel PCS, "TDX TCB info", step 3).
 */
export function assessPlatform(o: { tcbInfo: TcbInfo; pck: PckExtension; teeTcbSvn: Uint8Array }): TcbAssessment {
  const first = (o.teeTcbSvn[1] ?? 0) === 0 ? 0 : 2
  const level = o.tcbInfo.levels.find(
    (candidate) =>
      candidate.sgxSvns.every((svn, index) => (o.pck.componentSvns[index] ?? -1) >= svn) &&
      o.pck.pceSvn >= candidate.pceSvn &&
      candidate.tdxSvns.every((svn, index) => index < first || (o.teeTcbSvn[index] ?? -1) >= svn),
  )
  return assessed(level)
}

/**
 * Checks the identity of the TDX module and finds its level.
 * @returns undefined for a module of version 0, whose SVN is judged with the platform's
 * @throws VerificationError TdxModuleMismatch
 */
export function assessModule(tcbInfo: TcbInfo, body: TdBody): (TcbAssessment & { id: string }) | undefined {
  const version = body.teeTcbSvn[1] ?? 0
  if (version === 0) {
    requireModule(tcbInfo.module, body, 'TDX module')
    return undefined
  }
  const id = moduleId(version)
  const identity = tcbInfo.moduleIdentities.find((candidate) => candidate.id.toUpperCase() === id)
  if (identity === undefined) {
    throw new VerificationError({
      code: 'TdxModuleMismatch',
      message: 'The TDX module is none that the TCB info knows',
      subject: 'TDX module',
      expected: tcbInfo.moduleIdentities.map((candidate) => candidate.id).join(', ') || 'none',
      found: id,
    })
  }
  requireModule(identity, body, id)
  const svn = body.teeTcbSvn[0] ?? 0
  return { id, ...assessed(identity.levels.find((level) => svn >= level.isvSvn)) }
}

/** Intel's name for the identity of modules above version 0: `TDX_01`. */
export const moduleId = (version: number): string => `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`

/** The assessment for a level, or for none. */
export function assessed(level: Level | undefined): TcbAssessment {
  if (level === undefined) return { status: 'NoMatchingLevel', advisoryIds: [] }
  // Copied, because a cache may keep the level.
  return { status: level.tcbStatus, tcbDate: new Date(level.tcbDate), advisoryIds: [...level.advisoryIds] }
}

function requireModule(identity: ModuleIdentity, body: TdBody, subject: string): void {
  if (!equal(identity.mrSigner, body.mrSignerSeam)) {
    throw new VerificationError({
      code: 'TdxModuleMismatch',
      message: 'The TDX module is signed by another',
      subject,
      expected: toHex(identity.mrSigner),
      found: toHex(body.mrSignerSeam),
    })
  }
  if (
    !equal(masked(body.seamAttributes, identity.attributesMask), masked(identity.attributes, identity.attributesMask))
  ) {
    throw new VerificationError({
      code: 'TdxModuleMismatch',
      message: 'The TDX module has other attributes',
      subject,
      expected: toHex(identity.attributes),
      found: toHex(body.seamAttributes),
    })
  }
}

/** Bitwise AND of two byte strings of equal length. */
export function masked(bytes: Uint8Array, mask: Uint8Array): Uint8Array {
  return bytes.map((byte, index) => byte & (mask[index] ?? 0))
}
