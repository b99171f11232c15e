import { pckCrlSource, qeIdentitySource, rootCrlSource, tcbInfoSource } from './sources.ts'
import { equal } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { requireCurrent, signedTexts, type TdxCollateral, verifySignedText } from '../tdx/collateral.ts'
import type { PckExtension } from '../tdx/pck.ts'
import { assessQe, parseQeIdentity, type QeIdentity } from '../tdx/qe-identity.ts'
import type { TdxQuote } from '../tdx/quote.ts'
import { assessModule, assessPlatform, parseTcbInfo, type TcbAssessment, type TcbInfo } from '../tdx/tcb-info.ts'
import type { Certificate } from '../x509/certificate.ts'
import { type Crl, verifyCrl } from '../x509/crl.ts'
import { crlOf } from '../x509/inputs.ts'
import { findExtension } from '../x509/extensions.ts'
import { describeName } from '../x509/name.ts'
import { oid } from '../x509/oids.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { verifyPath } from '../x509/path.ts'
import type { CheckId } from './catalogue.ts'
import type { Checklist } from './checklist.ts'
import { VerificationError } from '../core/errors.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'

/** Files that the collateral came from, for display. */
export type CollateralFiles = Partial<Record<'tcbInfo' | 'qeIdentity' | 'pckCrl' | 'rootCaCrl', string>>

interface PlatformInput extends VerifyContext {
  files?: CollateralFiles | undefined
  quote: TdxQuote | undefined
  chain: Certificate[] | undefined
  pck: PckExtension | undefined
  collateral: Partial<TdxCollateral>
  anchors: readonly TrustAnchor[]
  at: Date
}

/** Everything that needs Intel's collateral: revocation, TCB info, TDX module, quoting enclave. */
export async function checkPlatform(list: Checklist, o: PlatformInput): Promise<void> {
  const { quote, pck, at } = o
  const rootCrl = await checkRevocation(list, o)
  const tcbInfo = await checkText(list, o, {
    id: 'tdx.tcbInfo.signature',
    member: 'tcbInfo',
    text: o.collateral.tcbInfo,
    chainPem: o.collateral.tcbInfoIssuerChainPem,
    rootCrl,
    parse: parseTcbInfo,
    source: tcbInfoSource(pck && toHex(pck.fmspc)),
  })
  await list.run(
    'tdx.tcbInfo.time',
    [tcbInfo],
    (info: TcbInfo) => requireCurrent({ ...info, at, subject: 'TCB info' }),
    () => describeWindow(tcbInfo!),
  )
  const ownInfo = await list.run('tdx.tcbInfo.platform', [tcbInfo, pck], requirePlatform)
  const identity = await checkText(list, o, {
    id: 'tdx.qeIdentity.signature',
    member: 'enclaveIdentity',
    text: o.collateral.qeIdentity,
    chainPem: o.collateral.qeIdentityIssuerChainPem,
    rootCrl,
    parse: parseQeIdentity,
    source: qeIdentitySource,
  })
  await list.run(
    'tdx.qeIdentity.time',
    [identity],
    (found: QeIdentity) => requireCurrent({ ...found, at, subject: 'QE identity' }),
    () => describeWindow(identity!),
  )
  await list.run(
    'tdx.module',
    [ownInfo, quote],
    (info: TcbInfo, parsed: TdxQuote) => {
      const module = assessModule(info, parsed.body)
      return module === undefined ? 'version 0, signed by Intel' : `${module.id} ${describeAssessment(module)}`
    },
    (text: string) => text,
  )
  await list.run(
    'tdx.platform',
    [ownInfo, quote, pck],
    (info: TcbInfo, parsed: TdxQuote, extension: PckExtension) =>
      assessPlatform({ tcbInfo: info, pck: extension, teeTcbSvn: parsed.body.teeTcbSvn }),
    describeAssessment,
  )
  await list.run(
    'tdx.qe.identity',
    [identity, quote],
    (found: QeIdentity, parsed: TdxQuote) => assessQe(found, parsed.qeReport),
    describeAssessment,
  )
}

