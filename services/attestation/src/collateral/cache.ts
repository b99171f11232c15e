import { collateralPaths } from '@strongroom/contract'
import type { Clock, Logger, Store } from '@strongroom/platform'
import type { CollateralItem } from './collateral-item.ts'
import { CollateralRows, usedNow, type KeptItem } from './collateral-rows.ts'
import { compareIssue, kindOf } from './kinds.ts'
import type { BundledItem, Refusal } from './read-bundle.ts'
import { RefusedAnswer, refusedIn, unavailable } from './refused-answer.ts'
import type { FetchedCollateral } from './collateral-item.ts'
import type { CollateralSource } from './sources.ts'
import { verifiedWith } from './verified-with.ts'
import type { VendorBudget } from './vendor-budget.ts'

/** Why an item is not accepted under the roots of its source; `items` contains it and what it may be verified with. */
export type VerifyItem = (
  item: BundledItem,
  o: { items: readonly BundledItem[]; at: Date },
) => Promise<readonly Refusal[]>

/** Refetched this long before it expires, or at a tenth of its lifetime if that is shorter. */
const longestMarginMs = 24 * 3600_000
/** How long a source's absent answer is cached. */
const absenceMs = 60_000
/** When a failed refresh, or a refused answer, is retried. */
const retryMs = 60_000
/** How often the use of a chip's certificate is recorded. */
const useNotedMs = 24 * 3600_000

/**
 * Endorsements of one source by path: in memory, in the store, and from addresses that the operator chose. Nothing in a
 * request can redirect it (attack K7). Answers are verified before they are stored; expired items are never returned.
 */
export class CollateralCache {
  readonly source: CollateralSource
  readonly #rows: CollateralRows
  readonly #verify: VerifyItem
  readonly #budget: VendorBudget | undefined
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #items = new Map<string, KeptItem>()
  readonly #fetching = new Map<string, Promise<CollateralItem | undefined>>()
  readonly #absentUntil = new Map<string, number>()
  readonly #retryAt = new Map<string, number>()
  readonly #refused = new Map<string, RefusedAnswer>()
  readonly #noting = new Set<Promise<void>>()

  constructor(o: {
    store: Store
    clock: Clock
    logger: Logger
    source: CollateralSource
    verify: VerifyItem
    /** How much callers may request from the source; unlimited if absent. */
    budget?: VendorBudget
    chipLimit?: number
  }) {
    this.source = o.source
    this.#rows = new CollateralRows({ store: o.store, source: o.source.name, chipLimit: o.chipLimit })
    this.#verify = o.verify
    this.#budget = o.budget
    this.#clock = o.clock
    this.#logger = o.logger
  }

