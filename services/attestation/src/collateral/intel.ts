import { collateralChainHeaders, collateralPaths, type TdxCollateralBody } from '@strongroom/contract'
import {
  certificateOf,
  equal,
  fromBase64Url,
  chainOf as pemChainOf,
  crlOf,
  utf8,
  type Certificate,
  type VerifyContext,
  type TdxCollateral,
} from '@strongroom/evidence'
import { invalidParameter } from '../core/errors.ts'
import type { CollateralItem } from './collateral-item.ts'
import type { CollateralCache } from './cache.ts'
import { firstThatHas } from './first.ts'
import { isListOf, requireNotOlder } from './precedence.ts'
import { textOf } from '../core/text.ts'

const pckCrlPath = collateralPaths.tdxPckRevocationList

/** Intel's collateral under the paths of its Provisioning Certification Service, all of it from one source. */
export class IntelCollateral {
  readonly #caches: readonly CollateralCache[]

  constructor(caches: readonly CollateralCache[]) {
    this.#caches = caches
  }

  /**
   * Undefined if no source knows the platform. Two roots may have platforms with one FMSPC (another installation's
   * silicon): collateral under another root belongs to another platform.
   * @param o.caller whose quote it is; absent for the platform's own
   * @throws ServiceError CollateralUnavailable, TooManyRequests
   */
  async collateral({
    fmspc,
    authority,
    root,
    caller,
    ...context
  }: PlatformIdentity & VerifyContext & { caller: string | undefined }): Promise<TdxCollateral | undefined> {
    return await firstThatHas(this.#caches, async (cache) => {
      const tcbInfo = await cache.get(collateralPaths.tdxTcbInfo(fmspc), caller)
      if (tcbInfo === undefined || !isUnder(root, chainOf(tcbInfo, collateralChainHeaders.tcbInfo), context))
        return undefined
      const [qeIdentity, pckCrl, rootCaCrl] = await Promise.all([
        cache.get(collateralPaths.tdxQeIdentity, caller),
        cache.get(pckCrlPath(authority), caller),
        cache.get(collateralPaths.tdxRootRevocationList, caller),
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

  /**
   * Compares collateral sent with a request with what is stored for the same root, even if expired: Intel's latest
   * wins.
   * @throws ServiceError InvalidParameter with CollateralSuperseded
   */
  async requireNotOlder(sent: TdxCollateral, platform: PlatformIdentity & VerifyContext): Promise<void> {
    const { fmspc, authority, root } = platform
    const { tcbInfo, qeIdentity, pckCrl } = collateralChainHeaders
    const under =
      (header: string) =>
      (kept: CollateralItem): boolean =>
        isUnder(root, chainOf(kept, header), platform)
    // The root's list comes without a chain: its own signature identifies the issuer.
    const signedByRoot = async ({ body }: CollateralItem): Promise<boolean> =>
      await isListOf(body, { ...platform, issuer: root, at: crlOf(body, platform).thisUpdate })
    const items: [
      keyof TdxCollateralBody,
      path: string,
      body: Uint8Array,
      isOfRoot: (kept: CollateralItem) => boolean | Promise<boolean>,
    ][] = [
      ['tcbInfo', collateralPaths.tdxTcbInfo(fmspc), utf8(sent.tcbInfo), under(tcbInfo)],
      ['qeIdentity', collateralPaths.tdxQeIdentity, utf8(sent.qeIdentity), under(qeIdentity)],
      ['pckCrl', pckCrlPath(authority), sent.pckCrl, under(pckCrl)],
      ['rootCaCrl', collateralPaths.tdxRootRevocationList, sent.rootCaCrl, signedByRoot],
    ]
    for (const cache of this.#caches)
      for (const [member, path, body, isOfRoot] of items) {
        const kept = await cache.kept(path)
        if (kept === undefined || !(await isOfRoot(kept))) continue
        requireNotOlder({ path, sent: body, kept: kept.body, target: `collateral.${member}` })
      }
  }
}

/** The platform of a PCK certificate, as collateral is looked up. */
export interface PlatformIdentity {
  /** 12 lower-case hexadecimal digits. */
  fmspc: string
  authority: 'platform' | 'processor'
  /** From the quote's chain. Roots are compared by key: the sender of a certificate may re-encode its signature (attack W3). */
  root: Certificate
}

function isUnder(root: Certificate, chainPem: string, context: VerifyContext): boolean {
  const ours = chainPem === '' ? undefined : pemChainOf(chainPem, context).at(-1)
  return ours !== undefined && equal(certificateOf(ours, context).publicKey.spki, root.publicKey.spki)
}

/** Collateral sent with a request. @throws ServiceError InvalidParameter */
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

/** An item's issuer chain in PEM; empty if it has none. */
export function chainOf(item: Pick<CollateralItem, 'headers'>, header: string): string {
  return decodeURIComponent(item.headers[header] ?? '')
}