/** @returns the root's list, verified */
async function checkRevocation(list: Checklist, o: PlatformInput): Promise<Crl | undefined> {
  const { chain, collateral, at } = o
  const context: VerifyContext = { primitives: o.primitives, cache: o.cache }
  const verified = async (
    id: CheckId,
    der: Uint8Array | undefined,
    issuer: Certificate | undefined,
    source: string,
    file: string | undefined,
  ): Promise<Crl | undefined> => {
    if (der === undefined) {
      list.skip(id, `The revocation list was not given: ${source}`)
      return undefined
    }
    return list.run(
      id,
      [issuer],
      async (authority: Certificate) => {
        const crl = crlOf(der, context)
        await verifyCrl({ crl, issuer: authority, at, ...context })
        return crl
      },
      (crl) => describeCrl(crl) + from(file),
    )
  }
  const { files = {} } = o
  const { rootCaCrl } = collateral
  const rootCrl = await verified('tdx.crl.root', rootCaCrl, chain?.at(-1), rootCrlSource, files.rootCaCrl)
  const pckCrl = await verified(
    'tdx.crl.pck',
    collateral.pckCrl,
    chain?.[1],
    pckCrlSource(chain?.[1]?.subject.commonName),
    files.pckCrl,
  )
  await list.run('tdx.pck.revocation', [chain, rootCrl, pckCrl], (given: Certificate[], ...crls: [Crl, Crl]) =>
    verifyPath({ chain: given, anchors: o.anchors, at, crls, requireCrls: true, ...context }),
  )
  return rootCrl
}

async function checkText<T extends { tcbEvaluationDataNumber: number }>(
  list: Checklist,
  o: PlatformInput,
  text: {
    id: CheckId
    member: 'tcbInfo' | 'enclaveIdentity'
    text: string | undefined
    chainPem: string | undefined
    rootCrl: Crl | undefined
    parse: (body: string) => T
    /** Where to get it. */
    source: string
  },
): Promise<T | undefined> {
  if (text.text === undefined || text.chainPem === undefined) {
    list.skip(text.id, `${signedTexts[text.member]} with the certificates of its signer was not given; ${text.source}`)
    return undefined
  }
  const [signed, issuerChainPem] = [text.text, text.chainPem]
  const file = o.files?.[text.member === 'tcbInfo' ? 'tcbInfo' : 'qeIdentity']
  return list.run(
    text.id,
    [text.rootCrl],
    async (rootCrl: Crl) => {
      const { member } = text
      const { anchors, at, primitives, cache } = o
      const by = { anchors, crls: [rootCrl], at, primitives, cache }
      return verifySignedText({ ...by, text: signed, member, issuerChainPem, read: text.parse })
    },
    (read: T) => `evaluation data number ${read.tcbEvaluationDataNumber}${from(file)}`,
  )
}

function requirePlatform(info: TcbInfo, pck: PckExtension): TcbInfo {
  for (const [code, name] of [
    ['FmspcMismatch', 'fmspc'],
    ['PceIdMismatch', 'pceId'],
  ] as const) {
    if (equal(info[name], pck[name])) continue
    throw new VerificationError({
      code,
      message: `TCB info is of another platform (${name})`,
      subject: 'TCB info',
      expected: toHex(pck[name]),
      found: toHex(info[name]),
    })
  }
  return info
}

function describeAssessment(assessment: TcbAssessment): string {
  const date = assessment.tcbDate === undefined ? '' : `, TCB of ${assessment.tcbDate.toISOString().slice(0, 10)}`
  return `${assessment.status}${date}${assessment.advisoryIds.length === 0 ? '' : `, ${assessment.advisoryIds.join(' ')}`}`
}

function describeWindow(text: { issueDate: Date; nextUpdate: Date }): string {
  return `${text.issueDate.toISOString()} to ${text.nextUpdate.toISOString()}`
}

function describeCrl({ issuer, revoked, nextUpdate, extensions }: Crl): string {
  const number = findExtension(extensions, oid.crlNumber)?.value
  // An INTEGER whose length is one byte (RFC 5280, 5.2.3): 20 bytes at most.
  const shown = number === undefined ? '' : ` ${toHex(number.subarray(2))}`
  const list = `list${shown} of ${describeName(issuer)}`
  return `${revoked.size} revoked, next update ${nextUpdate?.toISOString()}, ${list}`
}

const from = (file: string | undefined): string => (file === undefined ? '' : `, from ${file}`)
