import { collateralPaths } from '@strongroom/contract'
import { parseCertificate, parseCrl, parsePem } from '@strongroom/evidence'
import type { CollateralCache } from './cache.ts'

/** DER of the three certificates under which an SNP report is signed. */
export interface SnpChain {
  vcek: Uint8Array
  ask: Uint8Array
  ark: Uint8Array
}

export interface VcekIdentity {
  product: string
  /** Chip id, lower-case hexadecimal. */
  hwid: string
  bootLoader: number
  tee: number
  snp: number
  microcode: number
}

/** AMD's endorsements from the collateral service, under the paths of its Key Distribution Service. */
export class AmdCollateral {
  readonly #cache: CollateralCache

  constructor(cache: CollateralCache) {
    this.#cache = cache
  }

  /** Undefined where the service does not know the chip or product. */
  async chain(identity: VcekIdentity): Promise<SnpChain | undefined> {
    const [vcek, authorities] = await Promise.all([
      this.#cache.get(collateralPaths.snpVcek(identity), (body) => parseCertificate(body).notAfter),
      this.#cache.get(collateralPaths.snpCertificateChain(identity.product), earliestExpiry),
    ])
    if (vcek === undefined || authorities === undefined) return undefined
    const [ask, ark] = parsePem(text(authorities.body))
    return { vcek: vcek.body, ask: ask!, ark: ark! }
  }

  async revocationList(product: string): Promise<Uint8Array | undefined> {
    const item = await this.#cache.get(collateralPaths.snpRevocationList(product), (body) => crlExpiry(body))
    return item?.body
  }
}

export function crlExpiry(body: Uint8Array): Date {
  const { nextUpdate } = parseCrl(body)
  if (nextUpdate === undefined) throw new Error('the revocation list does not say when the next one is due')
  return nextUpdate
}

function earliestExpiry(body: Uint8Array): Date {
  const certificates = parsePem(text(body))
  if (certificates.length !== 2)
    throw new Error(`the chain has ${certificates.length} certificates, and not ASK and ARK`)
  return new Date(Math.min(...certificates.map((der) => parseCertificate(der).notAfter.getTime())))
}

const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes)
