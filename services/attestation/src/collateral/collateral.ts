import {
  collateralBundleFormat,
  collateralPaths,
  type CollateralBundle,
  type CollateralImport,
  type CollateralStatus,
} from '@strongroom/contract'
import type { TrustAnchor, TrustAnchors } from '@strongroom/evidence'
import type { Clock, Logger, Store, WireClient } from '@strongroom/platform'
import type { Anchors } from '../anchors/anchors.ts'
import { amdAuthoritiesPath } from './verified-with.ts'
import { AmdCollateral } from './amd.ts'
import { parseBundle, refuseBundle } from './bundle.ts'
import { CollateralCache, refreshAt, type VerifyItem } from './cache.ts'
import type { VendorEndpoints } from './endpoints.ts'
import { IntelCollateral } from './intel.ts'
import { kindOf } from './kinds.ts'
import type { Refusal } from './read-bundle.ts'
import { installationSource, vendorSource, type SourceName } from './sources.ts'
import { VendorBudget } from './vendor-budget.ts'
import { verifyBundle, verifyItem } from './verify-bundle.ts'
import { textOf } from '../core/text.ts'

/** How often due items are looked for. */
const refreshEveryMs = 10 * 60_000

export interface CollateralOptions {
  store: Store
  wire: WireClient
  clock: Clock
  logger: Logger
  /** Endorsements of the installation's own processors, for example https://collateral.strongroom.internal. */
  baseUrl: string
  endpoints: VendorEndpoints
  anchors: Anchors
}

/** The service's collateral: one cache for each source, kept fresh, exported and imported. */
export class Collateral {
  readonly amd: AmdCollateral
  readonly intel: IntelCollateral
  readonly #caches: Record<SourceName, CollateralCache>
  readonly #clock: Clock
  readonly #anchors: Anchors
  readonly #logger: Logger
  #timer: NodeJS.Timeout | undefined
  #refreshing: Promise<void> | undefined

