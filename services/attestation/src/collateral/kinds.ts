import { collateralPaths } from '@strongroom/contract'
import { parseCertificate, parseCrl, parsePem, readEndorsement, toHex, type Certificate } from '@strongroom/evidence'
import { textOf } from '../core/text.ts'

type Vendor = 'amd' | 'intel'

/** What a path of the collateral service contains (contract `collateralPaths`). */
export interface CollateralKind {
  vendor: Vendor
  /** For people. */
  name: string
  /** When a body expires. Throws if the body does not match the path. */
  expiryOf(body: Uint8Array): Date
  /** When the vendor created it; the later of two wins, whichever expires later. */
  issuedOf(body: Uint8Array): Date
  /** Increases with the vendor's knowledge, and takes precedence over the time of issue; absent if the vendor has no such number. */
  editionOf?(body: Uint8Array): number
  /** The path that a body states for itself; absent if it does not. Throws like `expiryOf`. */
  pathOf?(body: Uint8Array): string
  /** One per chip: unused ones are removed. */
  ofOneChip?: true
}

type Times = Pick<CollateralKind, 'expiryOf' | 'issuedOf' | 'editionOf'>

const crl: Times = { expiryOf: crlExpiry, issuedOf: (body) => parseCrl(body).thisUpdate }
const certificate: Times = {
  expiryOf: (body) => parseCertificate(body).notAfter,
  issuedOf: (body) => parseCertificate(body).notBefore,
}
const authorities: Times = {
  expiryOf: (body) => new Date(Math.min(...authoritiesIn(body).map(({ notAfter }) => notAfter.getTime()))),
  issuedOf: (body) => new Date(Math.max(...authoritiesIn(body).map(({ notBefore }) => notBefore.getTime()))),
}
const json = (member: 'tcbInfo' | 'enclaveIdentity'): Times => ({
  expiryOf: (body) => jsonTime(body, member, 'nextUpdate'),
  issuedOf: (body) => jsonTime(body, member, 'issueDate'),
  editionOf: (body) => Number(jsonMember(body, member, 'tcbEvaluationDataNumber') ?? 0),
})

const kinds: readonly [RegExp, CollateralKind][] = [
  [
    /^\/(vcek|vlek)\/v1\/[A-Za-z]{1,20}\/cert_chain$/,
    { vendor: 'amd', name: 'AMD authorities', ...authorities, pathOf: authoritiesPath },
  ],
  [/^\/(vcek|vlek)\/v1\/[A-Za-z]{1,20}\/crl$/, { vendor: 'amd', name: 'AMD revocation list', ...crl }],
  [
    /^\/vcek\/v1\/[A-Za-z]{1,20}\/[0-9a-f]{16,128}\?[A-Za-z]+=\d{1,3}(&[A-Za-z]+=\d{1,3}){0,7}$/,
    { vendor: 'amd', name: 'VCEK certificate', ...certificate, pathOf: vcekPath, ofOneChip: true },
  ],
  [
    /^\/tdx\/certification\/v4\/tcb\?fmspc=[0-9a-f]{12}$/,
    { vendor: 'intel', name: 'TDX TCB info', ...json('tcbInfo'), pathOf: tcbInfoPath },
  ],
  [
    /^\/tdx\/certification\/v4\/tcb\?fmspc=[0-9a-f]{12}&update=early$/,
    { vendor: 'intel', name: 'TDX TCB info, early', ...json('tcbInfo'), pathOf: earlyTcbInfoPath },
  ],
  [
    /^\/tdx\/certification\/v4\/qe\/identity$/,
    { vendor: 'intel', name: 'TDX QE identity', ...json('enclaveIdentity') },
  ],
  [
    /^\/sgx\/certification\/v4\/pckcrl\?ca=(platform|processor)&encoding=der$/,
    { vendor: 'intel', name: 'PCK revocation list', ...crl, pathOf: pckCrlPath },
  ],
  [/^\/sgx\/certification\/v4\/rootcacrl$/, { vendor: 'intel', name: 'Intel root revocation list', ...crl }],
]

/** Undefined for a path that no vendor has. */
export function kindOf(path: string): CollateralKind | undefined {
  return kinds.find(([form]) => form.test(path))?.[1]
}

/** Below zero if the vendor created the first body of a kind before the second: by edition number if there is one, then by time. */
export function compareIssue(kind: CollateralKind, left: Uint8Array, right: Uint8Array): number {
  const byEdition = (kind.editionOf?.(left) ?? 0) - (kind.editionOf?.(right) ?? 0)
  return byEdition || kind.issuedOf(left).getTime() - kind.issuedOf(right).getTime()
}

function crlExpiry(body: Uint8Array): Date {
  const { nextUpdate } = parseCrl(body)
  if (nextUpdate === undefined) throw new Error('the revocation list does not say when the next one is due')
  return nextUpdate
}

function authoritiesIn(body: Uint8Array): Certificate[] {
  const certificates = parsePem(textOf(body))
  if (certificates.length !== 2)
    throw new Error(`the chain has ${certificates.length} certificates instead of ASK and ARK`)
  return certificates.map((der) => parseCertificate(der))
}

function authoritiesPath(body: Uint8Array): string {
  const [signer, root] = authoritiesIn(body).map(({ subject }) => subject.commonName ?? '')
  const path = collateralPaths.snpCertificateChain(root?.replace(/^ARK-/, '') ?? '')
  return signer?.startsWith('SEV-VLEK-') === true ? path.replace('/vcek/', '/vlek/') : path
}

function vcekPath(body: Uint8Array): string {
  const { product, hardwareId, tcb } = readEndorsement(parseCertificate(body))
  if (hardwareId === undefined) throw new Error('the certificate is of no chip')
  return collateralPaths.snpVcek({ product, hwid: toHex(hardwareId), ...tcb })
}

function tcbInfoPath(body: Uint8Array): string {
  return collateralPaths.tdxTcbInfo(fmspcIn(body))
}

/** The text does not name its set: its place does. */
function earlyTcbInfoPath(body: Uint8Array): string {
  return collateralPaths.tdxEarlyTcbInfo(fmspcIn(body))
}

const fmspcIn = (body: Uint8Array): string => String(jsonMember(body, 'tcbInfo', 'fmspc')).toLowerCase()

function pckCrlPath(body: Uint8Array): string {
  const { commonName = '' } = parseCrl(body).issuer
  const authority = (['platform', 'processor'] as const).find((name) => commonName.toLowerCase().includes(name))
  if (authority === undefined) throw new Error(`it is a list of ${commonName}`)
  return collateralPaths.tdxPckRevocationList(authority)
}

function jsonMember(body: Uint8Array, member: string, name: string): unknown {
  return (JSON.parse(textOf(body)) as Record<string, Record<string, unknown> | undefined>)[member]?.[name]
}

function jsonTime(body: Uint8Array, member: 'tcbInfo' | 'enclaveIdentity', name: 'issueDate' | 'nextUpdate'): Date {
  const time = new Date(String(jsonMember(body, member, name)))
  if (!Number.isNaN(time.getTime())) return time
  const missing = { issueDate: 'when it was made', nextUpdate: 'when the next one is due' }[name]
  throw new Error(`${member} does not say ${missing}`)
}
