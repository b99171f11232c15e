import type { HostLeft, PlacementExplanation, SetDomains } from '@strongroom/contract'
import { countOf, databaseTime, forUpdate, GroupCommit, ServiceError, type Store } from '@strongroom/platform'
import type { Selectable, Transaction } from 'kysely'
import { keyOf } from '../arm/ids/resource-id.ts'
import type { Db } from '../store/resources.ts'
import type { Tables } from '../store/tables.ts'
import { choose, explainRuledOut, type Candidate, type Need, type SetMember } from './choose.ts'
import type { HostRegistry } from './registry.ts'

export type Placement = Selectable<Tables['placement']>

/** A placement of which the vault knows. */
interface Fence {
  placed: Pick<Placement, 'vm_id' | 'epoch'>
  /** The VM's host, unless it has another placement meanwhile. */
  host?: string
}

/** Maximum fences recorded in one transaction. */
const fencedAtOnce = 64

/** Which host carries which VM, with its reservations. Methods with `tx` run inside the caller's transaction. */
export class Placements {
  readonly #store: Store
  readonly #registry: HostRegistry
  readonly #fences: GroupCommit<Fence>

  constructor(store: Store, registry: HostRegistry) {
    this.#store = store
    this.#registry = registry
    this.#fences = new GroupCommit({ limit: fencedAtOnce, write: async (fences) => await this.#fenced(fences) })
  }

