import { ServiceError, type Clock, type Logger, type Store, type WireClient } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.ts'

/** One answer of the collateral service. */
export interface CollateralItem {
  body: Uint8Array
  /** Names in lower case. */
  headers: Record<string, string>
  expiresAt: Date
}

/** When a body stops to count; throws where the body is not what the path promises. */
export type ExpiryOf = (body: Uint8Array) => Date

/** Fetched again this long before it expires, or at a tenth of its life where that is shorter. */
const longestMarginMs = 24 * 3600_000
/** That the collateral service has no such item is believed for so long. */
const absenceMs = 60_000
/** A refresh that failed is tried again after so long; until then what is there still counts. */
const retryMs = 60_000

/**
 * Vendor endorsements by path: in memory, in the store, and from one address that the operator chose. Nothing in a
 * request can make it call another (attack K7). Expired items are never given out.
 */
export class CollateralCache {
  readonly #db: Kysely<Tables>
  readonly #wire: WireClient
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #baseUrl: string
  readonly #items = new Map<string, CollateralItem & { fetchedAt: Date }>()
  readonly #fetching = new Map<string, Promise<CollateralItem | undefined>>()
  readonly #absentUntil = new Map<string, number>()
  readonly #retryAt = new Map<string, number>()

  constructor(o: { store: Store; wire: WireClient; clock: Clock; logger: Logger; baseUrl: string }) {
    this.#db = o.store.db as Kysely<Tables>
    this.#wire = o.wire
    this.#clock = o.clock
    this.#logger = o.logger
    this.#baseUrl = o.baseUrl.replace(/\/$/, '')
  }

  /**
   * Undefined where the collateral service says that it has none.
   * @throws ServiceError CollateralUnavailable (503) where it cannot be had and none that is kept counts any more
   */
  async get(path: string, expiryOf: ExpiryOf): Promise<CollateralItem | undefined> {
    const now = this.#clock.now().getTime()
    const stored = this.#items.has(path) ? undefined : await this.#fromStore(path)
    // Another caller may have fetched it while the store was read.
    const kept = this.#items.get(path) ?? stored
    const valid = kept !== undefined && kept.expiresAt.getTime() > now
    if (valid && (now < refreshAt(kept) || now < (this.#retryAt.get(path) ?? 0))) return kept
    if (!valid && now < (this.#absentUntil.get(path) ?? 0)) return undefined
    try {
      return await this.#fetchOnce(path, expiryOf)
    } catch (error) {
      if (valid) {
        this.#logger.warn(
          { err: error, path, expiresAt: kept.expiresAt.toISOString() },
          'collateral could not be refreshed',
        )
        remember(this.#retryAt, path, now + retryMs)
        return kept
      }
      throw unavailable(path, error)
    }
  }

  #fetchOnce(path: string, expiryOf: ExpiryOf): Promise<CollateralItem | undefined> {
    let fetching = this.#fetching.get(path)
    if (fetching === undefined) {
      fetching = this.#fetch(path, expiryOf).finally(() => this.#fetching.delete(path))
      this.#fetching.set(path, fetching)
    }
    return fetching
  }

  async #fetch(path: string, expiryOf: ExpiryOf): Promise<CollateralItem | undefined> {
    const fetchedAt = this.#clock.now()
    let answer
    try {
      answer = await this.#wire.request<Uint8Array>({
        method: 'GET',
        url: `${this.#baseUrl}${path}`,
        accept: 'bytes',
        timeoutMs: 10_000,
      })
    } catch (error) {
      if (!(error instanceof ServiceError && error.status === 404)) throw error
      remember(this.#absentUntil, path, fetchedAt.getTime() + absenceMs)
      return undefined
    }
    const body = Uint8Array.from(answer.body)
    const expiresAt = expiryOf(body)
    if (!(expiresAt > fetchedAt)) throw new Error(`the answer expired at ${String(expiresAt)}`)
    const headers = Object.fromEntries(
      Object.entries(answer.headers).filter(([name]) => name.endsWith('-issuer-chain')),
    )
    const item = { body, headers, expiresAt, fetchedAt }
    remember(this.#items, path, item)
    await this.#toStore(path, item)
    return item
  }

  async #fromStore(path: string): Promise<(CollateralItem & { fetchedAt: Date }) | undefined> {
    const row = await this.#db.selectFrom('collateral').selectAll().where('path', '=', path).executeTakeFirst()
    if (row === undefined) return undefined
    const item = {
      body: Uint8Array.from(Buffer.from(row.body, 'base64url')),
      headers: JSON.parse(row.headers) as Record<string, string>,
      expiresAt: new Date(row.expires_at),
      fetchedAt: new Date(row.fetched_at),
    }
    remember(this.#items, path, item)
    return item
  }

  async #toStore(path: string, item: CollateralItem & { fetchedAt: Date }): Promise<void> {
    const row = {
      body: Buffer.from(item.body).toString('base64url'),
      headers: JSON.stringify(item.headers),
      fetched_at: item.fetchedAt.toISOString(),
      expires_at: item.expiresAt.toISOString(),
    }
    await this.#db
      .insertInto('collateral')
      .values({ path, ...row })
      .onConflict((conflict) => conflict.column('path').doUpdateSet(row))
      .execute()
  }
}

function refreshAt(item: { fetchedAt: Date; expiresAt: Date }): number {
  const life = item.expiresAt.getTime() - item.fetchedAt.getTime()
  return item.expiresAt.getTime() - Math.min(longestMarginMs, life / 10)
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
    remedy: 'See that the collateral service answers, then repeat the request.',
    headers: { 'retry-after': '5' },
    cause,
  })
}
