import { randomUUID } from 'node:crypto'
import type { ErrorDetail } from '@strongroom/contract'
import { sql, type Kysely } from 'kysely'
import type { Migration } from '../store/store-types.ts'
import type { Database, Store } from '../store/store-types.ts'
import { forUpdate } from '../store/for-update.ts'
import { leaseHolderIsDead } from './lease-holder.ts'
import { takePlaces } from './places.ts'
import type { Operation, OperationStatus, OperationStep } from './saga.ts'

interface Row {
  id: string
  kind: string
  resource_id: string
  /** Object id of the requester; empty for the platform. */
  principal: string
  /** Order among the operations of one resource. */
  sequence: number
  idempotency_key: string | null
  status: OperationStatus
  params: string
  data: string
  steps: string
  error: string | null
  cancel_requested: number
  started_at: string
  ended_at: string | null
  lease_owner: string | null
  lease_until: string | null
}

interface Tables {
  strongroom_operation: Row
}

export const operationMigrations: Record<string, Migration> = {
  '001': {
    up: async (db) => {
      await db.schema
        .createTable('strongroom_operation')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('kind', 'text', (column) => column.notNull())
        .addColumn('resource_id', 'text', (column) => column.notNull())
        .addColumn('sequence', 'integer', (column) => column.notNull())
        .addColumn('idempotency_key', 'text', (column) => column.unique())
        .addColumn('status', 'text', (column) => column.notNull())
        .addColumn('params', 'text', (column) => column.notNull())
        .addColumn('data', 'text', (column) => column.notNull())
        .addColumn('steps', 'text', (column) => column.notNull())
        .addColumn('error', 'text')
        .addColumn('cancel_requested', 'integer', (column) => column.notNull())
        .addColumn('started_at', 'text', (column) => column.notNull())
        .addColumn('ended_at', 'text')
        .addColumn('lease_owner', 'text')
        .addColumn('lease_until', 'text')
        .addUniqueConstraint('strongroom_operation_order', ['resource_id', 'sequence'])
        .execute()
      await db.schema.createIndex('strongroom_operation_status').on('strongroom_operation').column('status').execute()
    },
  },
  '002': {
    up: async (db) => {
      await db.schema
        .alterTable('strongroom_operation')
        .addColumn('principal', 'text', (column) => column.notNull().defaultTo(''))
        .execute()
    },
  },
}

const ofCandidate = ['id', 'principal', 'lease_owner', 'lease_until'] as const
type Candidate = Pick<Row, (typeof ofCandidate)[number]>

/** An operation in a runner's memory. */
export interface Held {
  id: string
  kind: string
  resourceId: string
  principal: string
  status: 'Running' | 'Undoing'
  params: unknown
  data: Record<string, unknown>
  steps: OperationStep[]
  error?: ErrorDetail
  cancelRequested: boolean
  startedAt: string
}

const unfinished: OperationStatus[] = ['Running', 'Undoing']