  get #db(): Db {
    return this.#store.db as Db
  }

  async transaction<T>(work: (tx: Db) => Promise<T>): Promise<T> {
    return await this.#store.transaction(async (tx) => await work(tx as Transaction<Tables>))
  }

  async find(vmId: string, db: Db = this.#db): Promise<Placement | undefined> {
    return await db.selectFrom('placement').selectAll().where('vm_id', '=', vmId).executeTakeFirst()
  }

  async lock(tx: Db, vmId: string): Promise<Placement | undefined> {
    const query = tx.selectFrom('placement').selectAll().where('vm_id', '=', vmId)
    return await forUpdate(this.#store, query).executeTakeFirst()
  }

  /** In one order, so that two processes that lock the same ones do not wait for each other. */
  async lockAll(tx: Db, vmIds: readonly string[]): Promise<Map<string, Placement>> {
    const query = tx.selectFrom('placement').selectAll().where('vm_id', 'in', vmIds).orderBy('vm_id')
    return new Map((await forUpdate(this.#store, query).execute()).map((placed) => [placed.vm_id, placed]))
  }

  async on(host: string, db: Db = this.#db): Promise<Placement[]> {
    return await db.selectFrom('placement').selectAll().where('host', '=', host).orderBy('vm_id').execute()
  }

  /** All hosts with their reservations, for the choice. */
  async candidates(db: Db = this.#db): Promise<Candidate[]> {
    return (await this.#registry.list(db)).map(({ state, ...host }) => {
      const asked = state === 'Invited' ? 'invited' : state === 'Draining' ? 'draining' : undefined
      const closed = asked === 'invited' || host.isAlive ? asked : 'lost'
      return { ...host, ...(closed && { closed }) }
    })
  }

  /**
   * Gives a VM without a host one, under the next epoch. A host's reservations are read under its lock, so that two VMs
   * never both get the last room.
   * @param o.candidates result of `candidates`, when placing many in a row; kept up to date
   * @throws ServiceError AllocationFailed, ZonalAllocationFailed
   */
  async place(
    tx: Db,
    o: { vmId: string; resourceId: string; need: Need; candidates?: Candidate[] },
  ): Promise<Placement> {
    const { need } = o
    const before = await this.lock(tx, o.vmId)
    if (before !== undefined && before.host !== null) return before
    const members = need.spread === undefined ? [] : await this.#membersOf(tx, need.spread.id)
    const candidates = o.candidates ?? (await this.candidates(tx))
    for (;;) {
      const { host, why } = choose(candidates, need, members)
      if (host === undefined) throw allocationFailed(why)
      const query = tx.selectFrom('fleet_use').selectAll().where('host', '=', host.id)
      const use = await forUpdate(this.#store, query).executeTakeFirst()
      const isAsSeen = use?.vcpus === host.usedVCPUs && use.memory_mib === host.usedMemoryMiB
      host.usedVCPUs = use?.vcpus ?? host.vCPUs
      host.usedMemoryMiB = use?.memory_mib ?? host.memoryMiB
      if (use === undefined || !isAsSeen) continue
      const placed: Placement = {
        wanted: 'Stopped',
        run: 0,
        fenced_epoch: 0,
        moving: 0,
        ...before,
        vm_id: o.vmId,
        resource_id: o.resourceId,
        host: host.id,
        epoch: (before?.epoch ?? 0) + 1,
        vcpus: need.vCPUs,
        memory_mib: need.memoryMiB,
        spread_set: need.spread === undefined ? null : keyOf(need.spread.id),
        fault_domain: why.chosen?.spread?.faultDomain ?? null,
        update_domain: why.chosen?.spread?.updateDomain ?? null,
        why: JSON.stringify({ ...why, ...movedFrom(before) }),
        placed_at: (await databaseTime(this.#store, tx)).toISOString(),
      }
      if (before === undefined) await tx.insertInto('placement').values(placed).execute()
      else await tx.updateTable('placement').set(placed).where('vm_id', '=', o.vmId).execute()
      host.usedVCPUs += need.vCPUs
      host.usedMemoryMiB += need.memoryMiB
      const reserved = {
        vcpus: host.usedVCPUs,
        memory_mib: host.usedMemoryMiB,
        vms: use.vms + 1,
        revision: use.revision + 1,
      }
      await tx.updateTable('fleet_use').set(reserved).where('host', '=', host.id).execute()
      return placed
    }
  }

  /** VMs of a set that are on hosts. Locks the set, so that of two placed at once, the second sees the first. */
  async #membersOf(tx: Db, set: string): Promise<SetMember[]> {
    const key = keyOf(set)
    await forUpdate(this.#store, tx.selectFrom('resource').selectAll().where('key', '=', key)).executeTakeFirst()
    return (await this.ofSet(key, tx)).flatMap((placed) => {
      const domains = domainsAt(placed)
      return placed.host === null || domains === undefined ? [] : [{ host: placed.host, ...domains }]
    })
  }

  /** @param key of the set's id */
  async ofSet(key: string, db: Db = this.#db): Promise<Placement[]> {
    return await db.selectFrom('placement').selectAll().where('spread_set', '=', key).orderBy('vm_id').execute()
  }

  /** Of all VMs that have a placement, for a list. */
  async domains(): Promise<Map<string, SetDomains | undefined>> {
    const columns = ['vm_id', 'host', 'fault_domain', 'update_domain'] as const
    const rows = await this.#db.selectFrom('placement').select(columns).execute()
    return new Map(rows.map((row) => [row.vm_id, domainsAt(row)]))
  }

  /** Whether the VM is to run; `again` also restarts it. Notifies its host. */
  async want(
    tx: Db,
    placed: Placement,
    wanted: Placement['wanted'],
    o: { again?: boolean; moving?: boolean } = {},
  ): Promise<void> {
    const run = o.again === true ? placed.run + 1 : placed.run
    // Any other request for a moving VM takes precedence and ends the move.
    const moving = o.moving === true ? 1 : 0
    await tx.updateTable('placement').set({ wanted, run, moving }).where('vm_id', '=', placed.vm_id).execute()
    if (placed.host !== null) await this.#change(tx, placed.host)
  }

  /** Takes a VM from its host, which drops it. Its epoch is kept. @returns the previous host */
  async release(tx: Db, vmId: string): Promise<string | undefined> {
    const placed = await this.lock(tx, vmId)
    if (placed === undefined || placed.host === null) return undefined
    const none = { host: null, wanted: 'Stopped' as const, vcpus: 0, memory_mib: 0, placed_at: null, moving: 0 }
    await tx.updateTable('placement').set(none).where('vm_id', '=', vmId).execute()
    await this.#change(tx, placed.host, placed)
    return placed.host
  }

  /** For a deleted VM. @returns the previous host */
  async forget(vmId: string): Promise<string | undefined> {
    return await this.transaction(async (tx) => {
      const host = await this.release(tx, vmId)
      await tx.deleteFrom('placement').where('vm_id', '=', vmId).execute()
      return host
    })
  }

  /** A VM's host must be informed of a change to the VM. */
  async changed(tx: Db, placed: Placement): Promise<void> {
    if (placed.host !== null) await this.#change(tx, placed.host)
  }

  /** The host's orders have changed. @param left a VM that it no longer carries */
  async #change(tx: Db, host: string, left?: Placement): Promise<void> {
    const query = tx.selectFrom('fleet_use').selectAll().where('host', '=', host)
    const use = await forUpdate(this.#store, query).executeTakeFirst()
    if (use === undefined) return
    const changed = {
      vcpus: use.vcpus - (left?.vcpus ?? 0),
      memory_mib: use.memory_mib - (left?.memory_mib ?? 0),
      vms: use.vms - (left === undefined ? 0 : 1),
      revision: use.revision + 1,
    }
    await tx.updateTable('fleet_use').set(changed).where('host', '=', host).execute()
  }

  /** Hosts with VMs and an expired lease. */
  async lostHosts(): Promise<string[]> {
    const now = (await databaseTime(this.#store, this.#db)).toISOString()
    const rows = await this.#db
      .selectFrom('fleet_lease')
      .innerJoin('fleet_use', 'fleet_use.host', 'fleet_lease.host')
      .select('fleet_lease.host')
      .where('fleet_lease.until', '<', now)
      .where('fleet_use.vcpus', '>', 0)
      .orderBy('fleet_lease.host')
      .execute()
    return rows.map(({ host }) => host)
  }

  /**
   * Takes VMs from a host with an expired lease; their wanted state stays. A host that called meanwhile keeps them: its
   * lease is locked until the transaction ends.
   * @returns the previous placements of those that were taken
   */
  async abandon(tx: Db, o: { host: string; vmIds: readonly string[] }): Promise<Placement[]> {
    const lease = tx.selectFrom('fleet_lease').selectAll().where('host', '=', o.host)
    const until = (await forUpdate(this.#store, lease).executeTakeFirst())?.until
    if (until === undefined || until >= (await databaseTime(this.#store, tx)).toISOString()) return []
    const taken = [...(await this.lockAll(tx, o.vmIds)).values()].filter(({ host }) => host === o.host)
    for (const placed of taken) {
      await this.leave(tx, placed, 'lost')
      // Stopped only in order to start elsewhere.
      if (placed.moving === 1) await this.want(tx, { ...placed, host: null }, 'Running')
    }
    return taken
  }

  /** Takes a VM from its host for this reason; its wanted state stays. */
  async leave(tx: Db, placed: Placement, reason: HostLeft['reason']): Promise<void> {
    const { host } = placed
    if (host === null) return
    const at = (await databaseTime(this.#store, tx)).toISOString()
    const left: HostLeft = { host: (await this.#registry.nameOf(host, tx)) ?? host, reason, at }
    const why = JSON.stringify({ ...(JSON.parse(placed.why) as object), left })
    const none = { host: null, vcpus: 0, memory_mib: 0, placed_at: null, moving: 0, why }
    await tx.updateTable('placement').set(none).where('vm_id', '=', placed.vm_id).execute()
    await this.#change(tx, host, placed)
  }

  /** VMs that are to run and have no host. */
  async waiting(most: number): Promise<Placement[]> {
    const query = this.#db.selectFrom('placement').selectAll().where('host', 'is', null).where('wanted', '=', 'Running')
    return await query.orderBy('vm_id').limit(most).execute()
  }

  async waitingCount(): Promise<number> {
    const query = this.#db.selectFrom('placement').where('host', 'is', null).where('wanted', '=', 'Running')
    return await countOf(this.#db, query)
  }

  /** The vault knows the VM's epoch, so its host may be notified. @returns that host */
  async fenced(placed: Pick<Placement, 'vm_id' | 'epoch'>): Promise<string | undefined> {
    const fence: Fence = { placed }
    await this.#fences.add(fence)
    return fence.host
  }

  async #fenced(fences: Fence[]): Promise<void> {
    await this.transaction(async (tx) => {
      const locked = await this.lockAll(
        tx,
        fences.map(({ placed }) => placed.vm_id),
      )
      for (const fence of fences) {
        const { vm_id: vmId, epoch } = fence.placed
        const placed = locked.get(vmId)
        if (placed === undefined || placed.host === null || placed.epoch !== epoch) continue
        await tx.updateTable('placement').set({ fenced_epoch: epoch }).where('vm_id', '=', vmId).execute()
        await this.#change(tx, placed.host)
        fence.host = placed.host
      }
    })
  }

  /** VMs that are to run on a host which may not be notified yet. */
  async unfenced(most: number): Promise<Placement[]> {
    const query = this.#db
      .selectFrom('placement')
      .selectAll()
      .where('host', 'is not', null)
      .where('wanted', '=', 'Running')
    return await query.whereRef('fenced_epoch', '<', 'epoch').orderBy('vm_id').limit(most).execute()
  }

  /** Changes with everything the host carries. */
  async revision(host: string): Promise<number> {
    const use = this.#db.selectFrom('fleet_use').select('revision').where('host', '=', host)
    return (await use.executeTakeFirst())?.revision ?? 0
  }
}

/** Of VMs on the server's own host, which fail together. */
export const ownHostDomains: SetDomains = { faultDomain: 0, updateDomain: 0 }

/** Of a VM on a host, in its set. */
export const domainsAt = ({
  host,
  fault_domain,
  update_domain,
}: Pick<Placement, 'host' | 'fault_domain' | 'update_domain'>): SetDomains | undefined =>
  host === null || fault_domain === null || update_domain === null
    ? undefined
    : { faultDomain: fault_domain, updateDomain: update_domain }

/** What happened to a VM's previous host, if that is why it has another. */
function movedFrom(before: Placement | undefined): { moved?: HostLeft } {
  const { left } = JSON.parse(before?.why ?? '{}') as { left?: HostLeft }
  return left === undefined ? {} : { moved: left }
}

/** In Azure's words, with the hosts that were ruled out. */
function allocationFailed(why: PlacementExplanation): ServiceError {
  const zonal = why.need.zone !== undefined
  return new ServiceError({
    code: zonal ? 'ZonalAllocationFailed' : 'AllocationFailed',
    message: `Allocation failed. We do not have sufficient capacity for the requested VM size in this ${zonal ? 'zone' : 'region'}.`,
    target: 'vmSize',
    expected: `a host with room for ${why.need.vCPUs} cores and ${why.need.memoryMiB / 1024} GiB`,
    found: `none of ${why.considered} hosts`,
    remedy: 'Add a host, free room on one, or use another size.',
    details: explainRuledOut(why).map((message) => ({ code: 'HostRuledOut', message })),
  })
}
