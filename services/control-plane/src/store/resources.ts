import { randomUUID } from 'node:crypto'
import { forUpdate, ServiceError, type Clock, type Store } from '@strongroom/platform'
import type { Kysely, Transaction } from 'kysely'
import { keyOf, parseResourceId } from '../arm/ids/resource-id.ts'
import { insertIfAbsent } from './rows.ts'
import type { Tables } from './tables.ts'

export type Json = Record<string, unknown>
export type Db = Kysely<Tables>

/** What a resource shows besides its id, name, type and location. */
export interface ResourceBody {
  properties: Json
  tags?: Record<string, string>
  sku?: Json
  zones?: string[]
  identity?: Json
}

export interface Resource<Internal = Json> {
  key: string
  id: string
  type: string
  resourceGroup: string
  name: string
  location: string
  body: ResourceBody
  internal: Internal
  etag: string
  createdAt: string
  updatedAt: string
}

export interface NewResource<Internal> {
  id: string
  location: string
  body: ResourceBody
  internal?: Internal
}

/**
 * Whether the resource is of the type, and so has that type's internal data.
 * @param type in any case
 */
export const isOfType = <I>(resource: Resource<unknown> | undefined, type: string): resource is Resource<I> =>
  resource?.type === type.toLowerCase()

/** Observes every write to rows of some types, inside the writing transaction. */
export interface ResourceWatch {
  /** In lower case. */
  readonly types: ReadonlySet<string>
  changed(tx: Db, before: Resource<unknown> | undefined, after: Resource<unknown> | undefined): Promise<void>
}

/** Tables of what is attached to a scope and deleted with it. */
const atScopes = ['role_assignment', 'management_lock'] as const

/** The rows behind every resource. Methods with `tx` run inside the caller's transaction. */
export class ResourceStore {
  readonly #store: Store
  readonly #clock: Clock
  #watch: ResourceWatch | undefined

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  watch(watch: ResourceWatch): void {
    this.#watch = watch
  }

  get db(): Db {
    return this.#store.db as Db
  }

  async transaction<T>(work: (tx: Db) => Promise<T>): Promise<T> {
    return await this.#store.transaction(async (tx) => await work(tx as Transaction<Tables>))
  }

  async find<I = Json>(id: string, db: Db = this.db): Promise<Resource<I> | undefined> {
    const row = await db.selectFrom('resource').selectAll().where('key', '=', keyOf(id)).executeTakeFirst()
    return row === undefined ? undefined : toResource<I>(row)
  }

  /** @throws ServiceError ResourceGroupNotFound, ResourceNotFound in Azure's words */
  async get<I = Json>(id: string, db: Db = this.db): Promise<Resource<I>> {
    const found = await this.find<I>(id, db)
    if (found !== undefined) return found
    const parsed = parseResourceId(id)
    const group = parsed?.resourceGroup ?? ''
    await this.requireGroup(id, db)
    throw new ServiceError({
      code: 'ResourceNotFound',
      status: 404,
      message:
        `The Resource '${parsed?.type ?? ''}/${parsed?.names.join('/') ?? id}' under resource group '${group}' was ` +
        'not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix',
    })
  }