/** All SQL of the operations of one service. */
export class OperationRecords {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get #db(): Kysely<Tables> {
    return this.#store.db as Kysely<Tables>
  }

  async insert(o: {
    kind: string
    resourceId: string
    principal: string
    params: unknown
    steps: OperationStep[]
    idempotencyKey?: string
    now: Date
    /** The operation's initial lease. */
    lease?: { owner: string; until: Date }
    tx: Database
  }): Promise<Operation> {
    const tx = o.tx as Kysely<Tables>
    await this.#hold(tx, o.resourceId)
    const key = o.idempotencyKey === undefined ? null : JSON.stringify([o.kind, o.resourceId, o.idempotencyKey])
    if (key !== null) {
      const same = await tx
        .selectFrom('strongroom_operation')
        .selectAll()
        .where('idempotency_key', '=', key)
        .executeTakeFirst()
      if (same) return toOperation(same)
    }
    const last = await tx
      .selectFrom('strongroom_operation')
      .select((eb) => eb.fn.max('sequence').as('sequence'))
      .where('resource_id', '=', o.resourceId)
      .executeTakeFirst()
    const row: Row = {
      id: randomUUID(),
      kind: o.kind,
      resource_id: o.resourceId,
      principal: o.principal,
      sequence: Number(last?.sequence ?? 0) + 1,
      idempotency_key: key,
      status: 'Running',
      params: JSON.stringify(o.params ?? null),
      data: '{}',
      steps: JSON.stringify(o.steps),
      error: null,
      cancel_requested: 0,
      started_at: o.now.toISOString(),
      ended_at: null,
      lease_owner: o.lease?.owner ?? null,
      lease_until: o.lease?.until.toISOString() ?? null,
    }
    await tx.insertInto('strongroom_operation').values(row).execute()
    return toOperation(row)
  }

  async get(id: string): Promise<Operation | undefined> {
    const row = await this.#db.selectFrom('strongroom_operation').selectAll().where('id', '=', id).executeTakeFirst()
    return row && toOperation(row)
  }

  /** Newest first. */
  async listUnfinished(): Promise<Operation[]> {
    const rows = await this.#db
      .selectFrom('strongroom_operation')
      .selectAll()
      .where('status', 'in', ['Running', 'Undoing'])
      .orderBy('sequence')
      .execute()
    return rows.map(toOperation)
  }

  async listFor(resourceId: string): Promise<Operation[]> {
    const rows = await this.#db
      .selectFrom('strongroom_operation')
      .selectAll()
      .where('resource_id', '=', resourceId)
      .orderBy('sequence', 'desc')
      .execute()
    return rows.map(toOperation)
  }

  /** Unfinished ones, oldest first; until the transaction ends no other one of the resource is recorded. */
  async holdOff(resourceId: string, transaction: Database): Promise<Operation[]> {
    const tx = transaction as Kysely<Tables>
    await this.#hold(tx, resourceId)
    const rows = await tx
      .selectFrom('strongroom_operation')
      .selectAll()
      .where('resource_id', '=', resourceId)
      .where('status', 'in', unfinished)
      .orderBy('sequence')
      .execute()
    return rows.map(toOperation)
  }

  /** One transaction at a time for a resource's operations; SQLite allows only one anyway. */
  async #hold(tx: Kysely<Tables>, resourceId: string): Promise<void> {
    if (this.#store.engine !== 'postgres') return
    await sql`select pg_advisory_xact_lock(hashtext(${`strongroom operation ${resourceId}`}))`.execute(tx)
  }

  /**
   * Claims operations that nobody works on: the first of its resource, without a valid lease. `reserved` are those
   * whose lease is the owner's although it has not begun them; those in progress are `busy`, by id with the requester:
   * after a pause of the whole machine its lease may have expired without anybody else claiming it.
   */
  async claim(o: {
    kinds: string[]
    owner: string
    reserved: ReadonlySet<string>
    busy: ReadonlyMap<string, string>
    now: Date
    until: Date
  }): Promise<Held[]> {
    if (o.kinds.length === 0) return []
    const now = o.now.toISOString()
    const mayTake = (row: Candidate): boolean =>
      !o.busy.has(row.id) && (isFree(row, now) || (o.reserved.has(row.id) && row.lease_owner === o.owner))
    // A read without a lock first: an idle runner writes nothing.
    const free = (await this.#candidates(this.#db, o.kinds)).filter(mayTake)
    const ids = takePlaces(free, countEach(o.busy.values())).map((row) => row.id)
    if (ids.length === 0) return []
    return this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const query = tx
        .selectFrom('strongroom_operation')
        .selectAll()
        .where('id', 'in', ids)
        .where('status', 'in', unfinished)
      const locked = await (this.#store.engine === 'postgres' ? query.forUpdate().skipLocked() : query).execute()
      const taken = locked.filter(mayTake)
      for (const row of taken) {
        await tx
          .updateTable('strongroom_operation')
          .set({ lease_owner: o.owner, lease_until: o.until.toISOString() })
          .where('id', '=', row.id)
          .execute()
      }
      return taken.map(toHeld)
    })
  }

  /** Unfinished operations without an earlier unfinished one, in submission order. */
  async #candidates(db: Kysely<Tables>, kinds: string[]): Promise<Candidate[]> {
    return db
      .selectFrom('strongroom_operation as candidate')
      .select(ofCandidate)
      .where('candidate.status', 'in', unfinished)
      .where('candidate.kind', 'in', kinds)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('strongroom_operation as earlier')
              .select('earlier.id')
              .whereRef('earlier.resource_id', '=', 'candidate.resource_id')
              .whereRef('earlier.sequence', '<', 'candidate.sequence')
              .where('earlier.status', 'in', unfinished),
          ),
        ),
      )
      .orderBy('candidate.started_at')
      .orderBy('candidate.sequence')
      .execute()
  }

  /** Which leases still hold; others were lost. */
  async renew(o: { ids: string[]; owner: string; until: Date }): Promise<{ id: string; cancelRequested: boolean }[]> {
    if (o.ids.length === 0) return []
    const rows = await this.#db
      .updateTable('strongroom_operation')
      .set({ lease_until: o.until.toISOString() })
      .where('id', 'in', o.ids)
      .where('lease_owner', '=', o.owner)
      .returning(['id', 'cancel_requested'])
      .execute()
    return rows.map((row) => ({ id: row.id, cancelRequested: row.cancel_requested === 1 }))
  }

  /** Writes changes; false if the lease was lost, and then nothing is written. */
  async save(held: Held, owner: string): Promise<boolean> {
    const result = await this.#db
      .updateTable('strongroom_operation')
      .set({
        status: held.status,
        data: JSON.stringify(held.data),
        steps: JSON.stringify(held.steps),
        error: held.error ? JSON.stringify(held.error) : null,
      })
      .where('id', '=', held.id)
      .where('lease_owner', '=', owner)
      .executeTakeFirst()
    return Number(result.numUpdatedRows) === 1
  }

  async finish(held: Held, owner: string, status: 'Succeeded' | 'Failed' | 'Canceled', now: Date): Promise<boolean> {
    const result = await this.#db
      .updateTable('strongroom_operation')
      .set({
        status,
        data: JSON.stringify(held.data),
        steps: JSON.stringify(held.steps),
        error: held.error ? JSON.stringify(held.error) : null,
        ended_at: now.toISOString(),
        lease_owner: null,
        lease_until: null,
      })
      .where('id', '=', held.id)
      .where('lease_owner', '=', owner)
      .executeTakeFirst()
    return Number(result.numUpdatedRows) === 1
  }

  /** Releases the unfinished operation for another runner. */
  async release(id: string, owner: string): Promise<void> {
    await this.#db
      .updateTable('strongroom_operation')
      .set({ lease_owner: null, lease_until: null })
      .where('id', '=', id)
      .where('lease_owner', '=', owner)
      .execute()
  }

  /** False if it has already ended or is being undone. */
  async requestCancel(id: string): Promise<boolean> {
    return this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const query = tx.selectFrom('strongroom_operation').select('status').where('id', '=', id)
      const row = await forUpdate(this.#store, query).executeTakeFirst()
      if (row?.status !== 'Running') return false
      await tx.updateTable('strongroom_operation').set({ cancel_requested: 1 }).where('id', '=', id).execute()
      return true
    })
  }

  async removeEndedBefore(time: Date): Promise<void> {
    await this.#db.deleteFrom('strongroom_operation').where('ended_at', '<', time.toISOString()).execute()
  }
}