  /**
   * Undefined if the source has none, or is never asked and nothing was imported.
   * @param caller whose evidence needs it; absent for the service itself
   * @throws ServiceError CollateralUnavailable (503) if the source is unavailable and no stored item is valid;
   *   TooManyRequests (429) if this caller has requested too much
   */
  async get(path: string, caller?: string): Promise<CollateralItem | undefined> {
    const now = this.#clock.now().getTime()
    const isHere = (this.#items.get(path)?.item.expiresAt.getTime() ?? 0) > now
    // Another process may have stored a newer one; another caller may fetch it while the store is read.
    const stored = isHere ? undefined : await this.#fromStore(path)
    const kept = this.#items.get(path) ?? stored
    const valid = kept !== undefined && kept.item.expiresAt.getTime() > now
    if (valid && now - kept.usedAt >= useNotedMs) this.#noteUse(path, kept, now)
    if (!this.source.asks(path)) {
      if (kept !== undefined && !valid) throw unavailable(path, new Error('what was imported has expired'), now)
      return kept?.item
    }
    if (valid) {
      // Nobody waits for a source while the stored item is valid.
      if (now >= refreshAt(kept.item).getTime() && now >= (this.#retryAt.get(path) ?? 0)) void this.#refresh(path)
      return kept.item
    }
    if (now < (this.#absentUntil.get(path) ?? 0)) return undefined
    const refused = this.#refused.get(path)
    if (refused !== undefined && now < refused.until) throw unavailable(path, refused, now)
    // Waiting for another caller's request is not counted.
    if (caller !== undefined && !this.#fetching.has(path)) this.#budget?.take(caller)
    try {
      return await this.#fetchOnce(path)
    } catch (error) {
      throw unavailable(path, error, now)
    }
  }

  /** Fetches what is due before anybody waits for it. Failures are logged, and retried. */
  async refreshDue(): Promise<void> {
    const now = this.#clock.now()
    for (const { path, item } of await this.#rows.list('', new Date(now.getTime() + longestMarginMs)))
      if (refreshAt(item) <= now && this.source.asks(path)) await this.#refresh(path)
  }

  /** Removes what nobody needs. */
  async prune(): Promise<void> {
    await this.#rows.prune(this.#clock.now())
  }

  /** Waits for running fetches and writes. */
  async close(): Promise<void> {
    while (this.#fetching.size + this.#noting.size > 0)
      await Promise.allSettled([...this.#fetching.values(), ...this.#noting])
  }

  /** Everything stored for this source under paths with this prefix, including expired items; by path. */
  async list(prefix = ''): Promise<{ path: string; item: CollateralItem }[]> {
    return await this.#rows.list(prefix)
  }

  /** What is stored under a path, even if expired. No source is asked. */
  async kept(path: string): Promise<CollateralItem | undefined> {
    return (this.#items.get(path) ?? (await this.#fromStore(path)))?.item
  }

  /** Stores an item from elsewhere, unless the stored one is newer, even if expired. The caller has verified it. */
  async put(path: string, item: CollateralItem): Promise<'imported' | 'kept'> {
    const now = this.#clock.now()
    const present = (await this.#fromStore(path))?.item
    if (present !== undefined && !replaces(path, item, present, now)) {
      await this.#rows.noteImport(path)
      return 'kept'
    }
    await this.#keep(path, usedNow(path, item, now), { imported: true })
    this.#absentUntil.delete(path)
    return 'imported'
  }

  /** Never throws: the stored item stays valid until it expires. */
  async #refresh(path: string): Promise<void> {
    if (this.#fetching.has(path)) return
    let error: unknown
    const item = await this.#fetchOnce(path).catch((caught: unknown) => void (error = caught))
    if (item !== undefined) return
    remember(this.#retryAt, path, this.#clock.now().getTime() + retryMs)
    if (refusedIn(error) === undefined) this.#logger.warn({ err: error, path }, 'collateral could not be refreshed')
  }

  #fetchOnce(path: string): Promise<CollateralItem | undefined> {
    let fetching = this.#fetching.get(path)
    if (fetching === undefined) {
      fetching = this.#fetch(path)
        .catch((error: unknown) => {
          this.#noteRefused(path, error)
          throw error
        })
        .finally(() => this.#fetching.delete(path))
      this.#fetching.set(path, fetching)
    }
    return fetching
  }

  #noteRefused(path: string, error: unknown): void {
    const refused = refusedIn(error)
    if (refused === undefined) return
    remember(this.#refused, path, refused)
    this.#logger.warn({ err: error, path, source: this.source.name }, 'collateral from a source was refused')
  }

  async #fetch(path: string): Promise<CollateralItem | undefined> {
    const kind = kindOf(path)
    if (kind === undefined) throw new TypeError('no vendor has this path')
    const answer = await this.source.fetch(path)
    const fetchedAt = this.#clock.now()
    if (answer === undefined) {
      remember(this.#absentUntil, path, fetchedAt.getTime() + absenceMs)
      return undefined
    }
    const refuse = (found: string, expected = kind.name): never => {
      throw new RefusedAnswer({ path, expected, found }, fetchedAt.getTime() + retryMs)
    }
    const headers = chainHeaders(answer.headers)
    const read = bundled(path, { body: answer.body, headers })
    if (typeof read === 'string') return refuse(read)
    const [refusal] = await this.#verify(read, { items: [read, ...(await this.#beside(path))], at: fetchedAt })
    if (refusal !== undefined) return refuse(refusal.found, refusal.expected)
    const present = await this.kept(path)
    if (present !== undefined && compareIssue(kind, answer.body, present.body) < 0)
      return refuse('one that is older than what is kept')
    const item = { body: answer.body, headers, expiresAt: read.expiresAt, fetchedAt }
    await this.#keep(path, usedNow(path, item, fetchedAt), { imported: false })
    return item
  }

  /** What an item of this path is verified with, which must be available; and the list of Intel's root, if stored. */
  async #beside(path: string): Promise<BundledItem[]> {
    const by = verifiedWith(path)
    const needed = by === undefined ? undefined : await this.get(by)
    const found: [string, CollateralItem | undefined][] = [[by ?? '', needed]]
    if (path.startsWith('/tdx/')) {
      const list = collateralPaths.tdxRootRevocationList
      const kept = await this.kept(list)
      if (kept !== undefined && kept.expiresAt > this.#clock.now()) found.push([list, kept])
    }
    return found.flatMap(([each, item]) => {
      const read = item === undefined ? undefined : bundled(each, item)
      return typeof read === 'object' ? [read] : []
    })
  }

  async #fromStore(path: string): Promise<KeptItem | undefined> {
    const kept = await this.#rows.find(path)
    if (kept !== undefined) remember(this.#items, path, kept)
    return kept
  }

  async #keep(path: string, kept: KeptItem, o: { imported: boolean }): Promise<void> {
    remember(this.#items, path, kept)
    await this.#rows.write(path, kept, o)
  }

  /** Nobody waits for this. */
  #noteUse(path: string, kept: KeptItem, now: number): void {
    kept.usedAt = now
    const noting = this.#rows
      .noteUse(path, new Date(now))
      .catch((error: unknown) => this.#logger.warn({ err: error, path }, 'use of collateral was not noted'))
      .finally(() => this.#noting.delete(noting))
    this.#noting.add(noting)
  }
}

/** An item in bundle form, or why it does not fit this path. */
function bundled(path: string, { body, headers }: FetchedCollateral): BundledItem | string {
  const kind = kindOf(path)
  if (kind === undefined) return 'a path that no vendor has'
  try {
    return { path, kind, body, headers, expiresAt: kind.expiryOf(body) }
  } catch (error) {
    return (error as Error).message
  }
}

/** Only the answer's headers that contain the issuer's chain. */
function chainHeaders(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.endsWith('-issuer-chain')))
}

/** A later list may expire sooner: the vendor's latest wins. At equal times, the one valid (longer) wins. */
function replaces(path: string, item: CollateralItem, present: CollateralItem, now: Date): boolean {
  const kind = kindOf(path)
  const order = kind === undefined ? 0 : compareIssue(kind, item.body, present.body)
  return order === 0 ? present.expiresAt <= now || item.expiresAt > present.expiresAt : order > 0
}

/** When an item is refetched. */
export function refreshAt(item: { fetchedAt: Date; expiresAt: Date }): Date {
  const life = item.expiresAt.getTime() - item.fetchedAt.getTime()
  return new Date(item.expiresAt.getTime() - Math.min(longestMarginMs, life / 10))
}

/** Paths contain chip ids from requests, so the memory is bounded; the oldest is evicted first. */
function remember<T>(map: Map<string, T>, path: string, value: T): void {
  map.delete(path)
  map.set(path, value)
  if (map.size > 500) map.delete(map.keys().next().value!)
}