  /** Locks the selected rows until the transaction ends. */
  forUpdate<Q extends { forUpdate(): Q }>(query: Q): Q {
    return forUpdate(this.#store, query)
  }

  /** The group's row for any id inside it. @throws ServiceError ResourceGroupNotFound */
  async requireGroup(id: string, db: Db = this.db): Promise<Resource> {
    const parts = id.split('/')
    const group = await this.find(parts.slice(0, 5).join('/'), db)
    if (group !== undefined) return group
    throw new ServiceError({
      code: 'ResourceGroupNotFound',
      message: `Resource group '${parts[4] ?? ''}' could not be found.`,
    })
  }

  /**
   * The group's row for any id inside it, locked until the transaction ends: two requests that create the same
   * resource, or one that creates and one that deletes the group, are serialised.
   * @throws ServiceError ResourceGroupNotFound, ResourceGroupBeingDeleted
   */
  async lockGroup(tx: Db, id: string, o: { evenDeleting?: boolean } = {}): Promise<Resource> {
    const key = keyOf(id.split('/').slice(0, 5).join('/'))
    await forUpdate(this.#store, tx.selectFrom('resource').select('key').where('key', '=', key)).executeTakeFirst()
    const group = await this.requireGroup(id, tx)
    if (group.body.properties['provisioningState'] !== 'Deleting' || o.evenDeleting === true) return group
    throw new ServiceError({
      code: 'ResourceGroupBeingDeleted',
      message: `The resource group '${group.name}' is in deprovisioning state and cannot perform this operation.`,
      remedy: 'Wait until it is gone.',
    })
  }

  /** The row, locked until the transaction ends, unchanged. Undefined if there is no such resource. */
  async lock<I = Json>(tx: Db, id: string): Promise<Resource<I> | undefined> {
    const row = await this.#lockedRow(tx, id)
    return row === undefined ? undefined : toResource<I>(row)
  }

  /** Like `get`, locked until the transaction ends. @throws ServiceError like `get` */
  async getLocked<I = Json>(tx: Db, id: string): Promise<Resource<I>> {
    return (await this.lock<I>(tx, id)) ?? (await this.get<I>(id, tx))
  }

  async #lockedRow(tx: Db, id: string): Promise<Tables['resource'] | undefined> {
    const query = tx.selectFrom('resource').selectAll().where('key', '=', keyOf(id))
    return await forUpdate(this.#store, query).executeTakeFirst()
  }

  /** Resources of one type, or of all; by name. */
  async list<I = Json>(filter: ResourceFilter, db: Db = this.db): Promise<Resource<I>[]> {
    return (await selection(filter, db).orderBy('key').execute()).map((row) => toResource<I>(row))
  }

  /** At most `limit` of them, in the same order: those after the key `after`, whether or not a resource has that key. */
  async page<I = Json>(filter: ResourceFilter, o: { after?: string; limit: number }): Promise<Resource<I>[]> {
    let query = selection(filter, this.db)
    if (o.after !== undefined) query = query.where('key', '>', o.after)
    return (await query.orderBy('key').limit(o.limit).execute()).map((row) => toResource<I>(row))
  }

  async insert<I = Json>(tx: Db, o: NewResource<I>): Promise<Resource<I>> {
    const row = this.#row(o)
    await tx.insertInto('resource').values(row).execute()
    const made = toResource<I>(row)
    if (this.#watch?.types.has(row.type) === true) await this.#watch.changed(tx, undefined, made)
    return made
  }

  /** Undefined if there is one already. */
  async insertIfNew(tx: Db, o: NewResource<unknown>): Promise<Resource | undefined> {
    const row = this.#row(o)
    return (await insertIfAbsent(tx.insertInto('resource').values(row))) ? toResource(row) : undefined
  }

  #row(o: NewResource<unknown>): Tables['resource'] {
    const parsed = parseResourceId(o.id)
    if (parsed === undefined) throw new TypeError(`not a resource id: ${o.id}`)
    const now = this.#clock.now().toISOString()
    return {
      key: parsed.key,
      id: parsed.id,
      type: parsed.type.toLowerCase(),
      resource_group: parsed.resourceGroup.toLowerCase(),
      name: parsed.name,
      location: o.location,
      body: JSON.stringify(o.body),
      internal: JSON.stringify(o.internal ?? {}),
      etag: randomUUID(),
      created_at: now,
      updated_at: now,
    }
  }

  /** Undefined if another request created the same resource first. */
  async insertNew(o: NewResource<never>): Promise<Resource | undefined> {
    return await this.transaction(async (tx) => await this.insertIfNew(tx, o))
  }

  /** Reads the row with a lock, applies `change`, and writes it. Undefined if there is no such resource. */
  async change<I = Json>(
    tx: Db,
    id: string,
    change: (resource: Resource<I>) => void,
  ): Promise<Resource<I> | undefined> {
    const row = await this.#lockedRow(tx, id)
    if (row === undefined) return undefined
    const watch = this.#watch?.types.has(row.type) === true ? this.#watch : undefined
    const resource = toResource<I>(row)
    change(resource)
    resource.etag = randomUUID()
    resource.updatedAt = this.#clock.now().toISOString()
    await tx
      .updateTable('resource')
      .set({
        location: resource.location,
        body: JSON.stringify(resource.body),
        internal: JSON.stringify(resource.internal),
        etag: resource.etag,
        updated_at: resource.updatedAt,
      })
      .where('key', '=', resource.key)
      .execute()
    // Reads the row's old state again: `change` has modified the other copy.
    if (watch !== undefined) await watch.changed(tx, toResource(row), resource)
    return resource
  }

  /** Like `change`, in its own transaction. */
  async update<I = Json>(id: string, change: (resource: Resource<I>) => void): Promise<Resource<I> | undefined> {
    return await this.transaction(async (tx) => await this.change<I>(tx, id, change))
  }

  /**
   * Gives a row another id. Metering ends under the old one and begins under the new. Roles assigned at it are removed;
   * the caller moves addresses and locks.
   */
  async rename(tx: Db, before: Resource, to: Resource): Promise<Resource> {
    const after = { ...to, etag: randomUUID(), updatedAt: this.#clock.now().toISOString() }
    const watch = this.#watch?.types.has(before.type) === true ? this.#watch : undefined
    await watch?.changed(tx, before, undefined)
    await tx
      .updateTable('resource')
      .set({
        key: after.key,
        id: after.id,
        resource_group: after.resourceGroup,
        body: JSON.stringify(after.body),
        internal: JSON.stringify(after.internal),
        etag: after.etag,
        updated_at: after.updatedAt,
      })
      .where('key', '=', before.key)
      .execute()
    await this.#removeAt(tx, 'role_assignment', before.key)
    await watch?.changed(tx, undefined, after)
    return after
  }

  /** Whether a resource still exists, possibly moved: it keeps its type, name and creation time. */
  async isAnywhere({ type, name, createdAt }: Resource<unknown>): Promise<boolean> {
    const same = this.db.selectFrom('resource').select(['key', 'name', 'created_at']).where('type', '=', type)
    const rows = await same.where('created_at', '=', createdAt).execute()
    return rows.some((row) => row.name.toLowerCase() === name.toLowerCase())
  }

  async remove(tx: Db, id: string): Promise<void> {
    if (this.#watch?.types.has(parseResourceId(id)?.type.toLowerCase() ?? '') === true) {
      const gone = await this.find(id, tx)
      if (gone !== undefined) await this.#watch.changed(tx, gone, undefined)
    }
    await tx.deleteFrom('resource').where('key', '=', keyOf(id)).execute()
    await tx.deleteFrom('address').where('owner', '=', keyOf(id)).execute()
    // A later resource of the same name inherits neither rights nor locks.
    for (const table of atScopes) await this.#removeAt(tx, table, keyOf(id))
  }

  /** Rows at a scope and below it. */
  async #removeAt(tx: Db, table: (typeof atScopes)[number], key: string): Promise<void> {
    await tx
      .deleteFrom(table)
      .where((eb) =>
        eb.or([
          eb('scope', '=', key),
          eb(eb.fn('substr', ['scope', eb.lit(1), eb.lit(key.length + 1)]), '=', `${key}/`),
        ]),
      )
      .execute()
  }
}

interface ResourceFilter {
  type?: string
  /** Id of the group, or of something in it. */
  groupId?: string
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- Kysely's own type of a query
const selection = (filter: ResourceFilter, db: Db) => {
  let query = db.selectFrom('resource').selectAll()
  if (filter.type !== undefined) query = query.where('type', '=', filter.type.toLowerCase())
  if (filter.groupId !== undefined)
    query = query.where('resource_group', '=', (filter.groupId.split('/')[4] ?? '').toLowerCase())
  return query
}

function toResource<I>(row: Tables['resource']): Resource<I> {
  return {
    key: row.key,
    id: row.id,
    type: row.type,
    resourceGroup: row.resource_group,
    name: row.name,
    location: row.location,
    body: JSON.parse(row.body) as ResourceBody,
    internal: JSON.parse(row.internal) as I,
    etag: row.etag,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
