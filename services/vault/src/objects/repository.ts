import {
  forUpdate,
  repeatedQuery,
  repeatedRows,
  RowCache,
  type DatabaseTransaction,
  type Store,
} from '@strongroom/platform'
import type { Kysely, SelectQueryBuilder, Transaction } from 'kysely'
import type { Tables } from '../store/migrations.ts'
import type { ObjectRow, VersionRow } from '../store/tables.ts'
import type { DeletedAt, ShownRow, Versioned } from './versioned.ts'

/**
 * Names and versions are read and written alike for keys, secrets and certificates, so the queries are typed by the
 * common columns of one pair of tables and run on each.
 */
interface CommonTables {
  objects: ObjectRow
  versions: VersionRow
}

export interface RowForm<V extends Versioned, Row extends VersionRow> {
  tables: {
    objects: 'key_object' | 'secret_object' | 'certificate_object'
    versions: 'key_version' | 'secret_version' | 'certificate_version'
  }
  fromRow(row: ShownRow<Row>): V
  toRow(object: V, ordinal: number): Row
  /** The columns that an update writes. */
  changed(object: V): Partial<Row>
}

export interface Name {
  vault: string
  name: string
}

type JoinedRow = VersionRow & Pick<ObjectRow, 'shown_name' | 'deleted_at' | 'purge_at'>

/** Most recently read versions kept in memory. */
const foundVersions = 256

/** Rows of objects and their versions. `deleted` picks the soft-deleted ones or the others, never both. */
export class ObjectRepository<V extends Versioned, Row extends VersionRow> {
  protected readonly store: Store
  readonly #form: RowForm<V, Row>

  readonly #current: (...values: (string | number)[]) => Promise<JoinedRow | undefined>
  readonly #named: (...values: (string | number)[]) => Promise<JoinedRow | undefined>

  readonly #page: Record<'live' | 'deleted', (...values: (string | number)[]) => Promise<JoinedRow[]>>

  readonly #found: RowCache<V>

