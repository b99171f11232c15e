import { randomUUID } from 'node:crypto'
import type { PlannedEvent } from '@strongroom/contract'
import { databaseTime, ServiceError, type Store } from '@strongroom/platform'
import type { Selectable, Transaction } from 'kysely'
import type { Db } from '../store/resources.ts'
import type { Tables } from '../store/tables.ts'

export type PlannedMove = Selectable<Tables['planned_move']>

/** What the owner of a VM wants of its moves. */
export interface MovePolicy {
  /** How long before a move to know of it. */
  noticeSeconds?: number
  /** The earliest time from `at` on at which one may begin. */
  opening?(at: Date): Date
}

/** Moves off drained hosts that VMs' owners and guests know of in advance. Times are the database's. */
export class PlannedMoves {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get #db(): Db {
    return this.#store.db as Db
  }

  async now(): Promise<string> {
    return (await databaseTime(this.#store, this.#db)).toISOString()
  }

  /** Few, even in a large fleet: those of hosts being drained. */
  async byVm(): Promise<Map<string, PlannedMove>> {
    const moves = await this.#db.selectFrom('planned_move').selectAll().orderBy('vm_id').execute()
    return new Map(moves.map((move) => [move.vm_id, move]))
  }

  async find(vmId: string, db: Db = this.#db): Promise<PlannedMove | undefined> {
    return await db.selectFrom('planned_move').selectAll().where('vm_id', '=', vmId).executeTakeFirst()
  }

  /** In the transaction that has locked the VM's placement. @param o.host id; o.noticeSeconds the operator's */
  async plan(
    tx: Db,
    o: { vmId: string; host: string; noticeSeconds: number; policy: MovePolicy },
  ): Promise<PlannedMove> {
    const known = await this.find(o.vmId, tx)
    if (known !== undefined) return known
    const now = await databaseTime(this.#store, tx)
    const notice = Math.max(o.noticeSeconds, o.policy.noticeSeconds ?? 0)
    const from = new Date(now.getTime() + notice * 1000)
    const planned: PlannedMove = {
      vm_id: o.vmId,
      event_id: randomUUID().toUpperCase(),
      host: o.host,
      created_at: now.toISOString(),
      not_before: (o.policy.opening?.(from) ?? from).toISOString(),
      approved_at: null,
      started_at: null,
    }
    await tx.insertInto('planned_move').values(planned).execute()
    return planned
  }

  /**
   * The operator wants less notice than before: a move that has not begun comes earlier, and never later. What its owner
   * wants counts from when it was planned.
   * @returns whether it does
   */
  async hasten(tx: Db, o: { vmId: string; noticeSeconds: number; policy: MovePolicy }): Promise<boolean> {
    const planned = await this.find(o.vmId, tx)
    if (planned === undefined || planned.started_at !== null) return false
    const now = await databaseTime(this.#store, tx)
    const owners = new Date(planned.created_at).getTime() + (o.policy.noticeSeconds ?? 0) * 1000
    const from = new Date(Math.max(owners, now.getTime() + o.noticeSeconds * 1000))
    const not_before = (o.policy.opening?.(from) ?? from).toISOString()
    if (not_before >= planned.not_before) return false
    await tx.updateTable('planned_move').set({ not_before }).where('vm_id', '=', o.vmId).execute()
    return true
  }

  /**
   * The move need not wait for its time. Repeatable.
   * @param event id, if the caller names one
   * @throws ServiceError EventNotPlanned
   */
  async approve(vmId: string, event?: string): Promise<PlannedMove> {
    return await this.#store.transaction(async (any) => {
      const tx = any as Transaction<Tables>
      const planned = await this.find(vmId, tx)
      if (planned === undefined || (event !== undefined && planned.event_id !== event)) throw notPlanned(vmId, event)
      if (planned.approved_at !== null) return planned
      const approved_at = (await databaseTime(this.#store, tx)).toISOString()
      await tx.updateTable('planned_move').set({ approved_at }).where('vm_id', '=', vmId).execute()
      return { ...planned, approved_at }
    })
  }

  async started(tx: Db, vmId: string): Promise<void> {
    const started_at = (await databaseTime(this.#store, tx)).toISOString()
    await tx.updateTable('planned_move').set({ started_at }).where('vm_id', '=', vmId).execute()
  }

  async remove(tx: Db, vmId: string): Promise<void> {
    await tx.deleteFrom('planned_move').where('vm_id', '=', vmId).execute()
  }
}

/** As guests see it. */
export const eventOf = ({ event_id: id, not_before: notBefore, started_at }: PlannedMove): PlannedEvent => ({
  id,
  type: 'Redeploy',
  status: started_at === null ? 'Scheduled' : 'Started',
  notBefore,
})

const notPlanned = (vmId: string, event: string | undefined): ServiceError =>
  new ServiceError({
    code: 'EventNotPlanned',
    message: 'No maintenance of this virtual machine is planned, or not under this id.',
    target: vmId,
    expected: 'a planned event',
    found: event?.slice(0, 60) ?? 'none',
    remedy: 'See /metadata/scheduledevents in the guest, or maintenanceRedeployStatus in the instance view.',
  })
