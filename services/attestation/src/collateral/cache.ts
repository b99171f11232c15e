import { ServiceError, type Clock, type Logger, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.ts'
import { kindOf } from './kinds.ts'
import type { CollateralSource, FetchedCollateral, SourceName } from './sources.ts'

/** One answer of a source. */
export interface CollateralItem extends FetchedCollateral {
  expiresAt: Date
  fetchedAt: Date
}

/** Fetched again this long before it expires, or at a tenth of its life where that is shorter. */
const longestMarginMs = 24 * 3600_000
/** That a source has no such item is believed for so long. */
const absenceMs = 60_000
/** A refresh that failed is tried again after so long. */
const retryMs = 60_000

/**
 * Endorsements of one source by path: in memory, in the store, and from addresses that the operator chose. Nothing in a
 * request can make it call another (attack K7). Expired items are never given out.
 */
export class CollateralCache {
  readonly source: CollateralSource
  readonly #db: Kysely<Tables>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #items = new Map<string, CollateralItem>()
  readonly #fetching = new Map<string, Promise<CollateralItem | undefined>>()
  readonly #absentUntil = new Map<string, number>()
  readonly #retryAt = new Map<string, number>()

  constructor(o: { store: Store; clock: Clock; logger: Logger; source: CollateralSource }) {
    this.source = o.source
    this.#db = o.store.db as Kysely<Tables>
    this.#clock = o.clock
    this.#logger = o.logger
  }

  /**
   * Undefined where the source says that it has none, or is never asked and nothing was imported.
   * @throws ServiceError CollateralUnavailable (503) where it cannot be had and none that is kept counts any more
   */
  async get(path: string): Promise<CollateralItem | undefined> {
    const now = this.#clock.now().getTime()
    const isHere = (this.#items.get(path)?.expiresAt.getTime() ?? 0) > now
    // Another process may have put a newer one there; another caller may fetch it while the store is read.
    const stored = isHere ? undefined : await this.#fromStore(path)
    const kept = this.#items.get(path) ?? stored
    const valid = kept !== undefined && kept.expiresAt.getTime() > now
    if (!this.source.asks(path)) {
      if (kept !== undefined && !valid) throw unavailable(path, new Error('what was imported has expired'))
      return kept
    }
    if (valid) {
      // Nobody waits for a source while what is kept counts.
      if (now >= refreshAt(kept).getTime() && now >= (this.#retryAt.get(path) ?? 0)) void this.#refresh(path)
      return kept
    }
    if (now < (this.#absentUntil.get(path) ?? 0)) return undefined
    try {
      return await this.#fetchOnce(path)
    } catch (error) {
      throw unavailable(path, error)
    }
  }

  /** Fetches what is due before anybody waits for it. What fails is logged, and tried again. */
  async refreshDue(): Promise<void> {
    const now = this.#clock.now()
    for (const { path, item } of await this.list())
      if (refreshAt(item) <= now && this.source.asks(path)) await this.#refresh(path)
  }

  /** Lets end what is being fetched. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#fetching.values())
  }

  /** Everything that is kept of this source under paths that begin so, also what has expired; by path. */
  async list(prefix = ''): Promise<{ path: string; item: CollateralItem }[]> {
    const rows = await this.#db
      .selectFrom('collateral')
      .selectAll()
      .where('path', 'like', `${keyOf(this.source.name, prefix)}%`)
      .orderBy('path')
      .execute()
    return rows.map((row) => ({ path: row.path.slice(keyOf(this.source.name, '').length), item: itemOf(row) }))
  }

  /** Keeps an item that came otherwise; what is newer stays while it counts. The caller has verified it. */
  async put(path: string, item: CollateralItem): Promise<'imported' | 'kept'> {
    const present = await this.#fromStore(path)
    const counts = present !== undefined && present.expiresAt > this.#clock.now()
    if (counts && !isNewer(path, item, present)) return 'kept'
    remember(this.#items, path, item)
    this.#absentUntil.delete(path)
    await this.#toStore(path, item)
    return 'imported'
  }

  /** Never throws: what is kept still counts until it expires. */
  async #refresh(path: string): Promise<void> {
    if (this.#fetching.has(path)) return
    let error: unknown
    const item = await this.#fetchOnce(path).catch((caught: unknown) => void (error = caught))
    if (item !== undefined) return
    remember(this.#retryAt, path, this.#clock.now().getTime() + retryMs)
    this.#logger.warn({ err: error, path }, 'collateral could not be refreshed')
  }

  #fetchOnce(path: string): Promise<CollateralItem | undefined> {
    let fetching = this.#fetching.get(path)
    if (fetching === undefined) {
      fetching = this.#fetch(path).finally(() => this.#fetching.delete(path))
      this.#fetching.set(path, fetching)
    }
    return fetching
  }

  async #fetch(path: string): Promise<CollateralItem | undefined> {
    const fetchedAt = this.#clock.now()
    const kind = kindOf(path)
    if (kind === undefined) throw new TypeError('no vendor has this path')
    const answer = await this.source.fetch(path)
    if (answer === undefined) {
      remember(this.#absentUntil, path, fetchedAt.getTime() + absenceMs)
      return undefined
    }
    const expiresAt = kind.expiryOf(answer.body)
    if (!(expiresAt > fetchedAt)) throw new Error(`the answer expired at ${String(expiresAt)}`)
    const present = this.#items.get(path) ?? (await this.#fromStore(path))
    if (present !== undefined && kind.issuedOf(answer.body) < kind.issuedOf(present.body))
      throw new Error('the answer is older than what is kept')
    const item = { body: answer.body, headers: chainHeaders(answer.headers), expiresAt, fetchedAt }
    remember(this.#items, path, item)
    await this.#toStore(path, item)
    return item
  }

  async #fromStore(path: string): Promise<CollateralItem | undefined> {
    const key = keyOf(this.source.name, path)
    const row = await this.#db.selectFrom('collateral').selectAll().where('path', '=', key).executeTakeFirst()
    if (row === undefined) return undefined
    const item = itemOf(row)
    remember(this.#items, path, item)
    return item
  }

  async #toStore(path: string, item: CollateralItem): Promise<void> {
    const row = {
      body: Buffer.from(item.body).toString('base64url'),
      headers: JSON.stringify(item.headers),
      fetched_at: item.fetchedAt.toISOString(),
      expires_at: item.expiresAt.toISOString(),
    }
    await this.#db
      .insertInto('collateral')
      .values({ path: keyOf(this.source.name, path), ...row })
      .onConflict((conflict) => conflict.column('path').doUpdateSet(row))
      .execute()
  }
}

/** Items of two sources may lie under one path: both have processors of one line. */
const keyOf = (source: SourceName, path: string): string => `${source}:${path}`

function itemOf(row: Tables['collateral']): CollateralItem {
  return {
    body: Uint8Array.from(Buffer.from(row.body, 'base64url')),
    headers: JSON.parse(row.headers) as Record<string, string>,
    expiresAt: new Date(row.expires_at),
    fetchedAt: new Date(row.fetched_at),
  }
}

/** Of an answer's headers only those that carry the issuer's chain. */
export function chainHeaders(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.endsWith('-issuer-chain')))
}

/** A later list may end sooner: what the vendor made last holds. */
function isNewer(path: string, item: CollateralItem, present: CollateralItem): boolean {
  const kind = kindOf(path)
  const [issued, before] = [item, present].map(({ body }) => kind?.issuedOf(body).getTime() ?? 0) as [number, number]
  return issued === before ? item.expiresAt > present.expiresAt : issued > before
}

/** When an item is fetched again. */
export function refreshAt(item: { fetchedAt: Date; expiresAt: Date }): Date {
  const life = item.expiresAt.getTime() - item.fetchedAt.getTime()
  return new Date(item.expiresAt.getTime() - Math.min(longestMarginMs, life / 10))
}

/** Paths hold chip ids from requests, so the memory is bounded; the oldest goes first. */
function remember<T>(map: Map<string, T>, path: string, value: T): void {
  map.delete(path)
  map.set(path, value)
  if (map.size > 500) map.delete(map.keys().next().value!)
}

function unavailable(path: string, cause: unknown): ServiceError {
  return new ServiceError({
    code: 'CollateralUnavailable',
    status: 503,
    message: `The endorsements at ${path.split('?')[0]} cannot be had, so the evidence cannot be verified.`,
    target: path,
    expected: 'current collateral from the collateral service',
    found: cause instanceof ServiceError ? cause.code : 'an answer that is no current collateral',
    remedy:
      'See that the collateral service answers, or import a newer bundle (strongroom collateral import), then repeat the request.',
    headers: { 'retry-after': (cause instanceof ServiceError ? cause.headers?.['retry-after'] : undefined) ?? '5' },
    cause,
  })
}
