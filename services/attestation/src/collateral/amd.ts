import { collateralPaths } from '@strongroom/contract'
import { crlOf, parsePem, type Certificate, type SnpChain, type VerifyContext } from '@strongroom/evidence'
import type { CollateralCache } from './cache.ts'
import { textOf } from '../core/text.ts'
import { firstThatHas } from './first.ts'
import { isListOf, requireNotOlder } from './precedence.ts'

export interface VcekIdentity {
  product: string
  /** Chip id, lower-case hexadecimal. */
  hwid: string
  /** Turin and later. */
  fmc: number
  bootLoader: number
  tee: number
  snp: number
  microcode: number
}

/** AMD's endorsements under the paths of its Key Distribution Service, from the first source that has them. */
export class AmdCollateral {
  readonly #caches: readonly CollateralCache[]

  constructor(caches: readonly CollateralCache[]) {
    this.#caches = caches
  }

  /**
   * Undefined if no source knows the chip or product.
   * @param caller whose report it is; absent for the platform's own
   * @throws ServiceError CollateralUnavailable, TooManyRequests
   */
  async chain(identity: VcekIdentity, caller?: string): Promise<SnpChain | undefined> {
    return await firstThatHas(this.#caches, async (cache) => {
      const [vcek, authorities] = await Promise.all([
        cache.get(collateralPaths.snpVcek(identity), caller),
        cache.get(collateralPaths.snpCertificateChain(identity.product), caller),
      ])
      if (vcek === undefined || authorities === undefined) return undefined
      const [ask, ark] = parsePem(textOf(authorities.body))
      return { vcek: vcek.body, ask: ask!, ark: ark! }
    })
  }

  /**
   * The list signed by this root: two sources may have processor lines of one name. Undefined if no source has one.
   * @throws ServiceError CollateralUnavailable, TooManyRequests; VerificationError for a list of this root that is not
   * current
   */
  async revocationList(
    o: VerifyContext & { product: string; issuer: Certificate; at: Date; caller: string | undefined },
  ): Promise<Uint8Array | undefined> {
    return await firstThatHas(this.#caches, async (cache) => {
      const item = await cache.get(collateralPaths.snpRevocationList(o.product), o.caller)
      return item !== undefined && (await isListOf(item.body, o)) ? item.body : undefined
    })
  }

  /**
   * Compares a list sent with a request with the stored ones of the same root, including expired ones.
   * @throws ServiceError InvalidParameter with CollateralSuperseded
   */
  async requireNotOlder(sent: Uint8Array, o: VerifyContext & { product: string; issuer: Certificate }): Promise<void> {
    const path = collateralPaths.snpRevocationList(o.product)
    for (const cache of this.#caches) {
      const kept = await cache.kept(path)
      if (kept === undefined || !(await isListOf(kept.body, { ...o, at: crlOf(kept.body, o).thisUpdate }))) continue
      requireNotOlder({ path, sent, kept: kept.body, target: 'report.Crl' })
    }
  }
}