function countEach(principals: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const principal of principals) counts.set(principal, (counts.get(principal) ?? 0) + 1)
  return counts
}

function isFree(row: Candidate, now: string): boolean {
  return (
    row.lease_owner === null || row.lease_until === null || row.lease_until < now || leaseHolderIsDead(row.lease_owner)
  )
}

function toOperation(row: Row): Operation {
  return {
    id: row.id,
    kind: row.kind,
    resourceId: row.resource_id,
    status: row.status,
    startedAt: row.started_at,
    ...(row.ended_at !== null && { endedAt: row.ended_at }),
    ...(row.error !== null && { error: JSON.parse(row.error) as ErrorDetail }),
    steps: JSON.parse(row.steps) as OperationStep[],
  }
}

function toHeld(row: Row): Held {
  return {
    id: row.id,
    kind: row.kind,
    resourceId: row.resource_id,
    principal: row.principal,
    status: row.status as Held['status'],
    params: JSON.parse(row.params),
    data: JSON.parse(row.data) as Record<string, unknown>,
    steps: JSON.parse(row.steps) as OperationStep[],
    ...(row.error !== null && { error: JSON.parse(row.error) as ErrorDetail }),
    cancelRequested: row.cancel_requested === 1,
    startedAt: row.started_at,
  }
}
