import { countOf, type Store } from '@strongroom/platform'
import type { ExpressionBuilder, ExpressionWrapper, Kysely, SqlBool } from 'kysely'
import type { Tables } from '../store/tables.ts'
import type { CollateralItem } from './collateral-item.ts'
import { kindOf } from './kinds.ts'
import type { SourceName } from './sources.ts'

/** An item with the time (ms) of its last recorded use; infinity if not needed. */
export interface KeptItem {
  item: CollateralItem
  usedAt: number
}

/** Maximum chip certificates kept per source: anybody can cause one to be fetched by a report of that chip. */
export const chipLimit = 10_000
/** A fetched chip certificate unused for this long is removed. */
const idleMs = 90 * 24 * 3600_000

/** What is stored for one source, and how much. */
export class CollateralRows {
  readonly #db: Kysely<Tables>
  readonly #source: SourceName
  readonly #limit: number
  #newChips = 0

  constructor(o: { store: Store; source: SourceName; chipLimit?: number | undefined }) {
    this.#db = o.store.db as Kysely<Tables>
    this.#source = o.source
    this.#limit = o.chipLimit ?? chipLimit
  }

  async find(path: string): Promise<KeptItem | undefined> {
    const row = await this.#db
      .selectFrom('collateral')
      .selectAll()
      .where('path', '=', this.#key(path))
      .executeTakeFirst()
    return row === undefined ? undefined : storedOf(row)
  }

  /** Everything under paths with this prefix, including expired items; by path. @param endsBefore only what expires before this */
  async list(prefix: string, endsBefore?: Date): Promise<{ path: string; item: CollateralItem }[]> {
    let rows = this.#db.selectFrom('collateral').selectAll()
    if (endsBefore !== undefined) rows = rows.where('expires_at', '<=', endsBefore.toISOString())
    const found = await rows
      .where('path', 'like', `${this.#key(prefix)}%`)
      .orderBy('path')
      .execute()
    return found.map((row) => ({ path: row.path.slice(this.#key('').length), item: storedOf(row).item }))
  }

  /** What an operator imported stays marked so, even once a newer version was fetched. */
  async write(path: string, { item, usedAt }: KeptItem, o: { imported: boolean }): Promise<void> {
    const ofOneChip = usedAt !== Infinity
    const row = {
      body: Buffer.from(item.body).toString('base64url'),
      headers: JSON.stringify(item.headers),
      fetched_at: item.fetchedAt.toISOString(),
      expires_at: item.expiresAt.toISOString(),
      used_at: ofOneChip ? new Date(usedAt).toISOString() : null,
      ...(o.imported && { imported: 1 }),
    }
    await this.#db
      .insertInto('collateral')
      .values({ path: this.#key(path), imported: 0, ...row })
      .onConflict((conflict) => conflict.column('path').doUpdateSet(row))
      .execute()
    // Counting on each write would be slow when thousands arrive.
    if (ofOneChip && ++this.#newChips >= Math.ceil(this.#limit / 100)) await this.#trim()
  }

  async noteImport(path: string): Promise<void> {
    await this.#db.updateTable('collateral').set({ imported: 1 }).where('path', '=', this.#key(path)).execute()
  }

  async noteUse(path: string, at: Date): Promise<void> {
    const used = { used_at: at.toISOString() }
    await this.#db.updateTable('collateral').set(used).where('path', '=', this.#key(path)).execute()
  }

  /**
   * Removes expired chip certificates, and fetched ones no longer used. Other expired items stay until a newer one
   * arrives: their date prevents an older one from replacing them.
   */
  async prune(now: Date): Promise<void> {
    const at = now.toISOString()
    const idleSince = new Date(now.getTime() - idleMs).toISOString()
    await this.#db
      .deleteFrom('collateral')
      .where((of) => this.#chips(of))
      .where((of) =>
        of.or([of('expires_at', '<=', at), of.and([of('imported', '=', 0), of('used_at', '<', idleSince)])]),
      )
      .execute()
    await this.#trim()
  }

  /** Beyond the limit, the longest unused are removed, fetched ones before imported ones. */
  async #trim(): Promise<void> {
    this.#newChips = 0
    const kept = this.#db.selectFrom('collateral').where((of) => this.#chips(of))
    const surplus = (await countOf(this.#db, kept)) - this.#limit
    if (surplus <= 0) return
    const leaving = this.#db
      .selectFrom('collateral')
      .select('path')
      .where((of) => this.#chips(of))
      .orderBy('imported')
      .orderBy('used_at')
      .limit(surplus)
    await this.#db.deleteFrom('collateral').where('path', 'in', leaving).execute()
  }

  #chips(of: ExpressionBuilder<Tables, 'collateral'>): ExpressionWrapper<Tables, 'collateral', SqlBool> {
    return of.and([of('used_at', 'is not', null), of('path', 'like', `${this.#key('')}%`)])
  }

  /** Two sources may have items under one path: both have processors of one line. */
  #key(path: string): string {
    return `${this.#source}:${path}`
  }
}

/** An item used just now. */
export function usedNow(path: string, item: CollateralItem, now: Date): KeptItem {
  return { item, usedAt: kindOf(path)?.ofOneChip === true ? now.getTime() : Infinity }
}

function storedOf(row: Tables['collateral']): KeptItem {
  const item = {
    body: Uint8Array.from(Buffer.from(row.body, 'base64url')),
    headers: JSON.parse(row.headers) as Record<string, string>,
    expiresAt: new Date(row.expires_at),
    fetchedAt: new Date(row.fetched_at),
  }
  return { item, usedAt: row.used_at === null ? Infinity : Date.parse(row.used_at) }
}
