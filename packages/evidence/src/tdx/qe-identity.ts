import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { JsonFields } from './json-fields.ts'
import type { QeReport } from './qe-report.ts'
import { parseJson } from './signed-json.ts'
import { assessed, masked, readLevel, type TcbAssessment } from './tcb-info.ts'

/** Identity of the TD quoting enclave, version 2 (Intel PCS API version 4). */
export interface QeIdentity {
  issueDate: Date
  nextUpdate: Date
  tcbEvaluationDataNumber: number
  miscSelect: Uint8Array
  miscSelectMask: Uint8Array
  attributes: Uint8Array
  attributesMask: Uint8Array
  mrSigner: Uint8Array
  isvProdId: number
  levels: (ReturnType<typeof readLevel> & { isvSvn: number })[]
}

/**
 * Reads the signed value of an enclave identity. @throws ParseError; another enclave's identity is refused
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseQeIdentity } from '@strongroom/evidence'
 *
 * const { qeIdentity } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * const identity = parseQeIdentity(JSON.stringify(JSON.parse(qeIdentity).enclaveIdentity))
 * identity.tcbEvaluationDataNumber // => 17
 */
export function parseQeIdentity(body: string): QeIdentity {
  const identity = new JsonFields(parseJson(body, 'enclaveIdentity'), 'enclaveIdentity')
  identity.oneOf('id', ['TD_QE'])
  if (identity.integer('version', 1000) !== 2)
    throw new ParseError({ code: 'UnknownVersion', message: 'enclaveIdentity.version is not 2', expected: '2' })
  return {
    issueDate: identity.time('issueDate'),
    nextUpdate: identity.time('nextUpdate'),
    tcbEvaluationDataNumber: identity.integer('tcbEvaluationDataNumber', 1_000_000),
    // A number with the most significant digit first; the report has the least significant byte first.
    miscSelect: identity.bytes('miscselect', 4).toReversed(),
    miscSelectMask: identity.bytes('miscselectMask', 4).toReversed(),
    attributes: identity.bytes('attributes', 16),
    attributesMask: identity.bytes('attributesMask', 16),
    mrSigner: identity.bytes('mrsigner', 32),
    isvProdId: identity.integer('isvprodid', 65535),
    levels: identity.list('tcbLevels', (level) => ({
      ...readLevel(level),
      isvSvn: level.fields('tcb').integer('isvsvn', 65535),
    })),
  }
}

/**
 * Checks that a QE report comes from this enclave and finds its level.
 * @throws VerificationError QeIdentityMismatch
 */
export function assessQe(identity: QeIdentity, report: QeReport): TcbAssessment {
  const checks: [string, Uint8Array, Uint8Array][] = [
    [
      'MISCSELECT',
      masked(identity.miscSelect, identity.miscSelectMask),
      masked(report.miscSelect, identity.miscSelectMask),
    ],
    [
      'attributes',
      masked(identity.attributes, identity.attributesMask),
      masked(report.attributes, identity.attributesMask),
    ],
    ['MRSIGNER', identity.mrSigner, report.mrSigner],
  ]
  for (const [field, expected, found] of checks) {
    if (!equal(expected, found)) mismatch(field, toHex(expected), toHex(found))
  }
  if (identity.isvProdId !== report.isvProdId)
    mismatch('ISVPRODID', String(identity.isvProdId), String(report.isvProdId))
  return assessed(identity.levels.find((level) => report.isvSvn >= level.isvSvn))
}

function mismatch(field: string, expected: string, found: string): never {
  throw new VerificationError({
    code: 'QeIdentityMismatch',
    message: `The quoting enclave is not Intel's: ${field} is another`,
    subject: 'quoting enclave',
    expected,
    found,
  })
}
