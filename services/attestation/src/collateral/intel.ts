import { collateralChainHeaders, collateralPaths, type TdxCollateralBody } from '@strongroom/contract'
import { fromBase64Url, type TdxCollateral } from '@strongroom/evidence'
import { invalidParameter } from '../errors.ts'
import type { CollateralCache, CollateralItem } from './cache.ts'
import { firstThatHas } from './first.ts'
import { textOf } from '../text.ts'

/** Intel's collateral under the paths of its Provisioning Certification Service, all of it from one source. */
export class IntelCollateral {
  readonly #caches: readonly CollateralCache[]

  constructor(caches: readonly CollateralCache[]) {
    this.#caches = caches
  }

  /**
   * Undefined where no source knows the platform. @param fmspc 12 lower-case hexadecimal digits
   * @throws ServiceError CollateralUnavailable
   */
  async collateral(fmspc: string, authority: 'platform' | 'processor'): Promise<TdxCollateral | undefined> {
    return await firstThatHas(this.#caches, async (cache) => {
      const tcbInfo = await cache.get(collateralPaths.tdxTcbInfo(fmspc))
      if (tcbInfo === undefined) return undefined
      const [qeIdentity, pckCrl, rootCaCrl] = await Promise.all([
        cache.get(collateralPaths.tdxQeIdentity),
        cache.get(collateralPaths.tdxPckRevocationList(authority)),
        cache.get(collateralPaths.tdxRootRevocationList),
      ])
      if (qeIdentity === undefined || pckCrl === undefined || rootCaCrl === undefined) return undefined
      return {
        tcbInfo: textOf(tcbInfo.body),
        tcbInfoIssuerChainPem: chainOf(tcbInfo, collateralChainHeaders.tcbInfo),
        qeIdentity: textOf(qeIdentity.body),
        qeIdentityIssuerChainPem: chainOf(qeIdentity, collateralChainHeaders.qeIdentity),
        pckCrl: pckCrl.body,
        pckCrlIssuerChainPem: chainOf(pckCrl, collateralChainHeaders.pckCrl),
        rootCaCrl: rootCaCrl.body,
      }
    })
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

/** Issuer's chain in PEM of an item; empty where it has none. */
export function chainOf(item: Pick<CollateralItem, 'headers'>, header: string): string {
  return decodeURIComponent(item.headers[header] ?? '')
}
