import { collateralChainHeaders, collateralPaths, type TdxCollateralBody } from '@strongroom/contract'
import { fromBase64Url, type TdxCollateral } from '@strongroom/evidence'
import { invalidParameter } from '../errors.ts'
import { crlExpiry } from './amd.ts'
import type { CollateralCache, CollateralItem } from './cache.ts'

/** Intel's collateral from the collateral service, under the paths of its Provisioning Certification Service. */
export class IntelCollateral {
  readonly #cache: CollateralCache

  constructor(cache: CollateralCache) {
    this.#cache = cache
  }

  /** Undefined where the service does not know the platform. @param fmspc 12 lower-case hexadecimal digits */
  async collateral(fmspc: string, authority: 'platform' | 'processor'): Promise<TdxCollateral | undefined> {
    const tcbInfo = await this.#cache.get(collateralPaths.tdxTcbInfo(fmspc), (body) => jsonExpiry(body, 'tcbInfo'))
    if (tcbInfo === undefined) return undefined
    const [qeIdentity, pckCrl, rootCaCrl] = await Promise.all([
      this.#cache.get(collateralPaths.tdxQeIdentity, (body) => jsonExpiry(body, 'enclaveIdentity')),
      this.#cache.get(collateralPaths.tdxPckRevocationList(authority), crlExpiry),
      this.#cache.get(collateralPaths.tdxRootRevocationList, crlExpiry),
    ])
    if (qeIdentity === undefined || pckCrl === undefined || rootCaCrl === undefined) return undefined
    return {
      tcbInfo: text(tcbInfo.body),
      tcbInfoIssuerChainPem: chainOf(tcbInfo, collateralChainHeaders.tcbInfo),
      qeIdentity: text(qeIdentity.body),
      qeIdentityIssuerChainPem: chainOf(qeIdentity, collateralChainHeaders.qeIdentity),
      pckCrl: pckCrl.body,
      pckCrlIssuerChainPem: chainOf(pckCrl, collateralChainHeaders.pckCrl),
      rootCaCrl: rootCaCrl.body,
    }
  }
}

/** Collateral that came with a request. @throws ServiceError InvalidParameter */
export function collateralFromRequest(value: unknown): TdxCollateral | undefined {
  if (value === undefined || value === null) return undefined
  const body = value as Partial<Record<keyof TdxCollateralBody, unknown>>
  const textOf = (name: keyof TdxCollateralBody): string => {
    const member = body[name]
    if (typeof member === 'string' && member !== '') return member
    throw invalidParameter({
      target: `collateral.${name}`,
      message: `collateral.${name} is missing.`,
      expected: 'text',
    })
  }
  const bytesOf = (name: keyof TdxCollateralBody): Uint8Array => {
    try {
      return fromBase64Url(textOf(name))
    } catch (cause) {
      throw invalidParameter({
        target: `collateral.${name}`,
        message: `collateral.${name} is not base64url.`,
        expected: 'base64url text',
        cause,
      })
    }
  }
  return {
    tcbInfo: textOf('tcbInfo'),
    tcbInfoIssuerChainPem: textOf('tcbInfoIssuerChainPem'),
    qeIdentity: textOf('qeIdentity'),
    qeIdentityIssuerChainPem: textOf('qeIdentityIssuerChainPem'),
    pckCrl: bytesOf('pckCrl'),
    pckCrlIssuerChainPem: textOf('pckCrlIssuerChainPem'),
    rootCaCrl: bytesOf('rootCaCrl'),
  }
}

function jsonExpiry(body: Uint8Array, member: 'tcbInfo' | 'enclaveIdentity'): Date {
  const json = JSON.parse(text(body)) as Record<string, { nextUpdate?: unknown } | undefined>
  const expiry = new Date(String(json[member]?.nextUpdate))
  if (Number.isNaN(expiry.getTime())) throw new Error(`${member} does not say when the next one is due`)
  return expiry
}

function chainOf(item: CollateralItem, header: string): string {
  return decodeURIComponent(item.headers[header] ?? '')
}

const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes)
