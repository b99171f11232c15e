import { parseCertificate, parseCrl, parsePem } from '@strongroom/evidence'
import { textOf } from '../text.ts'

export type Vendor = 'amd' | 'intel'

/** What lies under a path of the collateral service (contract `collateralPaths`). */
export interface CollateralKind {
  vendor: Vendor
  /** For people. */
  name: string
  /** When a body stops to count. Throws where the body is not what the path promises. */
  expiryOf(body: Uint8Array): Date
}

const kinds: readonly [RegExp, CollateralKind][] = [
  [
    /^\/(vcek|vlek)\/v1\/[A-Za-z]{1,20}\/cert_chain$/,
    { vendor: 'amd', name: 'AMD authorities', expiryOf: authoritiesExpiry },
  ],
  [/^\/(vcek|vlek)\/v1\/[A-Za-z]{1,20}\/crl$/, { vendor: 'amd', name: 'AMD revocation list', expiryOf: crlExpiry }],
  [
    /^\/vcek\/v1\/[A-Za-z]{1,20}\/[0-9a-f]{16,128}\?[A-Za-z]+=\d{1,3}(&[A-Za-z]+=\d{1,3}){0,7}$/,
    { vendor: 'amd', name: 'VCEK certificate', expiryOf: (body) => parseCertificate(body).notAfter },
  ],
  [
    /^\/tdx\/certification\/v4\/tcb\?fmspc=[0-9a-f]{12}$/,
    { vendor: 'intel', name: 'TDX TCB info', expiryOf: (body) => jsonExpiry(body, 'tcbInfo') },
  ],
  [
    /^\/tdx\/certification\/v4\/qe\/identity$/,
    { vendor: 'intel', name: 'TDX QE identity', expiryOf: (body) => jsonExpiry(body, 'enclaveIdentity') },
  ],
  [
    /^\/sgx\/certification\/v4\/pckcrl\?ca=(platform|processor)&encoding=der$/,
    { vendor: 'intel', name: 'PCK revocation list', expiryOf: crlExpiry },
  ],
  [
    /^\/sgx\/certification\/v4\/rootcacrl$/,
    { vendor: 'intel', name: 'Intel root revocation list', expiryOf: crlExpiry },
  ],
]

/** Undefined for a path that no vendor has. */
export function kindOf(path: string): CollateralKind | undefined {
  return kinds.find(([form]) => form.test(path))?.[1]
}

function crlExpiry(body: Uint8Array): Date {
  const { nextUpdate } = parseCrl(body)
  if (nextUpdate === undefined) throw new Error('the revocation list does not say when the next one is due')
  return nextUpdate
}

function authoritiesExpiry(body: Uint8Array): Date {
  const certificates = parsePem(textOf(body))
  if (certificates.length !== 2)
    throw new Error(`the chain has ${certificates.length} certificates, and not ASK and ARK`)
  return new Date(Math.min(...certificates.map((der) => parseCertificate(der).notAfter.getTime())))
}

function jsonExpiry(body: Uint8Array, member: 'tcbInfo' | 'enclaveIdentity'): Date {
  const json = JSON.parse(textOf(body)) as Record<string, { nextUpdate?: unknown } | undefined>
  const expiry = new Date(String(json[member]?.nextUpdate))
  if (Number.isNaN(expiry.getTime())) throw new Error(`${member} does not say when the next one is due`)
  return expiry
}