  constructor(store: Store, form: RowForm<V, Row>) {
    this.store = store
    this.#form = form
    this.#current = repeatedQuery(this.db, this.#versionQuery({ vault: '', name: '' }))
    this.#named = repeatedQuery(this.db, this.#versionQuery({ vault: '', name: '', version: '0' }))
    this.#page = {
      live: repeatedRows(this.db, this.#pageQuery(false)),
      deleted: repeatedRows(this.db, this.#pageQuery(true)),
    }
    this.#found = new RowCache({ store, tables: [form.tables.versions, form.tables.objects], limit: foundVersions })
  }

  protected get db(): Kysely<Tables> {
    return this.store.db as Kysely<Tables>
  }

  object({ vault, name }: Name, tx?: DatabaseTransaction): Promise<ObjectRow | undefined> {
    return this.#common(tx)
      .selectFrom(this.#objects)
      .selectAll()
      .where('objects.vault', '=', vault)
      .where('objects.name', '=', name)
      .executeTakeFirst()
  }

  /** Creates the object's own row if missing, and locks it until the transaction ends. */
  async lockObject(tx: DatabaseTransaction, o: Name, shownName?: string): Promise<ObjectRow | undefined> {
    if (shownName !== undefined) {
      await (tx as Transaction<Tables>)
        .insertInto(this.#form.tables.objects)
        .values({ vault: o.vault, name: o.name, shown_name: shownName, deleted_at: null, purge_at: null } as never)
        .onConflict((conflict) => conflict.columns(['vault', 'name']).doNothing())
        .execute()
    }
    return forUpdate(
      this.store,
      this.#common(tx)
        .selectFrom(this.#objects)
        .selectAll()
        .where('objects.vault', '=', o.vault)
        .where('objects.name', '=', o.name),
    ).executeTakeFirst()
  }

  async insertVersion(tx: DatabaseTransaction, object: V): Promise<void> {
    const last = await this.#common(tx)
      .selectFrom(this.#versions)
      .select('ordinal')
      .where('versions.vault', '=', object.vault)
      .where('versions.name', '=', object.name)
      .orderBy('ordinal', 'desc')
      .limit(1)
      .executeTakeFirst()
    await (tx as Transaction<Tables>)
      .insertInto(this.#form.tables.versions)
      .values(this.#form.toRow(object, (last?.ordinal ?? 0) + 1) as never)
      .execute()
  }

  async updateVersion(tx: DatabaseTransaction, object: V): Promise<void> {
    await (tx as Transaction<Tables>)
      .updateTable(this.#form.tables.versions as 'key_version')
      .set(this.#form.changed(object) as never)
      .where('vault', '=', object.vault)
      .where('name', '=', object.name)
      .where('version', '=', object.version)
      .execute()
  }

  /** The current version by default. */
  async version(
    o: Name & { version?: string | undefined; deleted?: boolean },
    tx?: DatabaseTransaction,
  ): Promise<V | undefined> {
    // Requests look up live keys; other lookups are rare.
    if (tx === undefined && o.deleted !== true) {
      return this.#found.get(`${o.vault}/${o.name}/${o.version ?? ''}`, async () => {
        const row =
          o.version === undefined
            ? await this.#current(o.vault, o.name, 1)
            : await this.#named(o.vault, o.name, o.version, 1)
        return row && this.#read(row)
      })
    }
    const row = await this.#versionQuery(o, tx).executeTakeFirst()
    return row && this.#read(row)
  }

  /** Versions of one object in creation order. */
  async versions(o: Name & { after: number; limit: number }): Promise<{ version: V; ordinal: number }[]> {
    const rows = await this.#joined(false)
      .where('versions.vault', '=', o.vault)
      .where('versions.name', '=', o.name)
      .where('versions.ordinal', '>', o.after)
      .orderBy('versions.ordinal')
      .limit(o.limit)
      .execute()
    return rows.map((row) => ({ version: this.#read(row), ordinal: row.ordinal }))
  }

  /** Current versions in name order. */
  async current(o: {
    vault: string
    after: string
    limit: number
    deleted: boolean
  }): Promise<(V & Partial<DeletedAt>)[]> {
    const rows = await this.#page[o.deleted ? 'deleted' : 'live'](o.vault, o.after, o.limit)
    return rows.map((row) => ({ ...this.#read(row), ...deletedOf(row) }))
  }

  async setDeleted(tx: DatabaseTransaction, o: Name, deleted: DeletedAt | undefined): Promise<void> {
    await (tx as Transaction<Tables>)
      .updateTable(this.#form.tables.objects as 'key_object')
      .set({ deleted_at: deleted?.deletedAt ?? null, purge_at: deleted?.purgeAt ?? null })
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .execute()
  }

  /** Whether the name has versions, including deleted ones. */
  async isUsed(tx: DatabaseTransaction, o: Name): Promise<boolean> {
    const query = this.#common(tx).selectFrom(this.#versions).select('versions.version')
    const found = query.where('versions.vault', '=', o.vault).where('versions.name', '=', o.name)
    return (await found.limit(1).executeTakeFirst()) !== undefined
  }

  /** For a key or a secret that belongs to the certificate of its name. */
  async setManaged(tx: DatabaseTransaction, o: Name): Promise<void> {
    await (tx as Transaction<Tables>)
      .updateTable(this.#form.tables.objects as 'key_object')
      .set({ managed: 1 })
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .execute()
  }

  async remove(tx: DatabaseTransaction, o: Name): Promise<void> {
    for (const table of [this.#form.tables.versions, this.#form.tables.objects]) {
      await (tx as Transaction<Tables>)
        .deleteFrom(table as 'key_object')
        .where('vault', '=', o.vault)
        .where('name', '=', o.name)
        .execute()
    }
  }

  /** Soft-deleted objects whose retention has ended. */
  async due(now: number, limit: number): Promise<Name[]> {
    return this.#common()
      .selectFrom(this.#objects)
      .select(['objects.vault', 'objects.name'])
      .where('purge_at', '<=', now)
      .orderBy('purge_at')
      .limit(limit)
      .execute()
  }

  #pageQuery(deleted: boolean): SelectQueryBuilder<CommonTables, 'versions' | 'objects', JoinedRow> {
    return this.#joined(deleted)
      .where('versions.vault', '=', '')
      .where('versions.name', '>', '')
      .where('versions.ordinal', '=', (eb) =>
        eb
          .selectFrom(this.#tableOfVersions('other'))
          .select((inner) => inner.fn.max('other.ordinal').as('highest'))
          .whereRef('other.vault', '=', 'versions.vault')
          .whereRef('other.name', '=', 'versions.name'),
      )
      .orderBy('versions.name')
      .limit(1)
  }

  #versionQuery(
    o: Name & { version?: string | undefined; deleted?: boolean },
    tx?: DatabaseTransaction,
  ): SelectQueryBuilder<CommonTables, 'versions' | 'objects', JoinedRow> {
    const query = this.#joined(o.deleted ?? false, tx)
      .where('versions.vault', '=', o.vault)
      .where('versions.name', '=', o.name)
    const named = o.version === undefined ? query : query.where('versions.version', '=', o.version)
    return named.orderBy('versions.ordinal', 'desc').limit(1)
  }

  #common(tx?: DatabaseTransaction): Kysely<CommonTables> {
    return (tx ?? this.store.db) as unknown as Kysely<CommonTables>
  }

  /** Kysely reads `table as alias`; types follow the alias. */
  get #objects(): 'objects' {
    return `${this.#form.tables.objects} as objects` as 'objects'
  }

  get #versions(): 'versions' {
    return this.#tableOfVersions('versions') as 'versions'
  }

  #tableOfVersions<Alias extends string>(alias: Alias): `versions as ${Alias}` {
    return `${this.#form.tables.versions} as ${alias}` as `versions as ${Alias}`
  }

  #joined(
    deleted: boolean,
    tx?: DatabaseTransaction,
  ): SelectQueryBuilder<CommonTables, 'versions' | 'objects', JoinedRow> {
    return this.#common(tx)
      .selectFrom(this.#versions)
      .innerJoin(this.#objects, (join) =>
        join.onRef('objects.vault', '=', 'versions.vault').onRef('objects.name', '=', 'versions.name'),
      )
      .selectAll('versions')
      .select(['objects.shown_name', 'objects.deleted_at', 'objects.purge_at'])
      .where('objects.deleted_at', deleted ? 'is not' : 'is', null)
  }

  #read(row: JoinedRow): V {
    return this.#form.fromRow(row as unknown as ShownRow<Row>)
  }
}

function deletedOf(row: Pick<ObjectRow, 'deleted_at' | 'purge_at'>): Partial<DeletedAt> {
  return row.deleted_at === null ? {} : { deletedAt: row.deleted_at, purgeAt: row.purge_at ?? row.deleted_at }
}