  constructor(o: CollateralOptions) {
    this.#clock = o.clock
    this.#anchors = o.anchors
    this.#logger = o.logger
    this.#caches = {
      installation: new CollateralCache({
        ...o,
        source: installationSource(o),
        verify: verifierUnder(this.#rooted(o.anchors.all.simulated)),
      }),
      // A mirror may serve another installation's silicon, which some providers accept.
      vendors: new CollateralCache({
        ...o,
        source: vendorSource(o.endpoints, o.clock),
        verify: verifierUnder(o.anchors.anywhere),
        budget: new VendorBudget(o.clock),
      }),
    }
    this.amd = new AmdCollateral(this.#all())
    this.intel = new IntelCollateral(this.#all())
  }

  /** Refreshes what is due from now on, so that no evidence waits for it. */
  start(): void {
    const refresh = (): void => {
      this.refresh().catch((error: unknown) => this.#logger.error({ err: error }, 'collateral was not refreshed'))
    }
    this.#timer ??= setInterval(refresh, refreshEveryMs).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#refreshing?.catch(() => undefined)
    for (const cache of this.#all()) await cache.close()
  }

  /** Removes what is no longer used, and fetches everything due. */
  async refresh(): Promise<void> {
    this.#refreshing ??= (async () => {
      for (const cache of this.#all()) {
        await cache.prune()
        await cache.refreshDue()
      }
    })().finally(() => (this.#refreshing = undefined))
    await this.#refreshing
  }

  async status(): Promise<CollateralStatus> {
    const now = this.#clock.now()
    const status: CollateralStatus = { sources: [], items: [] }
    for (const cache of this.#all()) {
      await askForEarly(cache)
      const { name, endpoints } = cache.source
      status.sources.push({ name, endpoints })
      for (const { path, item } of await cache.list()) {
        const due = refreshAt(item)
        status.items.push({
          source: name,
          path,
          kind: kindOf(path)?.name ?? 'unknown',
          fetchedAt: item.fetchedAt.toISOString(),
          expiresAt: item.expiresAt.toISOString(),
          refreshAt: due.toISOString(),
          state: item.expiresAt <= now ? 'expired' : due <= now ? 'due' : 'current',
        })
      }
    }
    return status
  }

  /** Stored valid TCB infos of TDX platforms, the installation's own first. No source is asked. */
  async tcbInfos(): Promise<string[]> {
    const now = this.#clock.now()
    const lists = await Promise.all(this.#all().map(async (cache) => await cache.list(collateralPaths.tdxTcbInfo(''))))
    return lists.flat().flatMap(({ path, item }) => (!isEarly(path) && item.expiresAt > now ? [textOf(item.body)] : []))
  }

  /**
   * What one source has, without expired items: items of two sources are verified under different roots. A bundle is
   * complete: AMD's authorities are fetched if evidence came with its own chain, and items that nothing in the bundle
   * vouches for are left out.
   */
  async export(source: SourceName): Promise<CollateralBundle> {
    const cache = this.#caches[source]
    const authorities = new Set((await cache.list()).map(({ path }) => amdAuthoritiesPath(path)))
    authorities.delete(undefined)
    for (const path of authorities) await cache.get(path!).catch(() => undefined)
    const now = this.#clock.now()
    const current = (await cache.list()).filter(({ item }) => item.expiresAt > now)
    const paths = new Set(current.map(({ path }) => path))
    const hasIntelRoot = current.some(({ item }) => Object.keys(item.headers).length > 0)
    const items = current
      .filter(({ path }) => {
        if (path === collateralPaths.tdxRootRevocationList) return hasIntelRoot
        return paths.has(amdAuthoritiesPath(path) ?? path)
      })
      .map(({ path, item }) => ({ path, body: Buffer.from(item.body).toString('base64'), headers: item.headers }))
    return { format: collateralBundleFormat, version: 1, exportedAt: now.toISOString(), items }
  }

  /**
   * All of it or nothing. The roots that it verifies under determine where it is stored.
   * @throws ServiceError CollateralRefused with every item that is unreadable, out of date or does not verify
   */
  async import(value: unknown): Promise<CollateralImport> {
    const items = parseBundle(value)
    const at = this.#clock.now()
    const under = (simulated: boolean): Promise<Refusal[]> =>
      verifyBundle({ items, anchors: this.#rooted(simulated), at })
    const asVendors = await under(false)
    const asOwn = asVendors.length === 0 || !this.#anchors.all.simulated ? undefined : await under(true)
    const refusals = asOwn !== undefined && asOwn.length < asVendors.length ? asOwn : asVendors
    if (refusals.length > 0) throw refuseBundle(refusals)
    const source = asVendors.length === 0 ? 'vendors' : 'installation'
    const results: CollateralImport['results'] = []
    for (const { path, body, headers, expiresAt } of items) {
      const outcome = await this.#caches[source].put(path, { body, headers, expiresAt, fetchedAt: at })
      results.push({ path, source, outcome, expiresAt: expiresAt.toISOString() })
    }
    return { results }
  }

  #all(): CollateralCache[] {
    return [this.#caches.installation, this.#caches.vendors]
  }

  #rooted(simulated: boolean): TrustAnchors {
    const some = (anchors: readonly TrustAnchor[]): TrustAnchor[] =>
      anchors.filter(({ spkiSha256 }) => this.#anchors.isSimulated(spkiSha256) === simulated)
    const { amd, intel } = this.#anchors.all
    return { simulated, amd: some(amd), intel: some(intel) }
  }
}

function verifierUnder(anchors: TrustAnchors): VerifyItem {
  return async (item, o) => await verifyItem(item, { ...o, anchors })
}

const isEarly = (path: string): boolean => path.endsWith('&update=early')

/** The vendor's next set for each known platform. Nothing is verified with it, so it may be absent. */
async function askForEarly(cache: CollateralCache): Promise<void> {
  for (const { path } of await cache.list(collateralPaths.tdxTcbInfo('')))
    if (!isEarly(path)) await cache.get(`${path}&update=early`).catch(() => undefined)
}
